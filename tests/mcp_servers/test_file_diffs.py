"""What people are shown of a file that a call changed: short, clean, and nothing of what is no text."""

from collections.abc import Iterable, Mapping

from andon.mcp_servers.file_diffs import FILES, file_changes
from andon.mcp_servers.settled import FileChange
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, Entry

BLOBS = {"b1": b"one\ntwo\n"}


def read(ids: Iterable[str]) -> Mapping[str, bytes]:
    return {one: BLOBS[one] for one in ids}


def entry(content: bytes | None, *, mode: str = REGULAR, blob: str = "", oversized: bool = False) -> Entry:
    return Entry(b"a", mode, content, blob, oversized)


def change(old: Entry | None, new: Entry | None) -> FileChange:
    before, after = ({b"a": one} if one else {} for one in (old, new))
    [found] = file_changes([b"a"], before, after, read)
    return found


def test_a_change_of_a_file_of_the_base_is_its_diff() -> None:
    found = change(entry(None, blob="b1"), entry(b"one\n2\n"))
    assert found == FileChange("a", "changed", "@@ -1,2 +1,2 @@\n one\n-two\n+2")


def test_new_and_removed_files_are_all_plus_or_all_minus() -> None:
    assert change(None, entry(b"x\n")) == FileChange("a", "added", "@@ -0,0 +1 @@\n+x")
    assert change(entry(b"x\n"), None) == FileChange("a", "removed", "@@ -1 +0,0 @@\n-x")


def test_a_long_diff_is_cut_and_says_so() -> None:
    found = change(None, entry(b"".join(b"line\n" for _ in range(500))))
    assert (found.cut, len(found.diff.splitlines())) == (True, 60)


def test_long_lines_are_cut_and_controls_are_gone() -> None:
    found = change(None, entry(b"\x1b[31mred\x1b[0m \xe2\x80\xae" + b"x" * 1000))
    assert found.diff.startswith("@@ -0,0 +1 @@\n+red <U+202E>")
    assert len(found.diff) < 300


def test_what_is_no_text_or_too_long_has_no_diff() -> None:
    for old, new in (
        (None, entry(b"\0\1")),
        (None, entry(b"\xff\xfe")),
        (None, entry(b"target", mode=LINK)),
        (None, entry(b"x" * 100_001)),
        (None, entry(b"", oversized=True)),
        (entry(None), entry(b"x")),
        (entry(b"x"), entry(b"x", mode=EXECUTABLE)),
    ):
        assert (change(old, new).diff, change(old, new).cut) == ("", False)


def test_of_many_files_the_first_are_told() -> None:
    paths = [b"%d" % number for number in range(100)]
    after = {path: Entry(path, REGULAR, b"x") for path in paths}
    assert len(file_changes(paths, {}, after, read)) == FILES

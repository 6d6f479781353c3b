"""Files of the workspace, read and edited inside a real sandbox."""

from collections.abc import Awaitable, Callable

import pytest

from andon.guardrails.arguments import Edit
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.files import FILE_BYTES, READ_BYTES, edit_file, list_files, read_file, write_file

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]


async def test_listing_shows_tracked_and_new_files_but_no_ignored_gone_or_closed_ones(start: Start) -> None:
    sandbox = await start(
        {".gitignore": "*.log\n", "a.py": "", "src/b.py": "", "gone.py": "", "factory/x": "", ".env": ""}
    )
    await sandbox.run(["sh", "-c", "touch new.py x.log; rm gone.py"])
    assert await list_files(sandbox) == "4 files\n.gitignore\na.py\nnew.py\nsrc/b.py"
    assert await list_files(sandbox, "src/") == "1 file\nsrc/b.py"


async def test_listing_sums_up_a_large_folder(start: Start) -> None:
    sandbox = await start({**{f"big/d{n % 3}/f{n}.txt": "" for n in range(450)}, "a.txt": ""})
    assert await list_files(sandbox) == "451 files; name a folder to list it\na.txt\nbig/ (450 files)"
    assert (await list_files(sandbox, "big")).split("\n")[1:] == [f"big/d{n}/ (150 files)" for n in range(3)]


async def test_listing_works_without_git(start: Start) -> None:
    sandbox = await start({"a.py": "", "src/b.py": ""})
    await sandbox.run(["rm", "-rf", ".git"])
    assert await list_files(sandbox) == "2 files\na.py\nsrc/b.py"


@pytest.mark.parametrize("folder", ["nowhere", "*", ":(top)"])
async def test_listing_nothing_says_so(start: Start, folder: str) -> None:
    sandbox = await start({"a.py": ""})
    with pytest.raises(ToolFailed, match="there are no files at"):
        await list_files(sandbox, folder)


async def test_reading_gives_plain_lines_below_a_header(start: Start) -> None:
    sandbox = await start({"a.txt": "one\ntwo\nthree\n", "b.txt": "no end"})
    assert await read_file(sandbox, "a.txt") == "a.txt: lines 1-3 of 3\none\ntwo\nthree"
    assert await read_file(sandbox, "b.txt") == "b.txt: lines 1-1 of 1\nno end"
    assert await read_file(sandbox, "a.txt", start=2, lines=1) == (
        "a.txt: lines 2-2 of 3; the next part begins at start=3\ntwo"
    )


async def test_reading_stops_where_an_answer_is_full_and_says_how_to_go_on(start: Start) -> None:
    sandbox = await start({"long.txt": "".join(f"{n:0100}\n" for n in range(1000)), "wide.txt": "x" * 10_000})
    header = (await read_file(sandbox, "long.txt", lines=1000)).split("\n")[0]
    assert header == "long.txt: lines 1-237 of 1000; the next part begins at start=238"
    assert "[… 8000 characters cut]" in await read_file(sandbox, "wide.txt")


async def test_reading_shows_hidden_characters_and_line_ends(start: Start) -> None:
    sandbox = await start({"a.txt": "x\u202ey\r\n\x1b[31mz\r\n".encode()})
    assert await read_file(sandbox, "a.txt") == "a.txt: lines 1-2 of 2, CRLF line ends\nx<U+202E>y\nz"


async def test_a_carriage_return_inside_a_line_does_not_break_it(start: Start) -> None:
    sandbox = await start({"a.txt": b"one\rtwo\r\nthree\n"})
    assert await read_file(sandbox, "a.txt") == "a.txt: lines 1-2 of 2\none␍two\nthree"
    said = await edit_file(sandbox, "a.txt", [Edit(old="two", new="2")])
    assert said == "edited a.txt: 1 replacement\n1 +one␍2\n2  three"
    assert await sandbox.read("a.txt", limit=100) == b"one\r2\r\nthree\n"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.txt", "there is no file 'nowhere.txt'; list_files shows what there is"),
        ("src", "'src' is a folder; list_files lists it"),
        ("b.bin", "b.bin is a binary file of 4 bytes; it cannot be shown as text"),
        ("pipe", "'pipe' cannot be used as a file"),
        ("huge.txt", "huge.txt is larger than 2000000 bytes"),
    ],
)
async def test_what_cannot_be_read_says_why(start: Start, path: str, reason: str) -> None:
    sandbox = await start({"src/a": "", "b.bin": b"a\0bc", "huge.txt": b"x\n" * FILE_BYTES})
    await sandbox.run(["mkfifo", "pipe"])
    with pytest.raises(ToolFailed) as failed:
        await read_file(sandbox, path)
    assert str(failed.value).startswith(reason)


async def test_reading_past_the_end_and_empty_files(start: Start) -> None:
    sandbox = await start({"a.txt": "one\n", "empty.txt": ""})
    assert await read_file(sandbox, "empty.txt") == "empty.txt: empty file"
    with pytest.raises(ToolFailed, match=r"a\.txt has 1 line; start is 5"):
        await read_file(sandbox, "a.txt", start=5)


async def test_edits_are_made_in_order_and_show_the_changed_lines(start: Start) -> None:
    sandbox = await start({"a.py": "a = 1\nb = 2\nc = 3\n"})
    edits = [Edit(old="c = 3", new="c = 30"), Edit(old="a = 1\n", new="a = 10\naa = 11\n"), Edit(old="30", new="33")]
    said = await edit_file(sandbox, "a.py", edits)
    assert said == "edited a.py: 3 replacements\n1 +a = 10\n2 +aa = 11\n3  b = 2\n4 +c = 33"
    assert await sandbox.read("a.py", limit=100) == b"a = 10\naa = 11\nb = 2\nc = 33\n"


async def test_many_changed_lines_are_cut_in_the_middle(start: Start) -> None:
    sandbox = await start({"a.txt": "x\n"})
    lines = (await edit_file(sandbox, "a.txt", [Edit(old="x", new="y\n" * 199)])).split("\n")
    assert (len(lines), lines[41]) == (82, "[… 120 lines cut; read_file shows them]")


async def test_an_answer_about_wide_lines_stays_below_what_a_read_may_take(start: Start) -> None:
    sandbox = await start({"a.txt": "x\n"})
    said = await edit_file(sandbox, "a.txt", [Edit(old="x", new="\n".join("é" * 1_900 for _ in range(60)))])
    lines = said.split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["edited", "1", "2", "[…", "59", "60"]
    assert (lines[3], len(said.encode()) < READ_BYTES) == ("[… 56 lines cut; read_file shows them]", True)


async def test_what_was_removed_is_told_by_its_old_line_numbers_between_the_lines_that_stayed(start: Start) -> None:
    sandbox = await start({"a.txt": "".join(f"l{number}\n" for number in range(1, 13))})
    edits = [
        Edit(old="l2\nl3\nl4\n", new="l2\nl4\n"),
        Edit(old="l7\nl8\nl9\n", new=""),
        Edit(old="l10", new="ten\n10"),
        Edit(old="l11\nl12\n", new="l11\n"),
    ]
    assert await edit_file(sandbox, "a.txt", edits) == (
        "edited a.txt: 4 replacements\n"
        "2  l2\n[old line 3 removed]\n3  l4\n…\n5  l6\n6 +ten\n7 +10\n[old lines 7-9 removed]\n8  l11\n"
        "[old line 12 removed]"
    )
    assert await sandbox.read("a.txt", limit=100) == b"l1\nl2\nl4\nl5\nl6\nten\n10\nl11\n"


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        ("a\nb\n", "b\n", "", "1  a\n[old line 2 removed]"),
        ("a\nb", "\nb", "", "1  a\n[old line 2 removed]"),
        ("a\nb\n", "a\nb\n", "", "[old lines 1-2 removed]"),
        ("a\nb\n", "b\n", "b\nc\n", "2  b\n3 +c"),
        ("a\nb", "b", "c ", "1  a\n2 +c "),
    ],
)
async def test_no_line_beyond_the_end_of_the_file_is_shown(
    start: Start, text: str, old: str, new: str, said: str
) -> None:
    sandbox = await start({"a.txt": text})
    assert await edit_file(sandbox, "a.txt", [Edit(old=old, new=new)]) == f"edited a.txt: 1 replacement\n{said}"


async def test_an_edit_keeps_crlf_line_ends_and_the_executable_bit(start: Start) -> None:
    sandbox = await start({"a.sh": b"one\r\ntwo\r\nthree\r\n"})
    await sandbox.run(["chmod", "+x", "a.sh"])
    await edit_file(sandbox, "a.sh", [Edit(old="one\ntwo", new="1\n2\n2b")])
    assert await sandbox.read("a.sh", limit=100) == b"1\r\n2\r\n2b\r\nthree\r\n"
    assert (await sandbox.run(["test", "-x", "a.sh"])).exit_code == 0


async def test_an_edit_leaves_mixed_line_ends_alone(start: Start) -> None:
    sandbox = await start({"a.txt": b"one\r\ntwo\nthree"})
    await edit_file(sandbox, "a.txt", [Edit(old="two", new="2")])
    assert await sandbox.read("a.txt", limit=100) == b"one\r\n2\nthree"


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        (
            [Edit(old="x = 1", new="y")],
            "edit 1 of 1: old matches 3 times in a.py, at lines 1, 3, 4; add lines around it until it is unique",
        ),
        (
            [Edit(old="def  go():\n    pass", new="y")],
            "edit 1 of 1: old matches 0 times in a.py; the closest to its first line is line 2: 'def go():'",
        ),
        ([Edit(old="@@@@@", new="y")], "edit 1 of 1: old matches 0 times in a.py, nor does a line like its first"),
        ([Edit(old="def go():", new="def go():")], "edit 1 of 1: old and new are the same"),
        ([Edit(old="def go():", new="y"), Edit(old="def go():", new="z")], "edit 2 of 2: old matches 0 times in a.py"),
    ],
)
async def test_an_edit_that_does_not_match_once_changes_nothing(start: Start, edits: list[Edit], reason: str) -> None:
    content = b"x = 1\ndef go():\n    x = 1\n    x = 1\n"
    sandbox = await start({"a.py": content})
    with pytest.raises(ToolFailed) as failed:
        await edit_file(sandbox, "a.py", edits)
    assert str(failed.value).startswith(reason)
    assert "nothing was changed" in str(failed.value)
    assert await sandbox.read("a.py", limit=1000) == content


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.py", "there is no file 'nowhere.py'"),
        ("src", "'src' is a folder"),
        ("latin.txt", "latin.txt is not UTF-8 text"),
        ("huge.txt", "huge.txt is larger than"),
    ],
)
async def test_what_cannot_be_edited_says_why(start: Start, path: str, reason: str) -> None:
    sandbox = await start({"src/a": "", "latin.txt": b"caf\xe9 x", "huge.txt": b"x\n" * FILE_BYTES})
    with pytest.raises(ToolFailed) as failed:
        await edit_file(sandbox, path, [Edit(old="x", new="y")])
    assert str(failed.value).startswith(reason)


async def test_writing_creates_folders_and_replaces_files(start: Start) -> None:
    sandbox = await start({"a.txt": "one\ntwo\n"})
    assert await write_file(sandbox, "new/deep/b.txt", "x\ny") == "wrote new/deep/b.txt: 2 lines (new file)"
    assert await write_file(sandbox, "a.txt", "x\n") == "wrote a.txt: 1 line (replaced 2 lines)"
    assert await sandbox.read("new/deep/b.txt", limit=100) == b"x\ny"
    assert await sandbox.read("a.txt", limit=100) == b"x\n"


@pytest.mark.parametrize("path", ["src", "a.txt/b", "pipe"])
async def test_what_cannot_be_written_says_why(start: Start, path: str) -> None:
    sandbox = await start({"src/a": "", "a.txt": ""})
    await sandbox.run(["mkfifo", "pipe"])
    with pytest.raises(ToolFailed, match=path):
        await write_file(sandbox, path, "x")

from collections.abc import Callable
from pathlib import Path

import pytest

from andon.records.errors import RunError, UserError
from andon.records.result import FileStat
from andon.records.stops import StopCode
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeFile, TreeStore

Git = Callable[..., str]


def modes(store: TreeStore, tree: str) -> dict[bytes, str]:
    return {file.path: file.mode for file in store.files(tree)}


def test_files_of_a_tree_are_listed_with_mode_and_blob(store: TreeStore, base: str, git: Git, repo: Path) -> None:
    assert modes(store, base) == {
        b".gitattributes": REGULAR,
        b".gitignore": REGULAR,
        b"README.md": REGULAR,
        b"factory/andon.toml": REGULAR,
        b"link": LINK,
        b"run.sh": EXECUTABLE,
        b"src/app.py": REGULAR,
        b"src/crlf.txt": REGULAR,
    }
    assert TreeFile(b"README.md", REGULAR, git(repo, "rev-parse", "HEAD:README.md")) in store.files(base)


def test_only_regular_files_are_read(store: TreeStore, base: str) -> None:
    assert store.read(base, "src/app.py") == b"VALUE = 1\n"
    assert store.read(base, "src/crlf.txt") == b"one\r\ntwo\r\n"
    for path in ("link", "src", "missing", "", "../README.md", "/README.md", "./README.md", "src//app.py", "--help"):
        assert store.read(base, path) is None


def test_a_tree_is_built_by_adding_changing_and_deleting(store: TreeStore, base: str) -> None:
    tree = store.build(
        base,
        [
            Change(b"src/app.py", EXECUTABLE, b"VALUE = 2\n"),
            Change(b"README.md", None),
            Change(b"missing", None),
            Change(b"naive \xff name", REGULAR, b"\r\n\x00binary\xff"),
            Change(b"docs/a b\n.txt", REGULAR, b""),
            Change(b"docs/here", LINK, b"../src"),
        ],
    )
    assert modes(store, tree) == {
        b".gitattributes": REGULAR,
        b".gitignore": REGULAR,
        b"docs/a b\n.txt": REGULAR,
        b"docs/here": LINK,
        b"factory/andon.toml": REGULAR,
        b"link": LINK,
        b"naive \xff name": REGULAR,
        b"run.sh": EXECUTABLE,
        b"src/app.py": EXECUTABLE,
        b"src/crlf.txt": REGULAR,
    }
    blobs = {file.path: file.blob for file in store.files(tree)}
    content = store.read_blobs(blobs.values())
    assert content[blobs[b"naive \xff name"]] == b"\r\n\x00binary\xff"
    assert content[blobs[b"docs/a b\n.txt"]] == b""
    assert content[blobs[b"docs/here"]] == b"../src"
    assert store.changed(base, tree) == [
        "README.md", "docs/a b\n.txt", "docs/here", "naive \\xff name", "src/app.py",
    ]  # fmt: skip


def test_a_file_becomes_a_folder_and_a_folder_a_file(store: TreeStore, base: str) -> None:
    there = store.build(
        base,
        [
            Change(b"README.md/part", REGULAR, b"x"),
            Change(b"README.md", None),
            Change(b"src", REGULAR, b"y"),
            Change(b"src/app.py", None),
            Change(b"src/crlf.txt", None),
        ],
    )
    assert {b"README.md/part", b"src"} < modes(store, there).keys()
    back = store.build(
        there,
        [
            Change(b"README.md", REGULAR, b"# project\n"),
            Change(b"README.md/part", None),
            Change(b"src", None),
            Change(b"src/app.py", REGULAR, b"VALUE = 1\n"),
            Change(b"src/crlf.txt", REGULAR, b"one\r\ntwo\r\n"),
        ],
    )
    assert back == base


def test_nothing_changed_gives_the_base_tree(store: TreeStore, base: str) -> None:
    assert store.build(base, []) == base
    assert store.diff(base, base) == ""
    assert (store.stat(base, base), store.changed(base, base)) == ([], [])


def test_two_thousand_files_are_built_and_read_back(store: TreeStore, base: str) -> None:
    changes = [Change(b"many/%d/%d.txt" % (i % 20, i), REGULAR, b"%d\n" % i) for i in range(2000)]
    tree = store.build(base, changes)
    blobs = {file.path: file.blob for file in store.files(tree)}
    content = store.read_blobs(blobs.values())
    assert {change.path: content[blobs[change.path]] for change in changes} == {c.path: c.content for c in changes}


@pytest.mark.parametrize(
    "path",
    [b".git/config", b"a/.GIT/hooks/x", b"../x", b"a/../x", b"/x", b"a//x", b"", b"./x", b"git~1/x", b".git \x00/x"],
)
def test_a_name_git_drops_or_refuses_stops_the_build(store: TreeStore, base: str, path: bytes) -> None:
    with pytest.raises(RunError) as caught:
        store.build(base, [Change(b"fine.txt", REGULAR, b"x"), Change(path, REGULAR, b"x")])
    assert caught.value.code is StopCode.POLICY_REFUSED


def test_two_changes_that_exclude_each_other_stop_the_build(store: TreeStore, base: str) -> None:
    with pytest.raises(RunError, match=r"cannot hold.*'README\.md'") as caught:
        store.build(base, [Change(b"README.md/part", REGULAR, b"x")])
    assert caught.value.code is StopCode.POLICY_REFUSED


@pytest.mark.parametrize("mode", ["160000", "040000", "100600", "other"])
def test_a_mode_that_no_change_may_have_stops_the_build(store: TreeStore, base: str, mode: str) -> None:
    with pytest.raises(RunError, match="cannot be put into a tree"):
        store.build(base, [Change(b"x", mode, b"x")])


def test_the_diff_is_for_people_and_stable(store: TreeStore, base: str) -> None:
    tree = store.build(
        base,
        [
            Change(b"src/app.py", REGULAR, b"VALUE = 2 # caf\xe9\n"),
            Change(b"data.bin", REGULAR, b"\0\1"),
            Change(b"caf\xc3\xa9 \xff.txt", REGULAR, b"x\n"),
            Change(b"run.sh", None),
        ],
    )
    diff = store.diff(base, tree)
    assert diff == store.diff(base, tree)
    assert "-VALUE = 1\n+VALUE = 2 # caf\\xe9\n" in diff
    assert "Binary files /dev/null and b/data.bin differ" in diff
    assert "deleted file mode 100755" in diff
    assert store.stat(base, tree) == [
        FileStat(path="café \\xff.txt", added=1, removed=0),
        FileStat(path="data.bin", added=None, removed=None),
        FileStat(path="run.sh", added=0, removed=2),
        FileStat(path="src/app.py", added=1, removed=1),
    ]


def test_a_renamed_file_is_one_gone_and_one_new(store: TreeStore, base: str) -> None:
    tree = store.build(base, [Change(b"run.sh", None), Change(b"go.sh", EXECUTABLE, b"#!/bin/sh\necho hello\n")])
    assert store.changed(base, tree) == ["go.sh", "run.sh"]
    assert "rename" not in store.diff(base, tree)


def test_a_commit_is_ours_dated_and_the_same_every_time(
    store: TreeStore, base: str, repository: Repository, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    commit = store.commit(base, repository.head(), "Töp\n\nbody\n", when=1_700_000_000)
    assert commit == store.commit(base, repository.head(), "Töp\n\nbody\n", when=1_700_000_000)
    assert git(store.path, "cat-file", "commit", commit) == (
        f"tree {base}\nparent {repository.head()}\n"
        "author andon <andon@localhost> 1700000000 +0000\ncommitter andon <andon@localhost> 1700000000 +0000\n\n"
        "Töp\n\nbody"
    )


def test_the_store_is_opened_again_and_holds_the_runs_objects(store: TreeStore, base: str, repo: Path) -> None:
    tree = store.build(base, [Change(b"new", REGULAR, b"only in the store")])
    assert TreeStore.open(store.path).read(tree, "new") == b"only in the store"
    assert not list((repo / ".git" / "objects").glob(f"{tree[:2]}/{tree[2:]}"))


def test_what_is_no_store_is_not_opened(tmp_path: Path, repo: Path) -> None:
    for path in (tmp_path / "none", repo / ".git"):
        with pytest.raises(UserError, match="no tree store"):
            TreeStore.open(path)


def test_a_store_of_a_shallow_clone_knows_where_history_ends(repo: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", str(tmp_path / "shallow"))
    repository = Repository.open(tmp_path / "shallow")
    store = TreeStore.create(tmp_path / "store", repository)
    assert git(store.path, "log", "--format=%s", repository.head()) == "second"


def test_an_object_a_partial_repository_lacks_is_named(store: TreeStore) -> None:
    with pytest.raises(UserError, match=f"lacks the object {'1' * 40}.*full clone"):
        store.read_blobs(["1" * 40])


def test_the_users_settings_do_not_reach_the_store(
    store: TreeStore, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = store.build(base, [Change(b"src/app.py", REGULAR, b"VALUE = 2\n")])
    before = store.diff(base, tree)
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "config").write_text("[diff]\n noprefix = true\n external = /bin/false\n[core]\n abbrev = 7\n")
    (tmp_path / "git" / "attributes").write_text("*.py binary\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    assert store.diff(base, tree) == before

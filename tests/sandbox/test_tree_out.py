from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from andon.sandbox.lay_out import lay_out
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, SUBMODULE, Entry, Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.tree_out import TakenTree, take_tree

Git = Callable[..., str]
Open = Callable[..., Awaitable[Sandbox]]


def entries_of(store: TreeStore, tree: str) -> dict[bytes, Entry]:
    """What a workspace holds that nobody touched."""
    files = [file for file in store.files(tree) if file.mode != SUBMODULE]
    content = store.read_blobs(file.blob for file in files)
    return {file.path: Entry(file.path, file.mode, content[file.blob]) for file in files}


def take(store: TreeStore, base: str, *put: Entry, gone: tuple[bytes, ...] = ()) -> TakenTree:
    """Take the base with some entries put and some gone."""
    entries = entries_of(store, base) | {entry.path: entry for entry in put}
    return take_tree([entry for path, entry in sorted(entries.items()) if path not in gone], store, base)


async def work(sandbox: Sandbox, script: str) -> None:
    done = await sandbox.run(["sh", "-ec", script])
    assert (done.exit_code, done.output) == (0, b"")


async def test_an_untouched_workspace_is_the_base_byte_for_byte(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    assert take_tree(await sandbox.entries(), store, base) == TakenTree(base, [], [], [])


async def test_a_change_leaves_a_real_sandbox_as_a_tree(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    await work(
        sandbox,
        "echo 'VALUE = 2' > src/app.py; rm README.md; chmod -x run.sh; printf 'a\\r\\n' > src/crlf.txt; "
        'mkdir -p docs build; echo x > "docs/$(printf "caf\\351")"; ln -s ../src docs/code; ln src/app.py hard; '
        "echo x > app.pyc; echo x > build/out; echo '!*.pyc' > src/.gitignore; git commit -qam local",
    )
    taken = take_tree(await sandbox.entries(), store, base)
    assert taken == TakenTree(
        tree=taken.tree,
        changed=[
            "README.md",
            "docs/caf\\xe9",
            "docs/code",
            "hard",
            "run.sh",
            "src/.gitignore",
            "src/app.py",
            "src/crlf.txt",
        ],
        ignored=["app.pyc", "build/out"],
        refused=[],
    )
    files = {file.path: file for file in store.files(taken.tree)}
    assert (files[b"run.sh"].mode, files[b"docs/code"].mode) == (REGULAR, LINK)
    assert store.read(taken.tree, "src/crlf.txt") == b"a\r\n"


async def test_what_a_sandbox_is_started_on_comes_out_of_it(open_sandbox: Open, store: TreeStore, base: str) -> None:
    many = [
        Change(b"many/%d/%d" % (i % 30, i), EXECUTABLE if i % 7 == 0 else REGULAR, b"%d\n" % i) for i in range(2000)
    ]
    odd = [Change(b"caf\xe9\n", REGULAR, b"\r\n\0"), Change(b"-n", REGULAR, b""), Change(b"a/link", LINK, b"../many")]
    tree = store.build(base, [*many, *odd])
    sandbox = await open_sandbox(tree=tree)
    assert take_tree(await sandbox.entries(), store, tree) == TakenTree(tree, [], [], [])
    assert take_tree(await sandbox.entries(), store, base).tree == tree


async def test_a_file_replaced_by_a_folder_and_back_is_no_change(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    await work(sandbox, "rm README.md; mkdir README.md; echo x > README.md/part; rm -r src; echo y > src")
    there = take_tree(await sandbox.entries(), store, base)
    assert (there.changed, there.refused) == (["README.md", "README.md/part", "src", "src/app.py", "src/crlf.txt"], [])
    await work(
        sandbox, "rm -r README.md src; git checkout -q -- README.md src; printf 'one\\r\\ntwo\\r\\n' > src/crlf.txt"
    )
    assert take_tree(await sandbox.entries(), store, base).tree == base


async def test_what_is_no_file_is_refused_and_the_base_stays(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    await work(
        sandbox, "mkfifo new; rm README.md run.sh; mkfifo README.md; ln -s /etc/passwd run.sh; ln -s ../.. src/up"
    )
    taken = take_tree(await sandbox.entries(), store, base)
    assert taken == TakenTree(
        tree=base,
        changed=[],
        ignored=[],
        refused=[
            "'README.md' is no file, folder or link: it was left as it is at the base",
            "'new' is no file, folder or link: it was not taken",
            "'run.sh' is a link with an absolute or empty target: it was left as it is at the base",
            "'src/up' is a link that leaves the workspace: it was not taken",
        ],
    )


async def test_a_folder_replaced_by_a_refused_link_keeps_its_files(
    sandbox: Sandbox, store: TreeStore, base: str
) -> None:
    await work(sandbox, "rm -r src; ln -s /usr src")
    taken = take_tree(await sandbox.entries(), store, base)
    assert (taken.tree, len(taken.refused)) == (base, 1)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"l", b"/etc/passwd"),
        (b"l", b".."),
        (b"l", b"../x"),
        (b"d/l", b"../../x"),
        (b"d/e/l", b".././..//../x"),
        (b"l", b"src/../../x"),
        (b"l", b"src/../README.md"),
        (b"l", b""),
        (b"l", b".git/config"),
        (b"d/l", b"../.GIT"),
        (b".gitmodules", b"README.md"),
        (b"d/.GITMODULES", b"x"),
    ],
)
def test_a_link_that_could_lead_out_is_not_taken(store: TreeStore, base: str, path: bytes, target: bytes) -> None:
    taken = take(store, base, Entry(path, LINK, target))
    assert (taken.tree, len(taken.refused)) == (base, 1)
    assert taken.refused[0].endswith(": it was not taken")


@pytest.mark.parametrize(
    ("path", "target"),
    [(b"l", b"src"), (b"d/l", b"../src/app.py"), (b"d/e/l", b"../../x"), (b"l", b"./a//b"), (b"l", b"...")],
)
def test_a_link_that_stays_inside_is_taken(store: TreeStore, base: str, path: bytes, target: bytes) -> None:
    taken = take(store, base, Entry(path, LINK, target))
    assert (taken.changed, taken.refused) == ([path.decode()], [])


def test_a_link_of_the_base_that_leads_out_is_nobodys_change(store: TreeStore, base: str) -> None:
    out = store.build(base, [Change(b"out", LINK, b"/etc/passwd")])
    assert take(store, out) == TakenTree(out, [], [], [])
    assert take(store, out, gone=(b"out",)).tree == base


@pytest.mark.parametrize(
    "path",
    [
        b"sub/.git/config", b"sub/.GIT/hooks/x", b".git", b"a/.gIt", b".git /x", b".git./x", b"git~1/x", b"GIT~1",
        b".git::$INDEX_ALLOCATION/x", ".g\u200cit/x".encode(), b"a\\.git\\x", b"../x", b"/abs", b"a//b", b"a/./b",
        b"a/..", b"", b"nul\0",
    ],
)  # fmt: skip
def test_a_name_that_means_a_repository_or_another_place_is_not_taken(store: TreeStore, base: str, path: bytes) -> None:
    taken = take(store, base, Entry(path, REGULAR, b"x"), Entry(b"fine", REGULAR, b"x"))
    assert (taken.changed, len(taken.refused)) == (["fine"], 1)


@pytest.mark.parametrize(
    "path", [b".gitignore", b"src/.gitkeep", b".github/x", b"a.git/x", b"git", b"...", b"a:b", b":(x", b"~"]
)
def test_a_name_that_only_looks_alike_is_taken(store: TreeStore, base: str, path: bytes) -> None:
    assert take(store, base, Entry(path, REGULAR, b"x")).changed == [path.decode()]


def test_ignore_rules_are_those_of_the_base(store: TreeStore, base: str) -> None:
    base = store.build(
        base,
        [
            Change(b"src/.gitignore", REGULAR, b"*.log\n!keep.log\n"),
            Change(b"tracked.pyc", REGULAR, b"tracked although ignored"),
            Change(b"lnk/.gitignore", LINK, b"../src/.gitignore"),
        ],
    )
    taken = take(
        store,
        base,
        Entry(b".gitignore", REGULAR, b"*.txt\n"),
        Entry(b"new.txt", REGULAR, b"x"),
        Entry(b"tracked.pyc", REGULAR, b"changed"),
        Entry(b"b.pyc", REGULAR, b"x"),
        Entry(b":(x.pyc", REGULAR, b"x"),
        Entry(b"caf\xe9.pyc", REGULAR, b"x"),
        Entry(b"build", REGULAR, b"a file, and the rule is for a folder"),
        Entry(b"src/build/x", REGULAR, b"the rule is for the top"),
        Entry(b"src/a.log", REGULAR, b"x"),
        Entry(b"src/keep.log", REGULAR, b"x"),
        Entry(b"a.log", REGULAR, b"x"),
        Entry(b"l.pyc", LINK, b"src"),
    )
    assert taken == TakenTree(
        tree=taken.tree,
        changed=[".gitignore", "a.log", "build", "new.txt", "src/build/x", "src/keep.log", "tracked.pyc"],
        ignored=[":(x.pyc", "b.pyc", "caf\\xe9.pyc", "l.pyc", "src/a.log"],
        refused=[],
    )


def test_a_persons_own_ignore_file_has_no_say(
    store: TreeStore, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "ignore").write_text("*\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert take(store, base, Entry(b"new.txt", REGULAR, b"x")).changed == ["new.txt"]


@pytest.mark.parametrize(
    "names",
    [
        (b"HEAD", b"objects/info/x", b"refs/heads/main", b"config"),
        (b"Head", b"Refs/x", b"OBJECTS/x"),
        (b"HEAD", b"commondir"),
    ],
)
def test_a_bare_repository_laid_out_in_a_folder_is_not_taken(
    store: TreeStore, base: str, names: tuple[bytes, ...]
) -> None:
    entries = [Entry(b"deep/trap/" + name, REGULAR, b"x") for name in names]
    taken = take(store, base, *entries, Entry(b"deep/fine", REGULAR, b"x"))
    assert taken.changed == ["deep/fine"]
    assert taken.refused == [
        "'deep/trap' is laid out as a bare git repository, whose settings could run programs: it was not taken"
    ]


def test_a_bare_repository_completed_from_base_and_change_is_not_taken(store: TreeStore, base: str) -> None:
    half = store.build(base, [Change(b"t/HEAD", REGULAR, b"x"), Change(b"t/refs/x", REGULAR, b"x")])
    assert take(store, half, Entry(b"t/objects/x", REGULAR, b"x"), Entry(b"t/config", REGULAR, b"x")).tree == half


def test_a_repository_kept_as_a_fixture_stays_as_it_is(store: TreeStore, base: str) -> None:
    names = (b"HEAD", b"config", b"objects/x", b"refs/x")
    fixture = store.build(base, [Change(b"fixture.git/" + name, REGULAR, b"x") for name in names])
    assert take(store, fixture) == TakenTree(fixture, [], [], [])
    changed = take(store, fixture, Entry(b"fixture.git/config", REGULAR, b"[core] fsmonitor = evil"))
    assert (changed.tree, len(changed.refused)) == (fixture, 1)


async def test_a_submodule_stays_as_it_is_at_the_base(repo: Path, git: Git, tmp_path: Path) -> None:
    commit = git(repo, "rev-parse", "HEAD")
    git(repo, "update-index", "--add", "--cacheinfo", f"{SUBMODULE},{commit},deps/lib")
    git(repo, "commit", "-qm", "with a submodule")
    repository = Repository.open(repo)
    store = TreeStore.create(tmp_path / "store", repository)
    base = store.tree_of(repository.head())
    assert take(store, base) == TakenTree(base, [], [], [])
    inside = take(store, base, Entry(b"deps/lib/x", REGULAR, b"x"), Entry(b"deps/lib/y", REGULAR, b"x"))
    assert (inside.tree, inside.refused) == (
        base,
        ["'deps/lib' is a submodule, which stays as it is at the base: it was left as it is at the base"],
    )
    for path in (b"deps/lib", b"deps"):
        replaced = take(store, base, Entry(path, REGULAR, b"x"))
        assert (replaced.tree, len(replaced.refused)) == (base, 1)


async def test_a_tree_with_a_submodule_is_laid_out_with_an_empty_folder(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "update-index", "--add", "--cacheinfo", f"{SUBMODULE},{git(repo, 'rev-parse', 'HEAD')},deps/lib")
    git(repo, "commit", "-qm", "with a submodule")
    repository = Repository.open(repo)
    store = TreeStore.create(tmp_path / "store", repository)
    (tmp_path / "into").mkdir()
    lay_out(store, store.tree_of(repository.head()), tmp_path / "into")
    assert list((tmp_path / "into" / "deps").iterdir()) == [tmp_path / "into" / "deps" / "lib"]
    assert list((tmp_path / "into" / "deps" / "lib").iterdir()) == []
    assert (tmp_path / "into" / "src" / "crlf.txt").read_bytes() == b"one\r\ntwo\r\n"


async def test_a_large_file_of_the_base_stays_and_a_changed_one_is_refused(
    open_sandbox: Open, store: TreeStore, base: str
) -> None:
    large = store.build(base, [Change(b"data.bin", REGULAR, bytes(50_000_001)), Change(b"b.bin", REGULAR, b"small")])
    sandbox = await open_sandbox(tree=large)
    assert take_tree(await sandbox.entries(), store, large) == TakenTree(large, [], [], [])
    await work(sandbox, "printf x >> data.bin; truncate -s 50000001 b.bin")
    assert take_tree(await sandbox.entries(), store, large) == TakenTree(
        tree=large,
        changed=[],
        ignored=[],
        refused=[
            "'b.bin' is larger than 50 MB, more than a change may carry: it was left as it is at the base",
            "'data.bin' is larger than 50 MB, more than a change may carry: it was left as it is at the base",
        ],
    )


async def test_what_the_base_ignores_is_listed_whatever_it_is(open_sandbox: Open, store: TreeStore, base: str) -> None:
    tree = store.build(base, [Change(b".gitignore", REGULAR, b"/.venv/\n")])
    sandbox = await open_sandbox(tree=tree)
    await work(
        sandbox, "mkdir .venv; ln -s /usr/bin/python3 .venv/python; truncate -s 50000001 .venv/big; mkfifo .venv/f"
    )
    assert take_tree(await sandbox.entries(), store, tree) == TakenTree(
        tree, [], [".venv/big", ".venv/f", ".venv/python"], []
    )


async def test_what_tools_leave_behind_is_listed_and_never_taken(
    open_sandbox: Open, store: TreeStore, base: str
) -> None:
    sandbox = await open_sandbox()
    await work(
        sandbox, "mkdir -p .pytest_cache/v src/__pycache__; echo x > .pytest_cache/v/nodeids; echo x > .coverage"
    )
    assert take_tree(await sandbox.entries(), store, base) == TakenTree(
        base, [], [".coverage", ".pytest_cache/v/nodeids"], []
    )


def test_what_coverage_tools_leave_is_told_from_a_folder_of_that_name(store: TreeStore, base: str) -> None:
    left = [b"coverage/tmp/coverage-1.json", b"web/coverage/lcov.info", b".nyc_output/x.json"]
    mine = [b"coverage/report.py", b"coverage/tmpl/x", b"src/recoverage/tmp/x"]
    taken = take(store, base, *(Entry(path, REGULAR, b"x") for path in (*left, *mine)))
    assert taken.ignored == sorted(path.decode() for path in left)
    assert taken.changed == sorted(path.decode() for path in mine)

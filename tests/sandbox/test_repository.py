import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.records.errors import UserError
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

Git = Callable[..., str]


def change(store: TreeStore, repository: Repository) -> str:
    """Commit a small change in the store."""
    head = repository.head()
    tree = store.build(store.tree_of(head), [Change(b"new.txt", "100644", b"new\n")])
    return store.commit(tree, head, "add new.txt", when=1_700_000_000)


def state(git: Git, root: Path, git_dir: Path) -> dict[str, object]:
    """Everything of a repository that delivering must leave alone."""
    names = ("HEAD", "index", "config", "shallow", "packed-refs", "FETCH_HEAD")
    return {
        "files": {name: (git_dir / name).read_bytes() for name in names if (git_dir / name).exists()},
        "refs": git(root, "for-each-ref", "--format=%(refname) %(objectname)"),
        "status": git(root, "--no-optional-locks", "status", "--porcelain", "--ignored"),
        "hooks": sorted(path.name for path in (git_dir / "hooks").iterdir()),
    }


def test_a_repository_is_found_from_a_subdirectory(repo: Path, repository: Repository, git: Git) -> None:
    assert Repository.open(repo / "src") == repository == Repository(root=repo, git_dir=repo / ".git")
    assert repository.head() == git(repo, "rev-parse", "HEAD")


def test_a_linked_worktree_names_its_own_top_and_the_common_directory(repo: Path, git: Git, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "other", str(linked), "HEAD~1")
    opened = Repository.open(linked)
    assert opened == Repository(root=linked, git_dir=repo / ".git")
    assert opened.head() == git(repo, "rev-parse", "HEAD~1")


def test_what_is_no_repository_is_refused_with_the_next_step(tmp_path: Path, repo: Path, git: Git) -> None:
    empty, bare, unborn, sha256 = (tmp_path / name for name in ("empty", "bare", "unborn", "sha256"))
    empty.mkdir()
    git(tmp_path, "init", "-q", "--bare", str(bare))
    git(tmp_path, "init", "-q", str(unborn))
    git(tmp_path, "init", "-q", "--object-format=sha256", str(sha256))
    expected = {
        empty: "not in a git repository.*git init",
        tmp_path / "missing": "no directory.*name a directory",
        bare: "is bare.*clone",
        unborn: "no commits.*commit something first",
        sha256: "sha256.*sha1 ones only",
        repo / ".git": "inside a .git directory.*work tree",
    }
    for path, message in expected.items():
        with pytest.raises(UserError, match=message):
            Repository.open(path)


def test_inherited_git_variables_lead_nowhere_else(
    repo: Path, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", str(tmp_path / "elsewhere"))
    for name in ("GIT_DIR", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    assert Repository.open(repo).dirty() == []


def test_dirty_lists_changed_and_untracked_paths_but_not_our_own(repo: Path, repository: Repository, git: Git) -> None:
    assert repository.dirty() == []
    (repo / "src" / "app.py").write_text("VALUE = 2\n")
    (repo / "run.sh").unlink()
    (repo / "x.pyc").write_text("ignored")
    (repo / "naïve name.txt").write_text("new")
    git(repo, "mv", "README.md", "READ.md")
    for name in ("runs/t/plan.json", "tasks/queue.json", ".state/db"):
        (repo / "factory" / name).parent.mkdir(parents=True)
        (repo / "factory" / name).write_text("ours")
    assert Repository.open(repo / "src").dirty() == ["READ.md", "README.md", "naïve name.txt", "run.sh", "src/app.py"]


def test_dirty_shows_names_that_are_not_utf8(repo: Path, repository: Repository) -> None:
    (Path(bytes(repo).decode()) / b"caf\xe9".decode("utf-8", "surrogateescape")).write_text("x")
    assert repository.dirty() == ["caf\\xe9"]


def test_dirty_sees_the_users_own_ignore_file(
    repo: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "git").mkdir(parents=True)
    (tmp_path / "config" / "git" / "ignore").write_text("*.swp\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (repo / "notes.swp").write_text("x")
    assert repository.dirty() == []


def test_receiving_creates_the_branch_and_touches_nothing_else(
    repo: Path, repository: Repository, store: TreeStore, git: Git
) -> None:
    marker = repo.parent / "hook-ran"
    for hook in ("reference-transaction", "post-checkout", "pre-auto-gc"):
        path = repo / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {marker}\n")
        path.chmod(0o755)
    (repo / "README.md").write_text("staged\n")
    git(repo, "add", "README.md")
    (repo / "src" / "app.py").write_text("unstaged\n")
    marker.unlink(missing_ok=True)
    commit = change(store, repository)
    before = state(git, repo, repo / ".git")
    repository.receive(store.path, commit, "factory/task-1-x")
    after = state(git, repo, repo / ".git")
    assert after.pop("refs") == f"refs/heads/factory/task-1-x {commit}\n{before.pop('refs')}"
    assert after == before
    assert repository.branch("factory/task-1-x") == commit
    assert not marker.exists()
    assert git(repo, "show", "factory/task-1-x:new.txt") == "new"
    git(repo, "fsck", "--strict")


def test_receiving_works_into_a_linked_worktree(repo: Path, git: Git, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    repository = Repository.open(tmp_path / "linked")
    store = TreeStore.create(tmp_path / "store", repository)
    commit = change(store, repository)
    repository.receive(store.path, commit, "factory/t")
    assert git(repo, "rev-parse", "factory/t") == commit
    assert git(tmp_path / "linked", "status", "--porcelain") == ""


def test_receiving_works_into_a_shallow_clone(repo: Path, git: Git, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", str(shallow))
    repository = Repository.open(shallow)
    store = TreeStore.create(tmp_path / "store", repository)
    commit = change(store, repository)
    before = state(git, shallow, shallow / ".git")
    repository.receive(store.path, commit, "factory/t")
    after = state(git, shallow, shallow / ".git")
    assert after.pop("refs") == f"refs/heads/factory/t {commit}\n{before.pop('refs')}"
    assert after == before
    assert git(shallow, "log", "--format=%s", "factory/t") == "add new.txt\nsecond"


def test_a_branch_that_exists_is_left_alone(repo: Path, repository: Repository, store: TreeStore, git: Git) -> None:
    git(repo, "branch", "factory/t")
    commit = change(store, repository)
    with pytest.raises(UserError, match=r"'factory/t' exists already.*git branch -D factory/t"):
        repository.receive(store.path, commit, "factory/t")
    assert repository.branch("factory/t") == repository.head()


@pytest.mark.parametrize(("existing", "wanted"), [("factory", "factory/t"), ("factory/t/more", "factory/t")])
def test_a_branch_in_the_way_is_named(
    repo: Path, repository: Repository, store: TreeStore, git: Git, existing: str, wanted: str
) -> None:
    git(repo, "branch", existing)
    with pytest.raises(UserError, match=f"'{existing}' stands in the way of '{wanted}'.*git branch -m {existing}"):
        repository.receive(store.path, change(store, repository), wanted)
    assert repository.branch(wanted) is None


@pytest.mark.parametrize("name", ["a..b", "a b", "x.lock", "", "a/", "a^{commit}", "-x/../y"])
def test_a_name_git_refuses_is_refused(repository: Repository, store: TreeStore, name: str) -> None:
    with pytest.raises(UserError, match="not a branch name"):
        repository.receive(store.path, change(store, repository), name)


@pytest.mark.parametrize("name", ["none", "mai", "m*", "main^{tree}", "--all", "heads/main"])
def test_only_an_exact_branch_name_is_a_branch(repository: Repository, name: str) -> None:
    assert repository.branch("main") == repository.head()
    assert repository.branch(name) is None


def test_a_hook_path_or_monitor_of_the_repository_never_runs(repo: Path, repository: Repository, git: Git) -> None:
    marker = repo.parent / "ran"
    program = repo.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(program))
    git(repo, "config", "core.hooksPath", str(repo.parent))
    repository.dirty()
    run_git(["status"], cwd=repo)
    assert not marker.exists()


@pytest.fixture
def delivered(repository: Repository, store: TreeStore) -> str:
    """The commit of a branch `factory/t` that may be replaced."""
    commit = change(store, repository)
    repository.receive(store.path, commit, "factory/t")
    return commit


def other_change(store: TreeStore, repository: Repository) -> str:
    """Commit another change than `change` in the store."""
    base = repository.branch("main")
    assert base is not None
    return store.commit(store.build(store.tree_of(base), [Change(b"o.txt", "100644", b"")]), base, "other", when=1)


def test_a_branch_goes_over_from_the_commit_named(repository: Repository, store: TreeStore, delivered: str) -> None:
    other = other_change(store, repository)
    repository.receive(store.path, other, "factory/t", instead_of=delivered)
    assert repository.branch("factory/t") == other


def test_a_branch_that_has_moved_on_does_not_go_over(
    repository: Repository, store: TreeStore, delivered: str, git: Git
) -> None:
    git(repository.root, "branch", "-f", "factory/t", "main")
    with pytest.raises(UserError, match="'factory/t' cannot be created"):
        repository.receive(store.path, other_change(store, repository), "factory/t", instead_of=delivered)
    assert repository.branch("factory/t") == repository.head()


CLASH = (
    "git switch -q -c other main && echo other > new.txt && git add new.txt && git commit -q -m other"
    " && git switch -q factory/t && ! git rebase -q --apply other 2> /dev/null"
)
UNDER_WAY = {
    "checked out": [],
    "being rebased": [["-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-q", "-i", "HEAD~1"]],
    "being rebased by patches": [["-c", f"alias.clash=!{CLASH}", "clash"]],
    "moved by a rebase": [
        ["switch", "-q", "-c", "above"],
        ["commit", "-q", "--allow-empty", "-m", "above"],
        ["-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-q", "-i", "--update-refs", "HEAD~2"],
    ],
    "bisected from": [["bisect", "start", "HEAD", "HEAD~2"]],
}
"""What a person does in a work tree of the branch, without coming to an end."""


@pytest.mark.parametrize("steps", UNDER_WAY.values(), ids=UNDER_WAY)
@pytest.mark.parametrize("linked", [False, True], ids=["here", "in a linked work tree"])
def test_a_branch_a_person_works_on_does_not_go_over(
    repository: Repository, store: TreeStore, delivered: str, git: Git, tmp_path: Path, steps: list[list[str]],
    linked: bool,
) -> None:  # fmt: skip
    place = tmp_path / "linked" if linked else repository.root
    git(repository.root, *(["worktree", "add", "-q", str(place)] if linked else ["switch", "-q"]), "factory/t")
    for words in steps:
        git(place, *words)
    assert (git(place, "branch", "--show-current") == "factory/t") == (not steps)
    with pytest.raises(UserError, match="'factory/t' exists already"):
        repository.receive(store.path, other_change(store, repository), "factory/t", instead_of=delivered)
    assert repository.branch("factory/t") == delivered


def test_work_on_another_branch_does_not_hold_a_branch(
    repository: Repository, store: TreeStore, delivered: str, git: Git
) -> None:
    git(repository.root, "bisect", "start", "HEAD", "HEAD~1")
    other = other_change(store, repository)
    repository.receive(store.path, other, "factory/t", instead_of=delivered)
    assert repository.branch("factory/t") == other


def test_a_branch_checked_out_while_its_commit_is_fetched_does_not_go_over(
    repository: Repository, store: TreeStore, delivered: str, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_change(store, repository)
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    real = shutil.which("git")
    switch = f"env GIT_CONFIG_GLOBAL=/dev/null {real} -C {repository.root} switch -q factory/t"
    wrapper.write_text(f'#!/bin/sh\n{real} "$@" || exit\ncase " $* " in *" fetch "*) {switch} ;; esac\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with pytest.raises(UserError, match="'factory/t' exists already"):
        repository.receive(store.path, other, "factory/t", instead_of=delivered)
    assert repository.branch("factory/t") == delivered
    assert git(repository.root, "status", "--porcelain", "--branch") == "## factory/t"

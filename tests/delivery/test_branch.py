"""The delivered branch, in real repositories."""

import os
import subprocess
from pathlib import Path

import pytest

from andon.delivery.branch import deliver
from andon.records.errors import RunError, UserError
from andon.records.task import Task
from andon.sandbox.protocol import REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

TASK = Task(id="task-001", title="Add a watchlist page")
BRANCH = "factory/task-001-add-a-watchlist-page"
PAPERS = {"proposal.md": b"# Proposal\n", "result.json": b"{}\n"}
WHEN = 1_700_000_000


def _git(where: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=where, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "project"
    (root / "factory/runs/task-001").mkdir(parents=True)
    (root / "factory/runs/task-001/old.md").write_text("of an earlier run\n")
    (root / "a.txt").write_text("one\n")
    _git(root, "init", "--quiet", "--initial-branch=main")
    _git(root, "add", ".")
    _git(root, "-c", "user.name=u", "-c", "user.email=u@localhost", "commit", "--quiet", "-m", "base")
    return Repository.open(root)


@pytest.fixture
def store(repository: Repository, tmp_path: Path) -> TreeStore:
    return TreeStore.create(tmp_path / "store.git", repository)


def _deliver(
    repository: Repository,
    store: TreeStore,
    papers: dict[str, bytes] | None = None,
    branch: str = BRANCH,
    title: str = TASK.title,
    text: bytes = b"two\n",
    anew: bool = False,
) -> tuple[str, str]:
    base = repository.head()
    tree = store.build(store.tree_of(base), [Change(b"a.txt", REGULAR, text)])
    return deliver(
        repository,
        store,
        base_commit=base,
        tree=tree,
        papers=PAPERS if papers is None else papers,
        task=TASK,
        title=title,
        branch=branch,
        when=WHEN,
        anew=anew,
    )


def test_a_branch_holds_the_change_and_then_the_papers(repository: Repository, store: TreeStore) -> None:
    base = repository.head()
    change, tip = _deliver(repository, store)
    log = _git(repository.root, "log", "--format=%H|%an|%at|%s", "--name-status", BRANCH, f"^{base}")
    assert log == (
        f"{tip}|andon|{WHEN}|Papers of task-001\n\n"
        "D\tfactory/runs/task-001/old.md\n"
        "A\tfactory/runs/task-001/proposal.md\n"
        "A\tfactory/runs/task-001/result.json\n"
        f"{change}|andon|{WHEN}|Add a watchlist page\n\n"
        "M\ta.txt"
    )
    assert _git(repository.root, "show", f"{BRANCH}:factory/runs/task-001/result.json") == "{}"


def test_the_rest_of_the_repository_stays_as_it_was(repository: Repository, store: TreeStore) -> None:
    (repository.root / "a.txt").write_text("mine\n")
    seen = [["status", "--porcelain"], ["rev-parse", "HEAD"], ["symbolic-ref", "HEAD"], ["config", "--list", "--local"]]
    before = [_git(repository.root, *args) for args in seen]
    _deliver(repository, store)
    assert [_git(repository.root, *args) for args in seen] == before
    assert (repository.root / "a.txt").read_text() == "mine\n"


def test_the_revert_of_the_pr_body_works(repository: Repository, store: TreeStore) -> None:
    _deliver(repository, store)
    _git(repository.root, "checkout", "--quiet", BRANCH)
    _git(repository.root, "-c", "user.name=u", "-c", "user.email=u@localhost", "revert", "--no-edit", f"{BRANCH}~1")
    assert (repository.root / "a.txt").read_text() == "one\n"


def test_the_same_run_makes_the_same_commits(repository: Repository, store: TreeStore) -> None:
    assert _deliver(repository, store, branch="factory/one") == _deliver(repository, store, branch="factory/two")


def test_an_existing_branch_is_refused_and_kept(repository: Repository, store: TreeStore) -> None:
    _git(repository.root, "branch", BRANCH)
    with pytest.raises(UserError, match="exists already"):
        _deliver(repository, store)
    assert repository.branch(BRANCH) == repository.head()


@pytest.mark.parametrize("name", ["../x.md", "a/b.md", ".git", "x", "", "A.md", "a.md\n"])
def test_a_paper_needs_a_plain_name(repository: Repository, store: TreeStore, name: str) -> None:
    with pytest.raises(RunError, match="papers need plain file names"):
        _deliver(repository, store, {name: b""})
    assert repository.branch(BRANCH) is None


def test_a_title_cannot_add_lines_or_trailers_to_the_message(repository: Repository, store: TreeStore) -> None:
    title = "Fix\n\nCo-authored-by: x <x@y>\u202e " + "long " * 20
    change, _ = _deliver(repository, store, title=title)
    message = _git(repository.root, "show", "--no-patch", "--format=%B", change)
    subject, _, body = message.partition("\n")
    assert subject == "Fix Co-authored-by: x <x@y> long long long long long long long long lon…"
    assert (len(subject), body) == (72, "\nTask: task-001")


def _as_a_person(where: Path, *args: str, date: str = "") -> str:
    """Run git as a person who does not touch the author of a commit."""
    env = dict(os.environ, GIT_COMMITTER_NAME="p", GIT_COMMITTER_EMAIL="p@localhost", GIT_EDITOR="true")
    env |= {"GIT_COMMITTER_DATE": date} if date else {}
    done = subprocess.run(["git", *args], cwd=where, env=env, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_a_branch_of_the_run_itself_is_made_again(repository: Repository, store: TreeStore) -> None:
    _deliver(repository, store)
    _, tip = _deliver(repository, store, text=b"three\n", anew=True)
    assert (repository.branch(BRANCH), _git(repository.root, "show", f"{BRANCH}:a.txt")) == (tip, "three")


def test_a_branch_whose_papers_a_person_amended_is_kept(repository: Repository, store: TreeStore) -> None:
    root = repository.root
    _deliver(repository, store)
    _git(root, "switch", "--quiet", BRANCH)
    (root / "a.txt").write_text("by a person\n")
    _as_a_person(root, "commit", "--quiet", "--all", "--amend", "--no-edit", date=f"@{WHEN} +0000")
    _git(root, "switch", "--quiet", "main")
    _is_kept(repository, store)


def test_a_branch_whose_change_a_person_rebased_is_kept(repository: Repository, store: TreeStore) -> None:
    root = repository.root
    _, tip = _deliver(repository, store)
    _git(root, "switch", "--quiet", "--detach", f"{BRANCH}~1")
    (root / "a.txt").write_text("by a person\n")
    _as_a_person(root, "commit", "--quiet", "--all", "--amend", "--no-edit")
    arguments = ["--onto", "HEAD", f"{tip}~1", BRANCH]
    _as_a_person(root, "rebase", "--quiet", "--committer-date-is-author-date", *arguments)
    _as_a_person(root, "rebase", "--quiet", "--no-ff", "--committer-date-is-author-date", "main")
    _git(root, "switch", "--quiet", "main")
    _is_kept(repository, store)


def _is_kept(repository: Repository, store: TreeStore) -> None:
    log = _git(repository.root, "log", "-2", "--format=%ae|%ct|%s", BRANCH)
    ours = f"andon@localhost|{WHEN}|"
    assert log == f"{ours}Papers of task-001\n{ours}Add a watchlist page", "else its date alone gives it away"
    theirs = repository.branch(BRANCH)
    with pytest.raises(UserError, match="exists already"):
        _deliver(repository, store, text=b"three\n", anew=True)
    assert repository.branch(BRANCH) == theirs
    assert _git(repository.root, "show", f"{BRANCH}:a.txt") == "by a person"

"""Bases, trees and branches between machines that share a database and nothing else; every repository is real."""

import os
import pwd
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from database_kit import claimed, new_run, result_of
from lane_kit import FILES, git, make_repository

from andon.delivery.branch import deliver
from andon.line.db import blobs, runs
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.durable import checkouts
from andon.line.durable.checkouts import own_state
from andon.line.durable.shipping import checkout, is_taken, keep_base, keep_branch, keep_trees, plant_trees, take
from andon.line.identity import identity_of
from andon.line.job import prepare
from andon.records.errors import UserError
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.protocol import LINK, REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

pytest_plugins = ["database_kit"]

HERE, THERE = "laptop", "builder"
TASK = Task(id="task-001", title="Add subtraction", acceptance_criteria=["sub(3, 1) is 2"])
BRANCH = "factory/task-001-add-subtraction"


@pytest.fixture
def repository(repo: Path) -> Repository:
    git(repo, "remote", "add", "origin", "git@example.org:owner/name.git")
    return Repository.open(repo)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the other machine keeps what is its own."""
    return tmp_path / "state"


def queued(db: Database, repository: Repository, run_id: str = "run-1", *, travels: bool = True) -> Run:
    """Queue a run on this machine."""
    base = repository.head()
    run = new_run(
        run_id,
        repository=identity_of(repository),
        host=HERE,
        root=str(repository.root),
        task=TASK,
        branch=BRANCH,
        base_commit=base,
        base_blob=keep_base(db, repository, base) if travels else None,
    )
    return runs.add(db, run)


def ended(db: Database, run: Run, *, head: str | None, delivery: str | None) -> Run:
    claimed(db, run.id)
    code = StopCode.DELIVERED if head else StopCode.CHECKS_FAILED
    result = result_of(run, code).model_copy(update={"head_commit": head, "branch": run.branch if head else None})
    runs.end(db, run.id, "worker-1", result=result, delivery=delivery)
    return runs.get(db, run.id)


def change(store: TreeStore, base: str, content: bytes = b"new\n") -> str:
    return store.build(store.tree_of(base), [Change(b"new.txt", REGULAR, content), Change(b"link", LINK, b"/etc")])


def delivered(db: Database, run: Run, there: Repository, store_path: Path) -> Run:
    """Deliver a branch in the other machine's checkout, as the line does, and end the run."""
    store = TreeStore.create(store_path, there)
    tree = change(store, run.base_commit)
    _, tip = deliver(
        there, store, base_commit=run.base_commit, tree=tree, papers={"plan.json": b"{}"}, task=run.task,
        title=run.title, branch=run.branch, when=1_700_000_000,
    )  # fmt: skip
    return ended(db, run, head=tip, delivery=keep_branch(db, there, run.base_commit, run.branch))


def everything(repo: Path) -> dict[str, str]:
    """What a repository says of itself: refs, index, work tree, settings."""
    return {
        "refs": git(repo, "for-each-ref", "--format=%(refname) %(objectname)"),
        "head": git(repo, "rev-parse", "HEAD"),
        "status": git(repo, "status", "--porcelain"),
        "config": (repo / ".git" / "config").read_text(),
    }


def test_a_base_is_kept_once_a_commit(db: Database, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    first = queued(db, repository, "run-1")
    made = threading.Event()
    monkeypatch.setattr("andon.line.durable.shipping.pack_commit", lambda *_: made.set())
    assert keep_base(db, repository, repository.head()) == first.base_blob
    assert not made.is_set()


def test_a_base_whose_blob_is_gone_is_kept_again(db: Database, repository: Repository) -> None:
    first = queued(db, repository)
    with db.transaction() as tx:
        tx.execute("DELETE FROM blobs")
    assert keep_base(db, repository, repository.head()) == first.base_blob
    assert blobs.get(db, first.base_blob or "")


def test_the_checkout_it_was_queued_from_is_taken_where_it_is(
    db: Database, repository: Repository, state: Path
) -> None:
    run = queued(db, repository, travels=False)
    assert checkout(db, run, state, HERE) == repository
    assert not state.exists()


def test_another_machine_works_on_a_checkout_of_its_own(
    db: Database, repository: Repository, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    run = queued(db, repository)
    os.rename(repository.root, tmp_path / "gone")
    there = checkout(db, run, state, THERE)
    job = prepare(there, run.task, run_id=run.id, started=1, queued=False, toolchain=None)
    assert (job.base_commit, job.branch, there.dirty()) == (run.base_commit, BRANCH, [])
    assert job.files.read("calc.py") == FILES["calc.py"].encode()
    assert [warning for warning in job.warnings if "uncommitted" in warning] == []
    assert sorted(path.name for path in there.root.iterdir()) == [".git"]
    assert there.root.is_relative_to(state)
    git(there.root, "fsck", "--strict")


@pytest.mark.parametrize("how", ["moved", "replaced", "without the commit"])
def test_a_checkout_that_is_no_longer_what_it_was_is_not_worked_in(
    db: Database, repository: Repository, state: Path, tmp_path: Path, how: str
) -> None:
    run = queued(db, repository)
    os.rename(repository.root, tmp_path / "gone")
    if how == "replaced":
        repository.root.write_text("a file")
    if how == "without the commit":
        make_repository(repository.root, {"other.txt": "x"})
    assert checkout(db, run, state, HERE).root.is_relative_to(state)


def test_a_run_whose_base_did_not_travel_says_where_it_can_go_on(
    db: Database, repository: Repository, state: Path
) -> None:
    run = queued(db, repository, travels=False)
    with pytest.raises(UserError, match=rf"began in {repository.root} on {HERE}.*did not travel: work on it there"):
        checkout(db, run, state, THERE)


def test_a_checkout_is_found_again_with_what_is_in_it(db: Database, repository: Repository, state: Path) -> None:
    run = queued(db, repository)
    first = checkout(db, run, state, THERE)
    (first.root / "factory").mkdir()
    (first.root / "factory" / "kept").write_text("x")
    with db.transaction() as tx:
        tx.execute("DELETE FROM blobs")
    assert checkout(db, run, state, THERE) == first
    assert (first.root / "factory" / "kept").read_text() == "x"


def test_two_runs_of_a_commit_have_two_checkouts_and_one_base(
    db: Database, repository: Repository, state: Path
) -> None:
    first = checkout(db, queued(db, repository, "run-1"), state, THERE)
    second = checkout(db, queued(db, repository, "run-2"), state, THERE)
    assert first.root != second.root
    assert [path.name for path in state.glob("repositories/*/*.git")] == [f"{repository.head()}.git"]
    git(first.root, "branch", BRANCH)
    second.check_free(BRANCH)


def test_many_at_once_make_one_checkout(db: Database, repository: Repository, state: Path) -> None:
    run = queued(db, repository)
    found: list[Repository] = []
    threads = [threading.Thread(target=lambda: found.append(checkout(db, run, state, THERE))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert found[0].head() == run.base_commit
    assert list(state.glob("repositories/*/.new-*")) == []


def test_what_a_killed_process_left_half_made_is_cleared(db: Database, repository: Repository, state: Path) -> None:
    run = queued(db, repository)
    program = (
        "import os, sys; from pathlib import Path; import andon.line.durable.checkouts as c;"
        "from andon.line.db.database import Database; from andon.line.db.runs import get;"
        "c._fill_home = lambda *_: os.kill(os.getpid(), 9);"
        "db = Database.open(sys.argv[1]); c.checkout(db, get(db, 'run-1'), Path(sys.argv[2]), 'builder')"
    )
    done = subprocess.run([sys.executable, "-c", program, db.url, str(state)], check=False)
    assert done.returncode == -9
    assert len(list(state.glob("repositories/*/.new-*"))) == 1
    assert checkout(db, run, state, THERE).head() == run.base_commit
    assert list(state.glob("repositories/*/.new-*")) == []


def test_a_shallow_clone_travels_with_its_end(
    db: Database, repository: Repository, state: Path, tmp_path: Path
) -> None:
    (repository.root / "more.txt").write_text("more")
    git(repository.root, "add", "-A")
    git(repository.root, "commit", "-qm", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository.root}", str(tmp_path / "shallow"))
    shallow = Repository.open(tmp_path / "shallow")
    there = checkout(db, queued(db, shallow), state, THERE)
    assert git(there.root, "log", "--format=%s") == "second"
    store = TreeStore.create(tmp_path / "store.git", there)
    assert git(store.path, "log", "--format=%s", shallow.head()) == "second"


def test_the_oldest_checkouts_of_ended_runs_go_and_no_other(
    db: Database, repository: Repository, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkouts, "KEPT", 3)
    made = [queued(db, repository, f"run-{number}") for number in range(6)]
    homes = [checkout(db, run, state, THERE).root for run in made]
    for number, (run, home) in enumerate(zip(made, homes, strict=True)):
        os.utime(home, (number, number))
        if number != 1:
            ended(db, run, head=None, delivery=None)
    info = homes[0].parent / "of-another-database" / ".git" / "objects" / "info"
    info.mkdir(parents=True)
    (info / "alternates").write_text("/nowhere\n")
    checkout(db, queued(db, repository, "the-last"), state, THERE)
    left = {path.name for path in state.glob("repositories/*/*") if path.suffix != ".git"}
    assert left == {"the-last", "of-another-database", "run-5", "run-1"}
    assert checkout(db, made[1], state, THERE).root == homes[1]


def test_a_base_goes_when_no_checkout_stands_on_it(
    db: Database, repository: Repository, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkouts, "KEPT", 1)
    made = []
    for number in range(4):
        git(repository.root, "commit", "-q", "--allow-empty", "-m", f"more {number}")
        made.append(queued(db, repository, f"run-{number}"))
        home = checkout(db, made[-1], state, THERE).root
        for path in (home, home.parent / f"{made[-1].base_commit}.git"):
            os.utime(path, (number, number))
        if number in (1, 2):
            ended(db, made[-1], head=None, delivery=None)
    git(repository.root, "commit", "-q", "--allow-empty", "-m", "last")
    last = queued(db, repository, "the-last")
    checkout(db, last, state, THERE)
    left = {path.stem for path in state.glob("repositories/*/*.git")}
    assert left == {run.base_commit for run in (made[0], made[3], last)}
    assert checkout(db, made[0], state, THERE).head() == made[0].base_commit


def test_a_base_that_was_changed_in_the_database_is_refused(db: Database, repository: Repository, state: Path) -> None:
    run = queued(db, repository)
    content = blobs.get(db, run.base_blob or "")
    with db.transaction() as tx:
        tx.execute("UPDATE blobs SET content = ? WHERE digest = ?", [content[:-1] + b"x", run.base_blob])
    with pytest.raises(UserError, match="is not what was stored"):
        checkout(db, run, state, THERE)
    assert list(state.glob("repositories/*/*")) == []


def test_the_base_of_another_commit_is_refused(db: Database, repository: Repository, state: Path) -> None:
    other = queued(db, repository, "run-1")
    (repository.root / "calc.py").write_text("")
    git(repository.root, "commit", "-qam", "other")
    run = replace(queued(db, repository, "run-2"), base_blob=other.base_blob)
    with pytest.raises(UserError, match="is another one"):
        checkout(db, run, state, THERE)


@pytest.mark.parametrize("change", [{"id": "../../x"}, {"id": ".git"}, {"base_commit": "--output=x"}])
def test_a_row_that_leads_elsewhere_is_refused(
    db: Database, repository: Repository, state: Path, change: dict[str, Any]
) -> None:
    run = queued(db, repository)
    with pytest.raises(UserError, match="was not queued by andon"):
        checkout(db, replace(run, **change), state, THERE)
    assert not state.exists()


def test_a_checkout_somebody_moved_on_is_refused(db: Database, repository: Repository, state: Path) -> None:
    run = queued(db, repository)
    there = checkout(db, run, state, THERE)
    git(there.root, "commit", "-q", "--allow-empty", "-m", "by hand")
    with pytest.raises(UserError, match="is not as andon made it: remove it"):
        checkout(db, run, state, THERE)


def test_trees_go_on_in_another_store(db: Database, repository: Repository, state: Path, tmp_path: Path) -> None:
    run = queued(db, repository)
    here = TreeStore.create(tmp_path / "here.git", repository)
    trees = [change(here, run.base_commit, b"one"), change(here, run.base_commit, b"two")]
    digest = keep_trees(db, here.path, run.base_commit, trees)
    there = TreeStore.create(tmp_path / "there.git", checkout(db, run, state, THERE))
    for _ in range(2):
        plant_trees(db, digest, there.path)
    assert [there.files(tree) for tree in trees] == [here.files(tree) for tree in trees]
    assert there.read(trees[1], "new.txt") == b"two"
    assert there.diff(trees[0], trees[1]) == here.diff(trees[0], trees[1])


def test_a_base_is_no_trees_and_nothing_is_no_trees(db: Database, repository: Repository, tmp_path: Path) -> None:
    run = queued(db, repository)
    store = TreeStore.create(tmp_path / "store.git", repository)
    with pytest.raises(UserError, match="something else"):
        plant_trees(db, run.base_blob or "", store.path)
    with pytest.raises(UserError, match="holds no content 111111111111"):
        plant_trees(db, "1" * 64, store.path)


def test_a_branch_of_another_machine_is_taken_and_nothing_else_changes(
    db: Database, repository: Repository, state: Path, tmp_path: Path
) -> None:
    run = queued(db, repository)
    run = delivered(db, run, checkout(db, run, state, THERE), tmp_path / "store.git")
    assert not is_taken(repository, run)
    before = everything(repository.root)
    for _ in range(2):
        assert take(db, repository, run) == BRANCH
        assert is_taken(repository, run)
    after = everything(repository.root)
    assert run.result is not None
    assert after.pop("refs") == f"refs/heads/{BRANCH} {run.result.head_commit}\n{before.pop('refs')}"
    assert after == before
    assert git(repository.root, "log", "--format=%s", BRANCH).splitlines()[1:] == [TASK.title, "base"]
    assert git(repository.root, "show", f"{BRANCH}:new.txt") == "new"
    git(repository.root, "fsck", "--strict")


def test_another_branch_of_the_name_stays(db: Database, repository: Repository, state: Path, tmp_path: Path) -> None:
    run = queued(db, repository)
    run = delivered(db, run, checkout(db, run, state, THERE), tmp_path / "store.git")
    git(repository.root, "branch", BRANCH)
    with pytest.raises(UserError, match=rf"'{BRANCH}' exists already"):
        take(db, repository, run)
    assert repository.branch(BRANCH) == repository.head()


def test_a_clone_without_the_base_is_told_what_to_fetch(
    db: Database, repository: Repository, state: Path, tmp_path: Path
) -> None:
    run = queued(db, repository)
    run = delivered(db, run, checkout(db, run, state, THERE), tmp_path / "store.git")
    make_repository(tmp_path / "young", {"x": "y"})
    git(tmp_path / "young", "remote", "add", "origin", "https://example.org/owner/name")
    with pytest.raises(UserError, match=rf"stands on commit {run.base_commit}, which is not here: fetch it"):
        take(db, Repository.open(tmp_path / "young"), run)


def test_a_branch_of_another_repository_is_refused(
    db: Database, repository: Repository, state: Path, tmp_path: Path
) -> None:
    run = queued(db, repository)
    run = delivered(db, run, checkout(db, run, state, THERE), tmp_path / "store.git")
    git(repository.root, "remote", "set-url", "origin", "https://example.org/owner/other")
    with pytest.raises(UserError, match=r"one of example\.org/owner/name, and this is example\.org/owner/other"):
        take(db, repository, run)


def test_a_run_that_delivered_nothing_says_so(db: Database, repository: Repository) -> None:
    run = queued(db, repository)
    with pytest.raises(UserError, match=r"run-1 has not ended \(it is queued\)"):
        take(db, repository, run)
    with pytest.raises(UserError, match=r"delivered no branch \(checks-failed\)"):
        take(db, repository, ended(db, run, head=None, delivery=None))


def test_a_branch_that_was_not_kept_is_told_where_it_lies(db: Database, repository: Repository) -> None:
    run = ended(db, queued(db, repository), head="1" * 40, delivery=None)
    with pytest.raises(UserError, match=rf"in {repository.root} on {HERE}: fetch the branch from there"):
        take(db, repository, run)


def test_no_branch_is_kept_where_none_was_made(db: Database, repository: Repository) -> None:
    with pytest.raises(UserError, match="nothing was delivered there"):
        keep_branch(db, repository, repository.head(), BRANCH)


Forge = Callable[[TreeStore, str], str]


def _with_merge(store: TreeStore, base: str) -> str:
    side = store.commit(store.tree_of(base), None, "side", when=1)
    tree = change(store, base)
    git(store.path, "update-ref", "refs/heads/side", side)
    return git(store.path, "commit-tree", "-p", base, "-p", side, "-m", "merge", tree)


def _on_nothing(store: TreeStore, base: str) -> str:
    return store.commit(change(store, base), None, "an orphan", when=1)


@pytest.mark.parametrize("forge", [_with_merge, _on_nothing])
def test_a_branch_that_does_not_lead_straight_to_the_base_is_refused(
    db: Database, repository: Repository, tmp_path: Path, forge: Forge
) -> None:
    run = queued(db, repository)
    elsewhere = make_repository(tmp_path / "elsewhere", FILES)
    git(elsewhere, "fetch", "-q", str(repository.root), "main:base")
    git(elsewhere, "checkout", "-q", "base")
    store = TreeStore.create(tmp_path / "store.git", Repository.open(elsewhere))
    tip = forge(store, run.base_commit)
    git(elsewhere, "fetch", "-q", str(store.path), tip)
    git(elsewhere, "branch", BRANCH, tip)
    digest = keep_branch(db, Repository.open(elsewhere), run.base_commit, BRANCH)
    with pytest.raises(UserError, match="is not the branch it delivered"):
        take(db, repository, ended(db, run, head=tip, delivery=digest))
    assert repository.branch(BRANCH) is None


def test_another_tip_than_the_result_names_is_refused(
    db: Database, repository: Repository, state: Path, tmp_path: Path
) -> None:
    run = queued(db, repository)
    run = delivered(db, run, checkout(db, run, state, THERE), tmp_path / "store.git")
    assert run.result is not None
    forged = replace(run, result=run.result.model_copy(update={"head_commit": run.base_commit}))
    with pytest.raises(UserError, match="is not the branch it delivered"):
        take(db, repository, forged)


def test_the_state_folder_is_the_users(tmp_path: Path) -> None:
    assert own_state({"HOME": "/home/ada"}) == Path("/home/ada/.local/state/andon")
    assert own_state({"HOME": "/home/ada", "XDG_STATE_HOME": "/var/ada"}) == Path("/var/ada/andon")
    assert own_state({"HOME": "/home/ada", "XDG_STATE_HOME": "relative"}) == Path("/home/ada/.local/state/andon")
    assert own_state({}) == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local/state/andon"

"""`andon take`: a branch that was delivered on another machine, here."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from database_kit import claimed, fresh_postgresql, new_run, result_of
from lane_kit import FILES, git, make_repository

from andon.cli.take import take
from andon.cli.take_help import add_take
from andon.line.db import runs
from andon.line.db.database import Database
from andon.line.durable.shipping import keep_branch
from andon.line.identity import identity_of
from andon.records.errors import UserError
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.repository import Repository

BRANCH = "factory/task-001-add-subtraction"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database that both machines name."""
    with fresh_postgresql() as url:
        monkeypatch.setenv("ANDON_DATABASE_URL", url)
        yield url


@pytest.fixture
def here(tmp_path: Path) -> Path:
    root = make_repository(tmp_path / "here", FILES)
    git(root, "remote", "add", "origin", "git@example.org:owner/name.git")
    return root


def andon(root: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add_take(parser.add_subparsers())
    return take(parser.parse_args(["take", "-C", str(root), *words]))


def delivered(url: str, here: Path, there: Path) -> str:
    """Have another machine deliver a branch of one commit, and return that commit."""
    git(here.parent, "clone", "-q", str(here), str(there))
    git(there, "checkout", "-q", "-b", BRANCH)
    (there / "calc.py").write_text("def sub(a, b):\n    return a - b\n")
    git(there, "commit", "-qam", "Add subtraction")
    head = git(there, "rev-parse", "HEAD")
    repository = Repository.open(here)
    with closing(Database.open(url)) as db:
        base = repository.head()
        task = Task(id="task-001", title="Add subtraction")
        run = runs.add(
            db, new_run(repository=identity_of(repository), task=task, branch=BRANCH, base_commit=base, host="there")
        )
        claimed(db, run.id)
        result = result_of(run, StopCode.DELIVERED).model_copy(update={"branch": BRANCH, "head_commit": head})
        delivery = keep_branch(db, Repository.open(there), base, BRANCH)
        runs.end(db, run.id, "worker-1", result=result, delivery=delivery)
    return head


@pytest.mark.parametrize("wanted", ["run-1", "task-001", "run"])
def test_the_branch_is_here_afterwards(
    shared: str, here: Path, tmp_path: Path, wanted: str, capfd: pytest.CaptureFixture[str]
) -> None:
    head = delivered(shared, here, tmp_path / "there")
    assert andon(here, wanted) == 0
    assert capfd.readouterr().out == f"branch {BRANCH} of run run-1 is here: git log {BRANCH}\n"
    assert git(here, "rev-parse", BRANCH) == head
    assert git(here, "status", "--porcelain") == ""


def test_taking_what_is_here_already_is_fine_and_said(
    shared: str, here: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    delivered(shared, here, tmp_path / "there")
    andon(here, "run-1")
    capfd.readouterr()
    assert andon(here, "run-1") == 0
    assert capfd.readouterr().out == f"branch {BRANCH} is here already, as run run-1 delivered it\n"


def test_json_says_what_was_done(shared: str, here: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    head = delivered(shared, here, tmp_path / "there")
    documents = []
    for _ in range(2):
        assert andon(here, "run-1", "--json") == 0
        documents.append(json.loads(capfd.readouterr().out))
    said = {"schema_version": 1, "run_id": "run-1", "task_id": "task-001", "branch": BRANCH, "head_commit": head}
    assert documents == [said | {"taken": True}, said | {"taken": False}]


def test_a_run_nobody_knows_is_named(shared: str, here: Path, tmp_path: Path) -> None:
    delivered(shared, here, tmp_path / "there")
    with pytest.raises(UserError, match="'task-002'"):
        andon(here, "task-002")


def test_where_nothing_was_ever_queued_nothing_is_made(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_DATABASE_URL", raising=False)
    with pytest.raises(UserError, match="no run 'run-1': nothing was ever queued here"):
        andon(here, "run-1")
    assert not (here / "factory" / ".state").exists()


def test_it_loads_neither_an_sdk_nor_the_engine() -> None:
    program = (
        "import sys, andon.cli.take, andon.line.bundles.bundle;"
        "print([name for name in ('agents', 'openai', 'mcp', 'dbos', 'sqlalchemy', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

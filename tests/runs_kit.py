"""Runs in the tables of a repository, brought to where a test wants them by what the line itself calls."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from database_kit import fresh_postgresql, new_run, result_of
from lane_kit import FILES, make_repository

from andon.line.db import events, queue, runs, workers
from andon.line.db.database import Database, database_url
from andon.line.db.rows import Run, RunOptions
from andon.line.identity import host_name, identity_of
from andon.line.log.chain import genesis, sealed
from andon.line.steps import Gate
from andon.line.views.runs_view import RunsView
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.repository import Repository

WORKER = "elsewhere:7:0123"
PLAN_GATE = Gate("plan", "plan", "May the run carry out this plan?", StopCode.NEEDS_PERSON, rule="plan", editable=(
    '{"summary": "add sub", "acceptance_criteria": ["sub(3, 1) is 2"], "steps": ["write it"], "files": ["calc.py"],'
    ' "tests": [], "risks": []}'
))  # fmt: skip
CALL_GATE = Gate(
    "call-1", "tool", "May the executor call write_file?", StopCode.NEEDS_PERSON, rule="packages", kind="every package",
    shown="write_file setup.cfg \u202e",
)  # fmt: skip
BEGUN = {"task": "task-001", "title": "Add", "base": "c" * 40}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without tables."""
    monkeypatch.delenv("ANDON_DATABASE_URL", raising=False)
    return make_repository(tmp_path / "repo", FILES)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The tables of the repository, in both kinds of database; commands find them as they always do."""
    if request.param == "sqlite":
        database = Database.open(database_url({}, repo))
        yield database
        database.close()
        return
    with fresh_postgresql() as url:
        monkeypatch.setenv("ANDON_DATABASE_URL", url)
        database = Database.open(url)
        yield database
        database.close()


def queued(
    db: Database, repo: Path, run_id: str = "20261129-080000-aaaaaa", task_id: str = "task-001", **changes: Any
) -> Run:
    """Queue a run of the repository."""
    task = Task(id=task_id, title=f"Title of {task_id}", acceptance_criteria=["it works"])
    wanted: dict[str, Any] = {
        "repository": identity_of(Repository.open(repo)),
        "host": host_name(),
        "root": str(repo),
        "base_commit": Repository.open(repo).head(),
        "task": task,
        "branch": f"factory/{task_id}",
        "options": RunOptions(started=1_700_000_000, queued=True),
    }
    return runs.add(db, new_run(run_id, **wanted | changes))


def alive(db: Database, kind: Any = "serve", worker: str = WORKER) -> str:
    """Let a worker say that it is alive, and return its id."""
    workers.beat(db, workers.Worker(worker, worker.partition(":")[0], 7, kind, 2, "1"))
    return worker


def begun(db: Database, run: Run, kind: Any = "serve", worker: str = WORKER) -> Run:
    """Let a worker take the run."""
    claim = queue.claim(db, alive(db, kind, worker), only=run.id)
    assert claim is not None
    return claim.run


def told(db: Database, run: Run, *said: tuple[str, dict[str, Any]], after: int = 0, prev: str = "") -> list[bytes]:
    """Store events of a run as its worker does; return their lines as they stand in audit.jsonl."""
    lines, head = [], prev or genesis(run.id)
    for seq, (kind, data) in enumerate(said, start=after + 1):
        event = {"seq": seq, "at": f"2026-11-29T08:00:{seq % 60:02}.000Z", "kind": kind, "data": data, "prev": head}
        line, head = sealed(event)
        lines.append(line)
    rows = [
        events.EventRow(seq, "2026-11-29T08:00:00.000Z", kind, line.decode()[:-1])
        for seq, ((kind, _), line) in enumerate(zip(said, lines, strict=True), start=after + 1)
    ]
    events.append(db, run.id, run.worker or "", rows)
    return lines


def parked(db: Database, run: Run, gate: Gate = PLAN_GATE, expires: float | None = None) -> Run:
    """Let the run, which a worker has, wait at a gate."""
    result = result_of(run, StopCode.NEEDS_PERSON)
    runs.park(db, run.id, run.worker or "", phase=run.phase, checkpoint="", gate=gate, expires=expires, result=result)
    return runs.get(db, run.id)


def ended(db: Database, run: Run, code: StopCode = StopCode.DELIVERED, **changes: Any) -> Run:
    """Let the run, which a worker has, end."""
    result = result_of(run, code).model_copy(update=changes)
    runs.end(db, run.id, run.worker or "", result=result, delivery=None)
    return runs.get(db, run.id)


def view_of(db: Database, repo: Path) -> RunsView:
    """Return what commands look at."""
    return RunsView(db, identity_of(Repository.open(repo)))

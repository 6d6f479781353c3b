"""Runs as rows: queued, parked, ended without anybody working on them."""

import itertools

from andon.line.db import runs, workers
from andon.line.db.database import Database
from andon.line.db.queue import Claim, claim
from andon.line.db.rows import NewRun, Run, RunOptions
from andon.line.db.workers import Worker
from andon.line.steps import Gate
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode
from andon.records.task import Task

REPOSITORY = "forge.example/team/shop"
GATE = Gate(name="plan-1", subject="plan", question="May it be done like that?", parked=StopCode.NEEDS_PERSON)

_ids = itertools.count(1)


def new(
    run_id: str = "",
    *,
    task: str = "",
    title: str = "Add a page",
    branch: str = "",
    lane: str = "default",
    priority: int = 100,
    provider: str = "models.example",
    provider_limit: int | None = None,
    repository: str = REPOSITORY,
    source_key: str | None = None,
) -> NewRun:
    """Return a run of a task and a branch of its own, unless they are named."""
    run_id = run_id or f"run-{next(_ids):05}"
    task_id = task or f"task-{run_id}"
    return NewRun(
        id=run_id,
        repository=repository,
        host="here",
        root="/somewhere",
        task=Task(id=task_id, title=title),
        branch=branch or f"factory/{task_id}",
        base_commit="a" * 40,
        options=RunOptions(started=1),
        lane=lane,
        priority=priority,
        source_key=source_key,
        provider=provider,
        provider_limit=provider_limit,
    )


def add(db: Database, *wanted: NewRun) -> list[Run]:
    return [runs.add(db, one) for one in wanted]


def beat(db: Database, worker: str) -> None:
    """Let a worker be alive for the next seconds."""
    workers.beat(db, Worker(worker, host="here", pid=1, kind="serve", slots=9, version="0"))


def silent(db: Database, worker: str, seconds: float) -> None:
    """Let the last beat of a worker lie so long ago."""
    with db.transaction() as transaction:
        transaction.execute(f"UPDATE workers SET beat_at = {db.now} - ? WHERE id = ?", (seconds, worker))  # noqa: S608


def taken(db: Database, worker: str) -> Claim:
    """Return what the worker is given."""
    found = claim(db, worker)
    assert found is not None
    return found


def claimed(db: Database, worker: str) -> list[str]:
    """Return the ids of all runs the worker is given, in order."""
    beat(db, worker)
    return [found.run.id for found in iter(lambda: claim(db, worker), None)]


def result(run: Run, code: StopCode, message: str = "It ended.") -> RunResult:
    meaning = MEANINGS[code]
    return RunResult(
        run_id=run.id,
        task_id=run.task_id,
        title=run.title,
        status=meaning.status,
        stop_code=code,
        exit_code=meaning.exit_code,
        message=message,
        remedy=meaning.remedy,
        base_commit=run.base_commit,
    )


def park(db: Database, run: Run, *, expires: float | None = None, gate: Gate = GATE) -> None:
    """Let the run, which is a worker's, wait for a person."""
    assert run.worker is not None
    parked = result(run, gate.parked, gate.question)
    runs.park(db, run.id, run.worker, phase=run.phase, checkpoint="", gate=gate, expires=expires, result=parked)


def end(db: Database, run: Run, code: StopCode) -> Run:
    """Let the run, which is a worker's, end."""
    assert run.worker is not None
    runs.end(db, run.id, run.worker, result=result(run, code), delivery=None)
    return runs.get(db, run.id)


def ended(db: Database, code: StopCode, wanted: NewRun | None = None) -> Run:
    """Queue a run, let a worker have it and end it; return its row."""
    [run] = add(db, wanted or new())
    beat(db, "worker")
    found = claim(db, "worker", only=run.id)
    assert found is not None
    return end(db, found.run, code)

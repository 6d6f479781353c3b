"""A repository full of runs that nobody works on: thousands that wait for their turn, for a person, or are over."""

from dataclasses import replace

from andon.line.db import runs
from andon.line.db.database import Database
from andon.line.db.rows import NewRun, Run, RunOptions
from andon.line.durable.giving_up import result_without_work
from andon.line.identity import host_name, identity_of
from andon.line.steps import Gate
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.repository import Repository

GATE = Gate("plan-1", "plan", "May the run carry out this plan?", StopCode.NEEDS_PERSON, rule="plan")
"""What the parked ones wait at."""
_NOBODY = "stock"
"""The worker that had the runs which are not queued any more; it never lived."""


def stock(db: Database, repository: Repository, *, queued: int = 0, parked: int = 0, ended: int = 0) -> None:
    """Put so many runs of each kind into the tables, each of a task and a branch of its own.

    A parked one that is answered begins anew: nothing is stored of it. Their ids are `queued-00000`, `parked-00000` and
    `ended-00000`, and so on.
    """
    pattern = _pattern(repository)
    for kind, count in (("parked", parked), ("ended", ended), ("queued", queued)):
        for number in range(count):
            runs.add(db, _named(pattern, f"{kind}-{number:05}"))
        if kind != "queued":
            _let_go(db, kind)


def _pattern(repository: Repository) -> NewRun:
    return NewRun(
        id="",
        repository=identity_of(repository),
        host=host_name(),
        root=str(repository.root),
        task=Task(id="task", title="Mend addition", acceptance_criteria=["add(1, 2) is 3"]),
        branch="",
        base_commit=repository.head(),
        options=RunOptions(model="scripted", stream=False, started=1_700_000_000),
        provider="models.example",
    )


def _named(pattern: NewRun, run_id: str) -> NewRun:
    task_id = f"task-{run_id}"
    task = pattern.task.model_copy(update={"id": task_id})
    return replace(pattern, id=run_id, task=task, branch=f"factory/{task_id}")


def _let_go(db: Database, kind: str) -> None:
    """Have the queued runs of a kind taken up at once and let go one by one, as a worker does it."""
    with db.transaction() as tx:
        taken = "UPDATE runs SET status = 'running', worker = ?, attempt = 1 WHERE status = 'queued' AND id LIKE ?"
        tx.execute(taken, [_NOBODY, f"{kind}-%"])
    for row in db.read("SELECT id FROM runs WHERE status = 'running' AND worker = ? ORDER BY id", [_NOBODY]):
        run = runs.get(db, row["id"])
        if kind == "parked":
            _park(db, run)
        else:
            result = result_without_work(run, StopCode.FAILED_REVIEW, "The reviewer found something.")
            runs.end(db, run.id, _NOBODY, result=result, delivery=None)


def _park(db: Database, run: Run) -> None:
    result = result_without_work(run, GATE.parked, GATE.question)
    runs.park(db, run.id, _NOBODY, phase=run.phase, checkpoint="", gate=GATE, expires=None, result=result)

"""A phase that is over and cannot be put away, and a claim that is older than another: no run is kept for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from database_kit import db, new_run, url

from andon.line.db import queue, runs, workers
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.durable.giving_up import result_without_work
from andon.line.durable.notices import Notice
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import new_worker_id
from andon.line.engine import Engine, JournalledSteps
from andon.records.errors import RunError
from andon.records.stops import StopCode

__all__ = ["db", "url"]

RUN = "run-1"


class Work:
    """Phases that do one thing and end their run as delivered."""

    def __init__(self, db: Database, do: Callable[[JournalledSteps], Awaitable[Any]]) -> None:
        self.leaving = False
        self.db = db
        self.do = do

    async def begin(self, run: Run) -> bool:
        return False

    async def drop(self, run: Run) -> None: ...

    async def body(self, run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        await self.do(steps)
        run = runs.get(self.db, run_id)
        result = result_without_work(run, StopCode.DELIVERED, "done")
        runs.end(self.db, run_id, run.worker or "", result=result, delivery=None)
        return {}


def worker(db: Database, do: Callable[[JournalledSteps], Awaitable[Any]], told: list[Notice]) -> Worker:
    return Worker(db, new_worker_id(), Work(db, do), once=True, tell=told.append)


def refuse_to_queue(db: Database, *, whether: bool) -> None:
    """Let the database refuse that a run goes back into the queue, as one of its rules might."""
    add = {
        "sqlite": "CREATE TRIGGER no_queue BEFORE UPDATE ON runs WHEN NEW.status = 'queued' "
        "BEGIN SELECT RAISE(ABORT, 'no room in the queue'); END",
        "postgresql": "ALTER TABLE runs ADD CONSTRAINT no_queue CHECK (status <> 'queued') NOT VALID",
    }
    drop = {"sqlite": "DROP TRIGGER no_queue", "postgresql": "ALTER TABLE runs DROP CONSTRAINT no_queue"}
    with db.transaction() as tx:
        tx.execute((add if whether else drop)[db.dialect])


async def test_a_worker_that_cannot_put_a_run_away_ends_and_says_so_and_another_takes_the_run(db: Database) -> None:
    async def fail(steps: JournalledSteps) -> None:
        raise OSError("the pump is broken")

    async def work(steps: JournalledSteps) -> None: ...

    runs.add(db, new_run(RUN))
    told: list[Notice] = []
    refuse_to_queue(db, whether=True)
    with pytest.raises(RunError, match=r"a run was left: .*no[_ ](queue|room)") as caught:
        await asyncio.wait_for(worker(db, fail, told).work(), 60)
    assert caught.value.code is StopCode.INTERNAL
    assert [notice.what for notice in told] == ["began", "lost"]
    left = runs.get(db, RUN)
    assert (left.status, workers.alive(db)) == ("running", []), "it is nobody's: whoever looks finds it"
    refuse_to_queue(db, whether=False)
    await asyncio.wait_for(worker(db, work, told).work(), 60)
    ended = runs.get(db, RUN)
    assert (ended.stop_code, ended.attempt, ended.worker != left.worker) == ("delivered", 2, True)


async def test_a_claim_that_comes_to_the_journal_after_a_later_one_takes_nothing_back(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.add(db, new_run(RUN))
    begun, go = asyncio.Event(), asyncio.Event()
    ran: list[int] = []
    real = Engine.run

    async def work(steps: JournalledSteps) -> None:
        async def count() -> None:
            ran.append(len(ran))
            begun.set()
            await go.wait()

        await steps.step("count", "1", count)
        await steps.step("count", "2", count)

    async def late(engine: Engine, run_id: str, phase: int, **claimed: Any) -> Any:
        """Sleep until another worker has claimed the phase and is at work on it."""
        monkeypatch.setattr(Engine, "run", real)
        with db.transaction() as tx:
            tx.execute("UPDATE workers SET beat_at = 0")
        workers.beat(db, workers.Worker("other", "elsewhere", 1, "serve", 1, "1"))
        claim = queue.claim(db, "other")
        assert claim is not None
        other = asyncio.create_task(real(engine, run_id, phase, attempt=claim.run.attempt))
        await asyncio.wait_for(begun.wait(), 30)
        try:
            return await real(engine, run_id, phase, **claimed)
        finally:
            go.set()
            await asyncio.wait_for(other, 30)

    monkeypatch.setattr(Engine, "run", late)
    told: list[Notice] = []
    await asyncio.wait_for(worker(db, work, told).work(), 60)
    row = runs.get(db, RUN)
    assert (row.worker, row.stop_code, row.attempt) == ("other", "delivered", 2)
    assert ran == [0, 1], "each step was made once, by the later claim"
    assert [notice.what for notice in told] == ["began", "lost"]

"""What a worker does with phases begun before its engine stands when they, the engine or the run are lost meanwhile."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from database_kit import db, new_run, url
from dbos import error as dbos_errors

from andon.line.db import messages, runs, workers
from andon.line.db.database import Database
from andon.line.db.runs import Fenced, Run
from andon.line.durable.coming_engine import ComingEngine
from andon.line.durable.giving_up import result_without_work
from andon.line.durable.notices import Notice
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import new_worker_id
from andon.line.engine import Engine, JournalledSteps
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

__all__ = ["db", "url"]

RUN = "run-1"
PATIENCE = 60.0
Do = Callable[[JournalledSteps], Awaitable[Any]]


class Early:
    """Phases that begin early, do one thing, and end their run by how that ended."""

    def __init__(self, db: Database, do: Do, begin: Callable[[], object] = lambda: None) -> None:
        self.leaving = False
        self.db = db
        self.do = do
        self.first = begin
        self.calls: list[str] = []

    async def begin(self, run: Run) -> bool:
        if run.attempt > 1:
            return False
        self.calls.append("begin")
        self.first()
        return True

    async def drop(self, run: Run) -> None:
        self.calls.append("drop")

    async def body(self, run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        self.calls.append("body")
        run, code = runs.get(self.db, run_id), StopCode.DELIVERED
        try:
            await self.do(steps)
        except asyncio.CancelledError:
            if self.leaving:
                raise
            code = StopCode.INTERRUPTED
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001  (as the real ones do)
            code = error.code if isinstance(error, RunError) else StopCode.INTERNAL
        result = result_without_work(run, code, "over")
        runs.end(self.db, run_id, run.worker or "", result=result, delivery=None)
        return {}


def worker(phases: Early, **words: Any) -> Worker:
    return Worker(phases.db, new_worker_id(), phases, **({"once": True} | words))


async def paid(steps: JournalledSteps) -> None:
    async def ask() -> str:
        return "answer"

    await steps.step("model:planner", "1", ask)


async def nothing(steps: JournalledSteps) -> None: ...


def state(db: Database) -> tuple[str, str | None, str | None]:
    row = runs.get(db, RUN)
    return row.status, row.stop_code, row.message


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the engine fail before it has begun a phase."""

    async def run(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Engine, "run", run)


def reaching() -> int:
    """Return how many threads of workers there are that ask the database."""
    return sum(one.name.startswith("andon-reach") for one in threading.enumerate())


async def test_drops_what_a_phase_left_that_was_entered(db: Database) -> None:
    async def leave(steps: JournalledSteps) -> None:
        raise Fenced(RUN)

    runs.add(db, new_run(RUN))
    phases = Early(db, leave)
    await asyncio.wait_for(worker(phases).work(), PATIENCE)
    assert (phases.calls, runs.get(db, RUN).status) == (["begin", "body", "drop"], "queued")


async def test_enters_no_phase_whose_run_was_lost_while_it_was_begun(db: Database) -> None:
    def lose() -> None:
        with db.transaction() as tx:
            tx.execute("UPDATE runs SET worker = 'other'")
        workers.beat(db, workers.Worker("other", "elsewhere", 1, "serve", 1, "1"))

    runs.add(db, new_run(RUN))
    phases = Early(db, nothing, lose)
    told: list[str] = []
    await asyncio.wait_for(worker(phases, tell=lambda notice: told.append(notice.what)).work(), PATIENCE)
    assert (phases.calls, told) == (["begin", "drop"], ["began", "lost"])
    assert (runs.get(db, RUN).worker, runs.get(db, RUN).status) == ("other", "running")


async def test_a_phase_that_is_stopped_does_not_wait_for_an_engine_that_does_not_answer(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def hang(*_: Any, **__: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    async def check(steps: JournalledSteps) -> None:
        async def stopped() -> None:
            await asyncio.wait_for(asked.wait(), PATIENCE)
            messages.stop(db, RUN, "somebody")
            await asyncio.Event().wait()

        await steps.step("check", "base-0", stopped)

    monkeypatch.setattr(Engine, "run", hang)
    monkeypatch.setattr("andon.line.durable.coming_engine._SPARED", 0.1)
    runs.add(db, new_run(RUN))
    await asyncio.wait_for(worker(Early(db, check)).work(), PATIENCE)
    assert state(db) == ("ended", "interrupted", "over")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError("the pump is broken"), "OSError: the pump is broken"),
        (RunError(StopCode.DATABASE_GONE, "away"), "RunError: away"),
        (dbos_errors.DBOSWorkflowCancelledError("cancelled"), "DBOSWorkflowCancelledError: "),
        (asyncio.CancelledError(), "Fenced: the engine let run run-1 go"),
    ],
)
async def test_a_run_whose_engine_fails_with_an_answer_in_hand_goes_back_into_the_queue(
    db: Database, monkeypatch: pytest.MonkeyPatch, error: BaseException, why: str
) -> None:
    failing(monkeypatch, error)
    runs.add(db, new_run(RUN))
    await asyncio.wait_for(worker(Early(db, paid)).work(), PATIENCE)
    status, code, message = state(db)
    assert (status, code, runs.get(db, RUN).attempt) == ("queued", None, 1)
    assert message is not None
    assert message.startswith(f"the phase failed, it is begun again: {why}")


async def test_a_run_whose_journal_cannot_be_written_ends(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RunError(StopCode.DISK_FAILED, "full"))
    runs.add(db, new_run(RUN))
    await asyncio.wait_for(worker(Early(db, paid)).work(), PATIENCE)
    assert state(db) == ("ended", "disk-failed", "over")


async def test_a_worker_whose_engine_cannot_be_closed_is_gone_all_the_same(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Engine.close

    async def close(engine: Engine) -> None:
        await real(engine)
        raise OSError("the engine is stuck")

    monkeypatch.setattr(Engine, "close", close)
    before = reaching()
    runs.add(db, new_run(RUN))
    with pytest.raises(OSError, match="the engine is stuck"):
        await asyncio.wait_for(worker(Early(db, paid)).work(), PATIENCE)
    until = asyncio.get_running_loop().time() + PATIENCE
    while reaching() > before and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  (a thread ends unannounced)
        await asyncio.sleep(0.01)
    assert (state(db), workers.alive(db), reaching()) == (("ended", "delivered", "over"), [], before)


@pytest.mark.parametrize("words", [{"only": RUN, "once": False}, {}])
async def test_an_engine_that_fails_when_nothing_is_left_to_do_is_no_failure(
    db: Database, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any]
) -> None:
    over = asyncio.Event()
    engines: list[ComingEngine] = []

    class Noted(ComingEngine):
        def __init__(self, *args: Any, **words: Any) -> None:
            super().__init__(*args, **words)
            engines.append(self)

        async def close(self) -> None:
            over.set()
            await super().close()

    async def launch(*_: Any, **__: Any) -> Engine:
        await over.wait()
        raise UserError("the engine cannot be launched")

    async def need(steps: JournalledSteps) -> None:
        engines[0].need()

    def tell(notice: Notice) -> None:
        if words and notice.what == "ended":
            over.set()

    monkeypatch.setattr(Engine, "launch", launch)
    monkeypatch.setattr("andon.line.durable.worker.ComingEngine", Noted)
    runs.add(db, new_run(RUN))
    await asyncio.wait_for(worker(Early(db, need), tell=tell, **words).work(), PATIENCE)
    assert (state(db), isinstance(engines[0].failure, UserError)) == (("ended", "delivered", "over"), True)


async def test_an_engine_that_fails_its_only_run_is_a_failure(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def launch(*_: Any, **__: Any) -> Engine:
        raise UserError("the engine cannot be launched")

    monkeypatch.setattr(Engine, "launch", launch)
    runs.add(db, new_run(RUN))
    with pytest.raises(UserError, match="the engine cannot be launched"):
        await asyncio.wait_for(worker(Early(db, paid), only=RUN, once=False).work(), PATIENCE)
    assert state(db) == ("queued", None, "its worker left")

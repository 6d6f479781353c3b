"""The engine on both databases: what is kept, what is not, who may go on. The contract with DBOS (see pyproject)."""

import asyncio
import contextlib
import logging
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_kit import postgresql_url, server, start, stop, url  # noqa: F401 - fixtures

from andon.line import engine as engine_module
from andon.line.db.database import DatabaseGone, engine_url
from andon.line.durable import journal_reach
from andon.line.engine import Body, Engine, Fenced, JournalledSteps, OtherFlow
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

RUN = "20260101-000000-abcdef"


@pytest.fixture
def journal(url: str, tmp_path: Path) -> str:  # noqa: F811
    """The address of an empty journal, of both kinds."""
    (tmp_path / "factory/.state").mkdir(parents=True)
    return engine_url(url)


@asynccontextmanager
async def engine(journal: str, body: Body) -> AsyncIterator[Engine]:
    launched = await Engine.launch(journal, worker=f"test:{os.getpid()}:{secrets.token_hex(4)}", body=body)
    try:
        yield launched
    finally:
        await launched.close()


class Work:
    """A body of numbered steps, which notes those that ran; `at` is called inside the step of that number."""

    def __init__(self, count: int = 3, at: dict[int, Callable[[], Awaitable[Any]]] | None = None) -> None:
        self.ran: list[int] = []
        self.at = at or {}
        self.count = count

    async def __call__(self, run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        numbers = range(self.count)
        values = [await steps.step("step", str(number), partial(self._step, number)) for number in numbers]
        return {"values": values}

    async def _step(self, number: int) -> int:
        self.ran.append(number)
        if number in self.at:
            await self.at[number]()
        return number * 10


async def failing() -> None:
    raise RunError(StopCode.PROVIDER_FAILED, "no answer")


async def test_returns_what_the_body_returns(journal: str) -> None:
    async with engine(journal, Work()) as one:
        assert await one.run(RUN, 0) == {"values": [0, 10, 20]}


async def test_a_step_that_failed_is_the_first_to_run_again(journal: str) -> None:
    work = Work(4, {2: failing})
    async with engine(journal, work) as one:
        with pytest.raises(RunError, match="no answer") as caught:
            await one.run(RUN, 0)
        assert caught.value.code is StopCode.PROVIDER_FAILED
        work.at = {}
        assert await one.run(RUN, 0) == {"values": [0, 10, 20, 30]}
    assert work.ran == [0, 1, 2, 2, 3]


async def test_an_engine_of_another_process_goes_on(journal: str) -> None:
    work = Work(3, {1: failing})
    async with engine(journal, work) as one:
        with pytest.raises(RunError):
            await one.run(RUN, 0)
    work.at = {}
    async with engine(journal, work) as other:
        await other.run(RUN, 0)
    assert work.ran == [0, 1, 1, 2]


async def test_a_phase_that_was_over_runs_again_from_what_is_kept(journal: str) -> None:
    work = Work(2)
    async with engine(journal, work) as one:
        await one.run(RUN, 0)
        work.count = 4
        assert await one.run(RUN, 0) == {"values": [0, 10, 20, 30]}
    assert work.ran == [0, 1, 2, 3]


async def test_phases_and_runs_share_no_steps(journal: str) -> None:
    work = Work(1)
    async with engine(journal, work) as one:
        for run_id, phase in ((RUN, 0), (RUN, 1), (RUN, 10), (f"{RUN}0", 0)):
            await one.run(run_id, phase)
    assert work.ran == [0, 0, 0, 0]


async def test_what_is_forgotten_runs_again(journal: str) -> None:
    work = Work(1)
    async with engine(journal, work) as one:
        for run_id, phase in ((RUN, 0), (RUN, 1), (f"{RUN}0", 0)):
            await one.run(run_id, phase)
        await one.forget(RUN)
        await one.forget("never-seen")
        for run_id, phase in ((RUN, 0), (RUN, 1), (f"{RUN}0", 0)):
            await one.run(run_id, phase)
    assert work.ran == [0, 0, 0, 0, 0]


async def test_attempts_that_kept_nothing_are_not_heaped_up(journal: str) -> None:
    work = Work(2, {0: failing})
    async with engine(journal, work) as one:
        for _ in range(5):
            with pytest.raises(RunError):
                await one.run(RUN, 0)
        assert _texts(journal).count(f"'{RUN}.0.") <= 3
        work.at = {}
        await one.run(RUN, 0)
    assert work.ran == [0, 0, 0, 0, 0, 0, 1]


async def test_works_on_several_phases_at_once(journal: str) -> None:
    met = asyncio.Barrier(3)
    async with engine(journal, Work(2, {0: met.wait, 1: met.wait})) as one, asyncio.timeout(30):
        results = await asyncio.gather(*(one.run(f"run-{n}", 0) for n in range(3)))
    assert results == [{"values": [0, 10]}] * 3


async def test_cancelling_ends_with_the_body_and_keeps_no_step_in_flight(journal: str) -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def hangs() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    work = Work(3, {1: hangs})
    async with engine(journal, work) as one:
        running = asyncio.create_task(one.run(RUN, 0))
        await asyncio.wait_for(begun.wait(), 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cleaned.is_set()
        work.at = {}
        await one.run(RUN, 0)
    assert work.ran == [0, 1, 1, 2]


async def test_a_value_in_hand_is_kept_although_its_phase_is_cancelled(journal: str) -> None:
    async def cancelled() -> None:
        # Takes effect at the next wait, which is the one for the database.
        running.cancel()

    work = Work(3, {1: cancelled})
    async with engine(journal, work) as one:
        running = asyncio.create_task(one.run(RUN, 0))
        with pytest.raises(asyncio.CancelledError):
            await running
        work.at = {}
        await one.run(RUN, 0)
    assert work.ran == [0, 1, 2]


async def test_cancelling_at_any_moment_costs_no_step_that_was_kept(journal: str) -> None:
    work, moment, cancelled = Work(5), 0.0, 0
    async with engine(journal, work) as one:
        while True:
            running = asyncio.create_task(one.run(RUN, 0))
            asyncio.get_running_loop().call_later(moment, running.cancel)
            await asyncio.wait({running})
            moment += 0.001
            if not running.cancelled():
                break
            cancelled += 1
        assert running.result() == {"values": [0, 10, 20, 30, 40]}
    assert sorted(set(work.ran)) == [0, 1, 2, 3, 4] and cancelled > 3


async def test_a_later_claim_takes_the_phase_over(journal: str) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def holds() -> None:
        begun.set()
        await go.wait()

    work = Work(3, {1: holds})
    async with engine(journal, work) as one:
        first = asyncio.create_task(one.run(RUN, 0, attempt=1))
        await asyncio.wait_for(begun.wait(), 30)
        work.at = {}
        assert await one.run(RUN, 0, attempt=2) == {"values": [0, 10, 20]}
        go.set()
        with pytest.raises(Fenced):
            await first
    # The first was in the middle of 1, and did not begin 2.
    assert work.ran == [0, 1, 1, 2]


async def test_an_earlier_claim_that_comes_late_disturbs_nobody(journal: str) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def holds() -> None:
        begun.set()
        await go.wait()

    work = Work(3, {1: holds})
    async with engine(journal, work) as one:
        second = asyncio.create_task(one.run(RUN, 0, attempt=2))
        await asyncio.wait_for(begun.wait(), 30)
        with pytest.raises(Fenced):
            await one.run(RUN, 0, attempt=1)
        go.set()
        assert await second == {"values": [0, 10, 20]}
    assert work.ran == [0, 1, 2]


async def test_a_phase_whose_body_does_nothing_more_is_fenced_too(journal: str) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def body(run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        if not begun.is_set():
            begun.set()
            await go.wait()
        return {}

    async with engine(journal, body) as one:
        first = asyncio.create_task(one.run(RUN, 0))
        await asyncio.wait_for(begun.wait(), 30)
        await one.run(RUN, 0)
        go.set()
        with pytest.raises(Fenced):
            await first


async def test_a_phase_that_was_forgotten_meanwhile_is_fenced(journal: str) -> None:
    async def forget() -> None:
        await one.forget(RUN)

    async with engine(journal, Work(2, {0: forget})) as one:
        with pytest.raises(Fenced):
            await one.run(RUN, 0)


async def test_refuses_a_phase_of_another_flow_version(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(2, {1: failing})
    async with engine(journal, work) as old:
        with pytest.raises(RunError):
            await old.run(RUN, 0)
    work.at = {}
    monkeypatch.setattr(engine_module, "FLOW_VERSION", 2)
    async with engine(journal, work) as new:
        for _ in range(2):
            with pytest.raises(OtherFlow, match=f"Phase 0 of run {RUN} was begun under flow version 1"):
                await new.run(RUN, 0)
        await new.forget(RUN)
        await new.run(RUN, 0)
    assert work.ran == [0, 1, 0, 1]


async def test_keeps_json_without_secrets_and_never_pickle(journal: str) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

    async def body(run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        async def answer() -> tuple[str, int]:
            return f"the key is {secret}", 3

        return {"said": await steps.step("model", "1", answer, of=tuple[str, int])}

    async with engine(journal, body) as one:
        first = await one.run(RUN, 0)
        assert first == {"said": ("the key is [redacted: github-token]", 3)}
        assert await one.run(RUN, 0) == first
    stored = _texts(journal)
    assert "the key is [redacted: github-token]" in stored
    assert secret not in stored
    assert "py_pickle" not in stored and "andon_json" in stored


def _texts(journal: str) -> str:
    """Return everything a journal holds of phases, as text."""
    tables = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")
    if journal.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(journal.removeprefix("sqlite:///"))) as connection:
            return repr([connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables])  # noqa: S608
    with psycopg.connect(journal) as client:
        return repr([client.execute(f"SELECT * FROM dbos.{table}".encode()).fetchall() for table in tables])  # noqa: S608


async def test_a_journal_that_somebody_spoilt_is_no_value(journal: str) -> None:
    work = Work(1)
    async with engine(journal, work) as one:
        await one.run(RUN, 0)
        _spoil(journal)
        with pytest.raises(RunError, match="cannot be read") as caught:
            await one.run(RUN, 0)
    assert caught.value.code is StopCode.INTERNAL


def _spoil(journal: str) -> None:
    if journal.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(journal.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute("UPDATE operation_outputs SET output = '[7]'")
        return
    with psycopg.connect(journal) as client:
        client.execute("UPDATE dbos.operation_outputs SET output = '[7]'")


async def test_steps_of_any_task_belong_to_their_phase(journal: str) -> None:
    asked: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue()

    async def serve() -> None:
        while True:
            await (await asked.get())()

    ran = []

    async def body(run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        done = asyncio.Event()

        async def run() -> None:
            ran.append(run_id)

        async def call() -> None:
            await steps.step("tool", "1", run)
            done.set()

        await asked.put(call)
        await done.wait()
        return {}

    server_task = asyncio.create_task(serve())
    async with engine(journal, body) as one:
        for _ in range(2):
            await asyncio.wait_for(one.run(RUN, 0), 30)
    server_task.cancel()
    assert ran == [RUN]


async def test_one_process_has_one_engine(journal: str) -> None:
    async with engine(journal, Work()):
        with pytest.raises(RunError, match="a process that has one"):
            await Engine.launch(journal, worker="other", body=Work())


async def test_leaves_the_loop_with_threads_of_its_own(journal: str) -> None:
    async with engine(journal, Work()) as one:
        await one.run(RUN, 0)
    assert await asyncio.to_thread(lambda: 7) == 7


async def test_what_dbos_logs_is_left_to_the_caller(journal: str, caplog: pytest.LogCaptureFixture) -> None:
    async with engine(journal, Work()) as one:
        await one.run(RUN, 0)
    assert logging.getLogger("dbos").propagate
    assert caplog.records == []


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("sqlite:////proc/none/engine.sqlite", DatabaseGone),
        ("postgresql://andon:x@127.0.0.1:9/none", DatabaseGone),
        ("nonsense", UserError),
    ],
)
async def test_says_that_it_cannot_be_launched(address: str, kind: type[UserError]) -> None:
    with pytest.raises(kind, match="engine"):
        await Engine.launch(address, worker="w", body=Work())


async def test_a_step_that_has_ended_waits_for_a_database_that_is_gone(postgresql_url: str) -> None:  # noqa: F811
    async def shut_down() -> None:
        stop(server())
        asyncio.get_running_loop().call_later(2, start, server())

    work = Work(3, {1: shut_down})
    async with engine(postgresql_url, work) as one:
        assert await one.run(RUN, 0) == {"values": [0, 10, 20]}
    assert work.ran == [0, 1, 2]


async def test_gives_a_database_up_that_stays_away(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(journal_reach, "PATIENCE", 1.0)

    async def shut_down() -> None:
        stop(server())

    try:
        async with engine(postgresql_url, Work(3, {1: shut_down})) as one:
            with pytest.raises(RunError, match="gone for 1 seconds") as caught:
                await one.run(RUN, 0)
    finally:
        start(server())
    assert caught.value.code is StopCode.DATABASE_GONE


async def test_uses_no_time_while_it_waits(journal: str) -> None:
    async with engine(journal, Work()):
        before = sum(os.times()[:2])
        await asyncio.sleep(2)
        used = sum(os.times()[:2]) - before
    assert used < 0.1, f"{used / 2:.1%} of a core"

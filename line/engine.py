"""The durable engine: what the phases of runs have done outlives their process. The only file that knows DBOS.

One attempt at a phase is one workflow of DBOS, whose steps are what it kept. It never gets an outcome: whether a phase
is over is said by the run's row alone. A later attempt cancels those before it, which takes the right to write from
them, and goes on from what all of them kept.
"""

import asyncio
import contextvars
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_errors

from andon.line.db.database import DatabaseGone
from andon.line.db.runs import Fenced
from andon.line.durable.journal import Journal, JournalledSteps, Kept, Notes
from andon.line.durable.journal_json import JournalJson
from andon.line.durable.journal_reach import first_line, of_the_database, reaching, to_its_end
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

__all__ = ["FLOW_VERSION", "Engine", "Fenced", "JournalledSteps", "Notes", "OtherFlow"]

FLOW_VERSION = 1
"""Which steps phases have, and in which order; a phase goes on only under the version it was begun with."""
Body = Callable[[str, int, JournalledSteps], Awaitable[dict[str, Any]]]
"""Carries out one phase of a run."""


class OtherFlow(RunError):
    """The phase was begun by a version of andon whose phases have other steps: forget it and begin it anew."""


class _Attempt(NamedTuple):
    """In their order, the later one has the right to the phase."""

    run_id: str
    phase: int
    claim: int
    number: int
    """Among those of one claim."""

    def __str__(self) -> str:
        return f"{self.run_id}.{self.phase}.{self.claim}.{self.number}"


@dataclass(frozen=True)
class _Open:
    """An attempt of this process."""

    context: "asyncio.Future[contextvars.Context]"
    """In which DBOS takes a step for one of this attempt."""
    closed: asyncio.Event


class Engine:
    """Works on phases in this process, which has one engine at a time."""

    _launched: "Engine | None" = None

    def __init__(self, body: Body) -> None:
        """See `launch`."""
        self._body = body
        self._open: dict[str, _Open] = {}
        self._workflow = self._registered()

    @classmethod
    async def launch(cls, url: str, *, worker: str, body: Body) -> "Engine":
        """Open the journal at `url`, migrate it where needed, and return an engine that begins nothing by itself.

        `worker` is the id of this process, never used before. Until the engine is closed, blocking calls of the loop
        (`asyncio.to_thread`) share its threads.

        Raises:
            DatabaseGone: it cannot be reached.
            UserError: it cannot be opened, and why.
        """
        if cls._launched is not None:
            raise RunError(StopCode.INTERNAL, "an engine was launched in a process that has one")
        _quiet()
        cls._launched = engine = cls(body)
        try:
            await _apart(lambda: _launch(url, worker))
        except BaseException:
            await engine.close()
            raise
        return engine

    async def run(self, run_id: str, phase: int, *, attempt: int | None = None) -> dict[str, Any]:
        """Carry out a phase from its last kept step on, whoever kept it, and return what its body returned.

        A phase that was over runs again, from what is kept. `attempt` counts the claims of the phase, the last of which
        is this process's: whoever has a later one is not disturbed. Cancelled, it ends when the body has.

        Raises:
            Fenced: another process has the phase.
            OtherFlow: the phase was begun by another version.
            RunError: `database-gone` or `disk-failed`.
            Exception: what the body raised.
        """
        mine, opened = await self._begin(run_id, phase, attempt)
        try:
            journal, again = await _take_over(mine)
            context = await opened.context

            async def keep(step: str, entry: dict[str, Any]) -> None:
                await to_its_end(_keep(mine, context, step, entry))

            result = await self._body(run_id, phase, JournalledSteps(journal, keep, again=again))
            await _check_mine(mine)
            return result
        finally:
            self._end(mine)

    async def forget(self, run_id: str) -> None:
        """Delete what is kept of all phases of a run; one that is still at work is fenced by it.

        Raises:
            RunError: `database-gone` or `disk-failed`.
        """
        found = await _listed(f"{run_id}.")
        ids = [one.workflow_id for one in found if one.workflow_id.rsplit(".", 3)[0] == run_id]
        if ids:
            await reaching(lambda: DBOS.delete_workflows_async(ids))

    async def close(self) -> None:
        """End the engine's threads and connections; phases that are still at work keep nothing more."""
        await _apart(lambda: DBOS.destroy(destroy_registry=True))
        # DBOS had put its own pool, which has ended, in the place of the loop's.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        type(self)._launched = None

    def _registered(self) -> Callable[[str], Any]:
        @DBOS.workflow(name="phase")
        async def phase(attempt: str) -> None:
            if opened := self._open.get(attempt):
                opened.context.set_result(contextvars.copy_context())
                await opened.closed.wait()
            # Whatever it returned or raised otherwise would be kept as the outcome of the phase.
            raise asyncio.CancelledError

        return phase

    async def _begin(self, run_id: str, phase: int, claim: int | None) -> tuple[_Attempt, _Open]:
        while True:
            mine = _next(run_id, phase, claim, [one for one, _ in await _attempts(run_id, phase)])
            opened = self._open[str(mine)] = _Open(asyncio.get_running_loop().create_future(), asyncio.Event())
            try:
                await to_its_end(reaching(lambda mine=mine: self._start(mine)))  # type: ignore[misc]
                return mine, opened
            except dbos_errors.DBOSWorkflowIDInUseError:
                # Another process was faster, or this one when the connection broke before it heard of it.
                self._end(mine)
            except BaseException:
                self._end(mine)
                raise

    async def _start(self, mine: _Attempt) -> None:
        with SetWorkflowID(str(mine), workflow_id_reuse_policy="reject"):
            await DBOS.start_workflow_async(self._workflow, str(mine))

    def _end(self, mine: _Attempt) -> None:
        self._open.pop(str(mine)).closed.set()


def _next(run_id: str, phase: int, claim: int | None, others: list[_Attempt]) -> _Attempt:
    last = max((one.claim for one in others), default=1)
    if claim is not None and claim < last and others:
        raise Fenced(f"claim {claim} of phase {phase} of run {run_id} came after claim {last}")
    mine = last if claim is None else claim
    return _Attempt(run_id, phase, mine, 1 + max((one.number for one in others if one.claim == mine), default=0))


async def _take_over(mine: _Attempt) -> tuple[Journal, bool]:
    """Return what earlier attempts kept, after which they keep nothing more, and whether there were any."""
    others = [(one, status) for one, status in await _attempts(mine.run_id, mine.phase) if one != mine]
    if any(one > mine for one, _ in others):
        raise Fenced(f"attempt {mine} came after another one")
    for _, status in others:
        if status.app_version != str(FLOW_VERSION):
            raise OtherFlow(
                StopCode.INTERNAL,
                f"Phase {mine.phase} of run {mine.run_id} was begun under flow version {status.app_version} and cannot "
                f"go on under version {FLOW_VERSION}.",
            )
    ids = [str(one) for one, _ in others]
    if ids:
        await reaching(lambda: DBOS.cancel_workflows_async(ids))
    kept = [await _kept(one) for one in ids]
    # A run that waits a night for its provider is begun hundreds of times.
    if empty := [one for one, entries in zip(ids, kept, strict=True) if not entries]:
        await reaching(lambda: DBOS.delete_workflows_async(empty))
    return Journal([entry for entries in kept for entry in entries]), bool(ids)


async def _keep(mine: _Attempt, context: contextvars.Context, step: str, entry: dict[str, Any]) -> None:
    async def value() -> dict[str, Any]:
        return entry

    async def record() -> None:
        await reaching(lambda: DBOS.run_step_async({"name": step}, value))

    try:
        # In the attempt's own context, whatever task asks.
        await asyncio.get_running_loop().create_task(record(), context=context.copy())
    except (dbos_errors.DBOSWorkflowConflictIDError, dbos_errors.DBOSWorkflowCancelledError) as error:
        raise Fenced(f"attempt {mine} was taken over") from error
    except AssertionError as error:
        raise Fenced(f"attempt {mine} was forgotten") from error


async def _check_mine(mine: _Attempt) -> None:
    status = await reaching(lambda: DBOS.get_workflow_status_async(str(mine)))
    if status is None or status.status != "PENDING":
        raise Fenced(f"attempt {mine} was taken over")


async def _attempts(run_id: str, phase: int) -> list[tuple[_Attempt, WorkflowStatus]]:
    """Return the attempts at a phase in their order."""
    prefix, found = f"{run_id}.{phase}.", []
    for status in await _listed(prefix):
        claim, dot, number = status.workflow_id.removeprefix(prefix).partition(".")
        if dot and claim.isdecimal() and number.isdecimal():
            found.append((_Attempt(run_id, phase, int(claim), int(number)), status))
    return sorted(found, key=lambda one: one[0])


async def _listed(prefix: str) -> list[WorkflowStatus]:
    return await reaching(
        lambda: DBOS.list_workflows_async(workflow_id_prefix=prefix, load_input=False, load_output=False)
    )


async def _kept(attempt: str) -> list[tuple[str, Kept]]:
    steps = await reaching(lambda: DBOS.list_workflow_steps_async(attempt))
    try:
        # An error is what DBOS writes of a step whose value it could not write.
        return [(one["function_name"], Kept(**(one["output"] or {}))) for one in steps if one["error"] is None]
    except TypeError as error:
        raise RunError(StopCode.INTERNAL, f"The journal of attempt {attempt} cannot be read: {error}.") from error


def _quiet() -> None:
    """Leave what DBOS logs to whoever sets up logging; by itself it would print."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


_CUT_OFF = {"tcp_user_timeout": 10_000}
"""Milliseconds; a network that is cut answers nothing, and would hold a step for a quarter of an hour."""


def _config(url: str, worker: str) -> DBOSConfig:
    config = DBOSConfig(
        name="andon",
        system_database_url=url,
        application_version=str(FLOW_VERSION),
        executor_id=worker,
        serializer=cast("Serializer", JournalJson()),
        log_level="ERROR",
        # Nothing waits for a notification here; the interval is how long closing takes.
        use_listen_notify=False,
        notification_listener_polling_interval_sec=0.05,
        scheduler_polling_interval_sec=3600.0,
        # Blocking calls of the whole process run in these.
        max_executor_threads=32,
        sys_db_pool_size=8,
    )
    if not url.startswith("sqlite"):
        config["db_engine_kwargs"] = {"connect_args": {"application_name": "andon", "connect_timeout": 5, **_CUT_OFF}}
    return config


def _launch(url: str, worker: str) -> None:
    try:
        if url.startswith("sqlite:///"):
            _use_wal(url.removeprefix("sqlite:///"))
        engine = DBOS(config=_config(url, worker))
        DBOS.listen_queues([])
        DBOS.launch()
    except Exception as error:
        if of_the_database(error):
            raise DatabaseGone(f"the engine's database cannot be opened: {first_line(error)}") from error
        raise UserError(f"the engine cannot be launched: {type(error).__name__}: {first_line(error)}") from error
    # DBOS would ask again without end, in threads that let no process exit; `reaching` asks again instead.
    engine._sys_db._retry_connection_errors = False


def _use_wal(path: str) -> None:
    connection = sqlite3.connect(path, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


async def _apart(call: Callable[[], None]) -> None:
    """Run a blocking call in a thread that is not the engine's."""
    with ThreadPoolExecutor(1) as threads:
        await asyncio.get_running_loop().run_in_executor(threads, call)

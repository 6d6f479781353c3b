"""A worker: claims runs while it has free slots and works on one phase of each at a time."""

import asyncio
import math
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from andon.line.db import queue, runs, workers
from andon.line.db.database import Database, DatabaseGone, engine_url
from andon.line.db.runs import Fenced, Run
from andon.line.db.sweep import note_forgotten, swept
from andon.line.durable.coming_engine import ComingEngine
from andon.line.durable.early_phases import EarlyPhases
from andon.line.durable.heartbeat import EVERY, Heartbeat
from andon.line.durable.notices import Notice
from andon.line.durable.phase_task import Phases, PhaseTask
from andon.line.durable.reach import Reach
from andon.line.durable.task_status import note_ends
from andon.line.identity import host_name
from andon.line.resumable import can_go_on
from andon.line.uninterrupted import uninterrupted
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

if TYPE_CHECKING:
    from andon.line.engine import Engine, JournalledSteps

Kind = Literal["serve", "run"]

_LOOK = 0.3
"""Seconds between two looks at the queue."""
_IDLE_LOOK = 0.8
"""The same once nothing has happened for `_IDLE_AFTER`: an answered run still wakes within a second."""
_IDLE_AFTER = 30.0
_SWEEP_EVERY = 3600.0
"""Seconds between two looks for what can be deleted."""
_NOTE_EVERY = 5.0
"""Seconds between two looks for what has ended elsewhere: see `note_ends`."""


class Worker:
    """Works on the runs of one database until it is told to leave, or nothing is left for it to do."""

    def __init__(
        self,
        db: Database,
        worker_id: str,
        phases: Phases,
        *,
        kind: Kind = "serve",
        slots: int = 1,
        only: str | None = None,
        once: bool = False,
        tell: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        """`slots` is how many runs it works on at once. `only` is the id of the one run it works on: it is done when
        that run waits for a person, has ended or is another's. With `once` it is done when nothing can be begun now.
        """
        self._db = db
        self._phases = phases
        self._row = workers.Worker(
            id=worker_id, host=host_name(), pid=os.getpid(), kind=kind, slots=slots, version=version("andon")
        )
        self._only = only
        self._once = once
        self._tell = tell
        self._tasks: dict[str, tuple[PhaseTask, asyncio.Task[None]]] = {}
        self.stopped = False
        """Whether `work` was cancelled, so that its runs were to end."""
        self._over = False
        self._told_waits = False
        self._failure: RunError | None = None
        self._early = EarlyPhases(phases, self._run)
        self._wake = asyncio.Event()
        self._reach = Reach(self._database_gone, self._database_back)
        self._no_claim_before = 0.0

    async def work(self) -> None:
        """Work until there is no more to do. Cancelled, it has each of its runs end as interrupted, and returns.

        Raises:
            UserError: the database cannot be reached at the start, or the engine cannot be launched.
            RunError: `disk-failed`; its runs are where the database has them, for whoever finds it mended.
        """
        working = asyncio.ensure_future(self._work())
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            if not working.done():
                self._stop()
            await uninterrupted(working)

    def leave(self) -> None:
        """Have `work` return soon: nothing more is begun, and its runs go back into the queue as they stand."""
        self._over = self._phases.leaving = True
        self._reach.hurry()
        for phase, _ in self._tasks.values():
            phase.leave()
        self._wake.set()

    def _stop(self) -> None:
        self._over = self.stopped = True
        for phase, _ in self._tasks.values():
            phase.stop()
        self._wake.set()

    async def _work(self) -> None:
        heart = Heartbeat(self._db, self._row)
        # Before the first claim: who claims and does not beat looks dead.
        heart.start()
        # One that cannot be launched is no fault of the runs: they go back as if this worker had left.
        coming = ComingEngine(engine_url(self._db.url), self._row.id, self._enter, failed=self.leave)
        with ExitStack() as closing:
            closing.callback(heart.stop)
            closing.callback(self._reach.close)
            try:
                done = await self._look_on(coming)
            finally:
                if self._tasks:
                    await asyncio.wait({task for _, task in self._tasks.values()})
                await coming.close()
            missed = coming.failure is not None and not done and await self._unfinished()
        if failure := (coming.failure if missed else None) or self._failure:
            raise failure

    async def _unfinished(self) -> bool:
        """Say whether there is still something to do for this worker, as far as one can tell."""
        if self._only:
            with suppress(RunError, UserError):
                return (await self._reach(runs.get, self._db, self._only)).status == "queued"
        return True

    async def _look_on(self, coming: ComingEngine) -> bool:
        """Look for work until this worker is told to do no more; True if nothing was left to do before."""
        now = asyncio.get_running_loop().time
        busy, swept_at, noted_at = now(), now(), -math.inf
        while not self._over:
            if now() - noted_at > _NOTE_EVERY:
                noted_at = now()
                await self._note()
            if now() - swept_at > _SWEEP_EVERY:
                swept_at = now()
                await self._sweep(coming.engine)
            try:
                begun = await self._look(coming)
            except DatabaseGone:
                continue  # raised on leaving alone
            if begun or self._tasks:
                busy = now()
            elif self._once or (self._only and await self._out_of_reach(self._only)):
                await self._note()
                return not self._over
            else:
                # The next run is to find it there.
                coming.need()
            if not begun:
                await self._pause(_LOOK if now() - busy < _IDLE_AFTER else _IDLE_LOOK)
        return False

    async def _note(self) -> None:
        """Tell tasks of this machine what became of their runs elsewhere."""
        with suppress(RunError, UserError):
            await self._reach(note_ends, self._db)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _look(self, coming: ComingEngine) -> bool:
        """Stop the runs that are to stop and claim one run; say whether one was begun."""
        if self._tasks:
            for run_id in await self._reach(_to_stop, self._db, self._row.id):
                if run_id in self._tasks:
                    self._tasks[run_id][0].stop()
        if len(self._tasks) >= self._row.slots or asyncio.get_running_loop().time() < self._no_claim_before:
            return False
        claim = await self._reach(queue.claim, self._db, self._row.id, self._only)
        if claim is None:
            return False
        if self._over or claim.run.id in self._tasks:
            # Lost and won again while the old phase has not noticed: it must find the row another's.
            await self._reach(_decline, self._db, claim.run, self._row.id)
            return False
        self._begin(claim.run, coming)
        return True

    def _begin(self, run: Run, coming: ComingEngine) -> None:
        phase = PhaseTask(run, lambda phase: self._carry_out(phase, coming))
        self._tasks[run.id] = phase, asyncio.ensure_future(self._see_to(phase, coming))
        self._tell(Notice("began", run))

    async def _carry_out(self, phase: PhaseTask, coming: ComingEngine) -> None:
        try:
            if coming.spared and await self._begun_early(phase.run):
                await self._check_mine(phase.run)
                phase.enter()
                await self._early.carry_out(phase.run, coming)
                return
            coming.need()
            if (engine := await coming.come()) is None:
                raise asyncio.CancelledError
            await self._run(engine, phase.run)
        finally:
            # Also of a phase that was entered: it may have ended before it took over what was begun.
            await uninterrupted(self._phases.drop(phase.run))

    async def _begun_early(self, run: Run) -> bool:
        # What is wrong with it the phase finds again, and ends its run for it.
        with suppress(UserError):
            return await self._phases.begin(run)
        return False

    async def _run(self, engine: "Engine", run: Run) -> None:
        # Beginning a phase that was lost meanwhile would take the journal from whoever has it.
        await self._check_mine(run)
        await _run(engine, run)

    async def _check_mine(self, run: Run) -> None:
        if (await self._reach(runs.get, self._db, run.id)).worker != self._row.id:
            raise Fenced(run.id)

    async def _enter(self, run_id: str, phase: int, steps: "JournalledSteps") -> dict[str, Any]:
        if await self._early.join(run_id, steps):
            return {}
        self._tasks[run_id][0].enter()
        return await self._phases.body(run_id, phase, steps)

    async def _see_to(self, phase: PhaseTask, coming: ComingEngine) -> None:
        try:
            run = await phase.wait(self._db, self._row.id, self._reach)
            if run is not None:
                await self._forget(run, coming.engine)
        except DatabaseGone:
            run = None
        except Exception as error:  # noqa: BLE001 - whatever it is: others must be able to take the run
            # What became of the run cannot be written, and neither could anything else.
            stop = error if isinstance(error, RunError) else RunError(StopCode.INTERNAL, f"a run was left: {error!r}")
            self._failure, self._over, run = stop, True, None
        finally:
            del self._tasks[phase.run.id]
            self._wake.set()
        if run is None:
            self._tell(Notice("lost", phase.run))
        elif run.status == "ended":
            self._tell(Notice("ended", run))
        elif run.status == "parked":
            self._tell(Notice("parked", run))
        else:
            self._tell(Notice("put-back", run, run.message))

    async def _forget(self, run: Run, engine: "Engine | None") -> None:
        """Delete what is kept of the steps of a run that nobody goes on with."""
        if engine is not None and run.status == "ended" and not can_go_on(run.stop_code or ""):
            with suppress(RunError, UserError):
                await engine.forget(run.id)
                await self._reach(note_forgotten, self._db, run.id)

    async def _sweep(self, engine: "Engine | None") -> None:
        """Delete what nobody can need any more."""
        with suppress(RunError, UserError):
            for run_id in await self._reach(swept, self._db):
                run = await self._reach(runs.get, self._db, run_id)
                if engine is not None and run.status == "ended":
                    await engine.forget(run_id)
                    await self._reach(note_forgotten, self._db, run_id)

    async def _out_of_reach(self, run_id: str) -> bool:
        """Say whether the one run is nothing for this worker: it waits for a person, has ended, or is another's."""
        run = await self._reach(runs.get, self._db, run_id)
        if run.status == "queued" and not self._told_waits:
            self._told_waits = True
            self._tell(Notice("waits", run))
        return run.status != "queued"

    def _database_gone(self, why: str) -> None:
        self._tell(Notice("database-gone", text=why))

    def _database_back(self) -> None:
        # No worker could beat meanwhile: those that live get the time to say so before they are taken for dead.
        self._no_claim_before = asyncio.get_running_loop().time() + 2 * EVERY
        self._tell(Notice("database-back"))


async def _run(engine: "Engine", run: Run) -> None:
    from andon.line.engine import OtherFlow

    try:
        # The number of the claim: a process that slept since then disturbs nobody who has a later one.
        await engine.run(run.id, run.phase, attempt=run.attempt)
    except OtherFlow:
        # Begun by another version of andon: the phase begins anew, from its checkpoint.
        await engine.forget(run.id)
        await engine.run(run.id, run.phase, attempt=run.attempt)


def _to_stop(db: Database, worker: str) -> list[str]:
    sql = "SELECT id FROM runs WHERE worker = ? AND status = 'running' AND wanted = 'stop'"
    return [row["id"] for row in db.read(sql, (worker,))]


def _decline(db: Database, run: Run, worker: str) -> None:
    [row] = db.read(f"SELECT {db.now} AS now")
    runs.put_back(db, run.id, worker, not_before=float(row["now"]) + EVERY, message=run.message)

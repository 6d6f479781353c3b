"""One phase that a worker works on: begun, perhaps stopped, and put away whatever ended it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from andon.guardrails.redact import without_secrets
from andon.line.db import lanes, runs
from andon.line.db.database import Database, DatabaseGone
from andon.line.db.runs import Fenced, Run
from andon.line.durable.giving_up import give_up
from andon.line.durable.reach import Reach
from andon.line.durable.task_status import note_ends
from andon.records.errors import RunError
from andon.records.stops import StopCode

if TYPE_CHECKING:
    from andon.line.engine import JournalledSteps

ATTEMPTS = 5
"""A phase that fails for no reason of its own as often as this ends its run."""
_FIRST_DELAY = 2.0
_LONGEST_DELAY = 60.0


class Phases(Protocol):
    """What carries out one phase of a run; the real one is `line.phase.Phases`."""

    leaving: bool
    """True: a phase that is cancelled now concludes nothing, its run goes on elsewhere."""

    async def begin(self, run: Run) -> bool:
        """Begin a run that nothing is stored of, before the engine stands that will keep its steps.

        True: `body` goes on with it, and needs no journal yet. False: nothing was begun, the journal comes first.

        Raises:
            UserError: as `body` would find it.
        """
        ...

    async def drop(self, run: Run) -> None:
        """Undo `begin`: the phase is not carried out here. Nothing if there was none."""
        ...

    async def body(self, run_id: str, phase: int, steps: "JournalledSteps") -> dict[str, Any]:
        """Carry out the phase; the rows say how it ended before this returns."""
        ...


class PhaseTask:
    """A phase at work in this process. Its run's row is this worker's until `wait` has returned."""

    def __init__(self, run: Run, work: Callable[["PhaseTask"], Awaitable[Any]]) -> None:
        """`work` carries out the phase, begins now, and calls `enter` where the phase itself begins."""
        self.run = run
        self.entered = False
        """Whether the phase itself has begun: from then on it can end its run."""
        self._left = False
        self._told = False
        self._work = asyncio.ensure_future(work(self))

    def enter(self) -> None:
        """Say that the phase itself begins; one that is to stop is cancelled at its first wait."""
        self.entered = True
        if self._told:
            self._work.cancel()

    def stop(self) -> None:
        """Have the phase end its run as interrupted; telling it again changes nothing."""
        if not self._told:
            self._told = True
            if self.entered:
                self._work.cancel()

    def leave(self) -> None:
        """Have the phase stop where it is; its run goes back into the queue. One that is to stop ends all the same."""
        if not self._left and not (self._told and self.entered):
            self._work.cancel()
        self._left = True

    async def wait(self, db: Database, worker: str, reach: Reach) -> Run | None:
        """Return the run's row once the phase is over and the row is nobody's or ended; None if another has the run.

        An end is counted in its lane, and noted where the run was queued.

        Raises:
            DatabaseGone: it went away and nobody has the time to wait: the others find the run by this one's silence.
        """
        await asyncio.wait({self._work})
        error = None if self._work.cancelled() else self._work.exception()
        try:
            return await reach(self._put_away, db, worker, error)
        except Fenced:
            return None

    def _put_away(self, db: Database, worker: str, error: BaseException | None) -> Run | None:
        run = runs.get(db, self.run.id)
        if run.worker not in (worker, None):
            return None
        if run.status == "running":
            self._let_go(db, run, worker, error)
            run = runs.get(db, run.id)
        if run.status == "ended":
            # Whoever ended it. Both may be done twice, as after a database that went away in between.
            lanes.note_end(db, run, run.options.halt_after)
            note_ends(db)
        return run

    def _let_go(self, db: Database, run: Run, worker: str, error: BaseException | None) -> None:
        if self._left or self._work.cancelled():
            runs.put_back(db, run.id, worker, not_before=0.0, message="its worker left")
        elif _no_fault(error) or (run.attempt < ATTEMPTS and not isinstance(error, RunError)):
            runs.put_back(db, run.id, worker, not_before=_later(db, run.attempt), message=_why(error))
        else:
            give_up(db, run, worker, error)


def _later(db: Database, attempt: int) -> float:
    """Return when a run may be begun again, by the database's clock."""
    [row] = db.read(f"SELECT {db.now} AS now")
    delay = min(_FIRST_DELAY * 2.0 ** max(attempt - 1, 0), _LONGEST_DELAY)
    return float(row["now"]) + delay


def _no_fault(error: BaseException | None) -> bool:
    """Say whether the phase failed because the database was away or another worker had its journal."""
    away = isinstance(error, RunError) and error.code is StopCode.DATABASE_GONE
    return away or isinstance(error, DatabaseGone | Fenced)


def _why(error: BaseException | None) -> str:
    if error is None:
        return "the phase was over and its run was not"
    return without_secrets(f"the phase failed, it is begun again: {type(error).__name__}: {error}")

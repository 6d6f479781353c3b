"""Phases that were begun before the engine stood that keeps their steps."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from andon.line.db.runs import Fenced, Run
from andon.line.durable.coming_engine import ComingEngine
from andon.line.durable.early_steps import EarlySteps
from andon.line.durable.phase_task import Phases
from andon.line.uninterrupted import uninterrupted
from andon.records.errors import RunError
from andon.records.stops import StopCode

if TYPE_CHECKING:
    from andon.line.engine import Engine, JournalledSteps

_END = 2.0
"""Seconds in which the engine lets a phase go that is over; one whose database is away would take minutes."""


class EarlyPhases:
    """Those of one worker."""

    def __init__(self, phases: Phases, run_in: Callable[["Engine", Run], Awaitable[None]]) -> None:
        """`run_in` has an engine carry out the run's phase, whose body is to call `join`."""
        self._phases = phases
        self._run_in = run_in
        self._steps: dict[str, EarlySteps] = {}

    async def carry_out(self, run: Run, coming: ComingEngine) -> None:
        """Carry out the phase that `Phases.begin` has begun; its steps are kept once the engine stands.

        Raises:
            Fenced: another worker has the run, or the engine let the phase go.
            CancelledError: the engine could not be launched; or as the phase itself.
            BaseException: why the engine could not begin the phase, where that is no fault of its run.
        """
        steps = self._steps[run.id] = EarlySteps(coming.need_soon)
        joining = asyncio.ensure_future(self._engine_for(run, steps, coming))
        try:
            await self._phases.body(run.id, run.phase, steps)
        except Fenced as error:
            if joining.done() and (cause := joining.result()):
                raise cause from error
            raise
        finally:
            steps.over.set_result(None)
            joining.cancel()
            await uninterrupted(asyncio.wait({joining}, timeout=_END))
            del self._steps[run.id]

    async def join(self, run_id: str, steps: "JournalledSteps") -> bool:
        """Give the phase of a run the engine's journal and return when it is over; False: it was not begun here."""
        if (early := self._steps.get(run_id)) is None:
            return False
        await early.join(steps)
        return True

    async def _engine_for(self, run: Run, steps: EarlySteps, coming: ComingEngine) -> BaseException | None:
        """Return why the engine could not begin the phase, if another attempt may find it better."""
        engine = await coming.come(steps.over)
        if steps.over.done():
            return None
        if engine is None:
            steps.leave()
            return None
        try:
            await self._run_in(engine, run)
        except asyncio.CancelledError:
            steps.fail(Fenced(f"the engine let run {run.id} go"))
        except BaseException as error:  # noqa: BLE001 - DBOS has such; the phase goes on and is told by its next step
            if isinstance(error, Fenced) or (isinstance(error, RunError) and error.code is not StopCode.DATABASE_GONE):
                steps.fail(error)
                return None
            # As if it were another's: nothing must be concluded of a run that is to be begun again.
            steps.fail(Fenced(run.id))
            return error
        return None

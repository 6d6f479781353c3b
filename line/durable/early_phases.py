"""Phases that were begun before the engine stood that keeps their steps."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from andon.line.db.runs import Run
from andon.line.durable.coming_engine import ComingEngine
from andon.line.durable.early_steps import EarlySteps
from andon.line.durable.phase_task import Phases
from andon.line.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from andon.line.engine import Engine, JournalledSteps


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
            Fenced: another worker has the run.
            CancelledError: the engine could not be launched; or as the phase itself.
        """
        steps = self._steps[run.id] = EarlySteps(coming.need_soon)
        joining = asyncio.ensure_future(self._engine_for(run, steps, coming))
        try:
            await self._phases.body(run.id, run.phase, steps)
        finally:
            steps.over.set_result(None)
            await uninterrupted(asyncio.wait({joining}))
            del self._steps[run.id]

    async def join(self, run_id: str, steps: "JournalledSteps") -> bool:
        """Give the phase of a run the engine's journal and return when it is over; False: it was not begun here."""
        if (early := self._steps.get(run_id)) is None:
            return False
        await early.join(steps)
        return True

    async def _engine_for(self, run: Run, steps: EarlySteps, coming: ComingEngine) -> None:
        engine = await coming.come(steps.over)
        if steps.over.done():
            return
        if engine is None:
            steps.leave()
            return
        try:
            await self._run_in(engine, run)
        except Exception as error:  # noqa: BLE001 - whatever it is, the phase goes on and is told by its next step
            steps.fail(error)

"""The first steps of a run that nothing is kept of, made while the engine that will keep them is still on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from andon.line.db.rows import Fenced
from andon.line.durable.journal import Journal, JournalledSteps, Keep
from andon.line.durable.journal_reach import to_its_end
from andon.records.errors import RunError

T = TypeVar("T")

FREE = frozenset({"attended", "sandbox", "check"})
"""Names of the steps a run begins with that cost nothing but time and change nothing outside: a run whose process dies
before they are kept makes them again."""


class EarlySteps(JournalledSteps):
    """Steps without a journal yet: what they came to is kept in their order once there is one.

    A step of `FREE` returns without waiting for that. Any other returns when it and all before it are kept, so that a
    run whose process dies earlier had no more than one answer in flight.
    """

    def __init__(self, needed: Callable[[], None]) -> None:
        """`needed` is called when a step begins at whose end the journal must be there."""
        super().__init__(Journal([]), self._keep_in_turn, again=False)
        self._needed = needed
        self._entries: list[tuple[str, dict[str, Any]]] = []
        self._turn = asyncio.Lock()
        self._journal_keeps: asyncio.Future[Keep] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the phase is over; whoever carries it out sets it."""

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        """See `JournalledSteps.step`, and the class for when it is kept.

        Where it is known that nothing can be kept any more it does not begin.
        """
        if not self._sealed:
            self._check_kept()
        if name in FREE or self._sealed or self._journal_keeps.done():
            return await super().step(name, key, run, of)
        self._needed()

        async def told() -> T:
            # Whoever goes on after this process sees nothing else of it.
            if self._flush is not None:
                await self._flush()
            return await run()

        return await super().step(name, key, told, of)

    async def join(self, steps: JournalledSteps) -> None:
        """Keep as `steps` does from now on, beginning with what was made before; return when the phase is over.

        Raises:
            Fenced: something had been kept of the phase; the phase is told at its next step.
        """
        if not steps.blank:
            raise Fenced("a phase that was begun as its run's first had been begun before")
        self._journal_keeps.set_result(steps.keep)
        try:
            await self._all_kept()
        except (Fenced, RunError) as error:
            # The phase comes upon it at its next step.
            self.fail(error)
        await asyncio.shield(self.over)

    def fail(self, error: Fenced | RunError) -> None:
        """Have every step from now on fail with `error`: there is no journal for this phase, or no more."""
        if self._journal_keeps.done():
            if self._journal_keeps.cancelled() or self._journal_keeps.exception():
                return
            self._journal_keeps = asyncio.get_running_loop().create_future()
        self._journal_keeps.set_exception(error)
        # A phase that makes no further step asks for it no more, which is nothing to report.
        self._journal_keeps.exception()

    def leave(self) -> None:
        """Have every step from now on be cancelled: the phase is carried out elsewhere."""
        self._journal_keeps.cancel()

    def _check_kept(self) -> None:
        if not self._journal_keeps.done():
            return
        try:
            self._journal_keeps.result()
        except (RunError, asyncio.CancelledError):
            self.seal()
            raise

    async def _keep_in_turn(self, step: str, entry: dict[str, Any]) -> None:
        self._entries.append((step, entry))
        if step.partition(":")[0] not in FREE or self._journal_keeps.done():
            await to_its_end(self._all_kept())

    async def _all_kept(self) -> None:
        keep = await asyncio.shield(self._journal_keeps)
        async with self._turn:
            while self._entries:
                await keep(*self._entries[0])
                del self._entries[0]

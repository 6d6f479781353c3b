"""The engine of a worker, loaded when it is needed: that takes a second, in which nothing else of a process runs."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from andon.line.durable.loading import load

if TYPE_CHECKING:
    from andon.line.engine import Body, Engine

_SPARED = 5.0
"""Seconds after which it is loaded although nobody needs it yet, as while the checks of a base take their time."""
_REQUEST = 0.1
"""Seconds in which a request to a model is on its way once its step has begun; loading would hold it up."""


class ComingEngine:
    """An engine on its way from the beginning; a worker has one."""

    def __init__(self, url: str, worker: str, body: "Body", failed: Callable[[], None]) -> None:
        """See `Engine.launch`; `failed` is called once it cannot be launched."""
        self._needed = asyncio.Event()
        self.engine: Engine | None = None
        """It, once it stands."""
        self._launching = asyncio.ensure_future(self._launched(url, worker, body, failed))

    @property
    def spared(self) -> bool:
        """True while nobody needs it."""
        return not self._needed.is_set()

    @property
    def failure(self) -> BaseException | None:
        """Why it could not be launched."""
        ended = self._launching.done() and not self._launching.cancelled()
        return self._launching.exception() if ended else None

    def need(self) -> None:
        """Load it now."""
        self._needed.set()

    def need_soon(self) -> None:
        """Load it as soon as a request that is about to be made is out."""
        asyncio.get_running_loop().call_later(_REQUEST, self._needed.set)

    async def come(self, sooner: "asyncio.Future[None] | None" = None) -> "Engine | None":
        """Return it once it stands; None if it could not be launched, or if `sooner` was done before."""
        await asyncio.wait({self._launching, *([sooner] if sooner else [])}, return_when=asyncio.FIRST_COMPLETED)
        return self.engine

    async def close(self) -> None:
        """Close it, or see that it never comes."""
        if self.spared:
            self._launching.cancel()
        await asyncio.wait({self._launching})
        if self.engine is not None:
            await self.engine.close()

    async def _launched(self, url: str, worker: str, body: "Body", failed: Callable[[], None]) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._needed.wait(), _SPARED)
        self._needed.set()
        try:
            await asyncio.to_thread(load, "andon.line.engine")
            from andon.line.engine import Engine

            self.engine = await Engine.launch(url, worker=worker, body=body)
        except BaseException:
            failed()
            raise

"""Work that a cancelled run still does to its end: starting what must be closed, and cleaning up."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def uninterrupted(work: Awaitable[T]) -> T:
    """Return what `work` returns, or raise what it raises, however often the caller is cancelled meanwhile.

    Those cancellations are dropped: what comes after `work` in the caller must be bounded.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


async def interrupted_later(work: Awaitable[T]) -> T:
    """Return what `work` returns; a cancellation meanwhile reaches the caller's task where it waits next.

    For the beginning of what ends by itself when it is cancelled, once it stands.
    """
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and (current := asyncio.current_task()):
        current.cancel()
    return task.result()

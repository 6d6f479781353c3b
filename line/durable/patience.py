"""Database work from a run: off the event loop, and tried again while the database is away for a moment."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from andon.line.db.database import DatabaseGone
from andon.records.errors import RunError
from andon.records.stops import StopCode

T = TypeVar("T")

GIVE_UP = 60.0
"""Seconds without the database after which a run ends."""
_FIRST, _LONGEST = 0.1, 2.0


async def patiently(work: Callable[[], T], *, give_up: float = GIVE_UP) -> T:
    """Return what `work` returns; while the database cannot be reached it is tried again, so it must bear repetition.

    Raises:
        RunError: `database-gone` after `give_up` seconds.
    """
    began, wait = time.monotonic(), _FIRST
    while True:
        try:
            return await asyncio.to_thread(work)
        except DatabaseGone as error:
            if time.monotonic() - began > give_up:
                raise RunError(StopCode.DATABASE_GONE, str(error)) from error
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST)

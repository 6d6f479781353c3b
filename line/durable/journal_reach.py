"""How the engine waits for its database: a step that has ended does not run again because it was not kept at once."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from andon.records.errors import RunError
from andon.records.stops import StopCode

PATIENCE = 60.0
"""Seconds until a database that is gone is given up."""
_LONGEST_PAUSE = 1.0
_GONE = {"OperationalError", "InterfaceError", "TimeoutError"}
_DISK_WORDS = ("database or disk is full", "disk I/O error", "readonly database", "No space left on device")
T = TypeVar("T")


async def reaching(call: Callable[[], Awaitable[T]]) -> T:
    """Return what `call` returns, asking again while the database is gone.

    Raises:
        RunError: `database-gone` after `PATIENCE`, `disk-failed` at once.
    """
    clock = asyncio.get_running_loop().time
    until, pause = clock() + PATIENCE, 0.05
    while True:
        try:
            return await call()
        except Exception as error:
            if not of_the_database(error):
                raise
            if any(words in str(error) for words in _DISK_WORDS):
                raise RunError(StopCode.DISK_FAILED, f"The journal cannot be written: {first_line(error)}.") from error
            if clock() + pause > until:
                text = f"The engine's database has been gone for {PATIENCE:.0f} seconds: {first_line(error)}."
                raise RunError(StopCode.DATABASE_GONE, text) from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def of_the_database(error: Exception) -> bool:
    """Say whether the database failed, and not what was asked of it."""
    # By name: SQLAlchemy is the affair of DBOS and not loaded here.
    kinds = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
    gone = any(("sqlalchemy.exc", name) in kinds for name in _GONE)
    return gone or getattr(error, "connection_invalidated", False) or isinstance(error, sqlite3.OperationalError)


def first_line(error: Exception) -> str:
    """Return what the database said, without the statement."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


async def to_its_end(work: Awaitable[T]) -> T:
    """Return what `work` returns; a caller who is cancelled meanwhile learns of it when `work` has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        raise

"""A worker's way to the database: one thread, so one connection, and patience while the database is away."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from andon.line.db.database import DatabaseGone

T = TypeVar("T")

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 5.0


class Reach:
    """Calls functions that ask the database. While it is gone a call waits, tries again, and says so once."""

    def __init__(self, gone: Callable[[str], None], back: Callable[[], None]) -> None:
        """`gone` is told once what is wrong when the database goes away, `back` is called when it answers again."""
        self._gone = gone
        self._back = back
        self._away = False
        self._hurry = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "andon-reach")

    async def __call__(self, query: Callable[..., T], *arguments: Any) -> T:
        """Return what `query(*arguments)` returns.

        Raises:
            DatabaseGone: it went away, and nobody has the time to wait for it any more.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                answer = await asyncio.get_running_loop().run_in_executor(self._thread, query, *arguments)
            except DatabaseGone as error:
                if self._hurry.is_set():
                    raise
                self._say_gone(str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            if self._away:
                self._away = False
                self._back()
            return answer

    def _say_gone(self, why: str) -> None:
        if not self._away:
            self._away = True
            self._gone(why)

    def hurry(self) -> None:
        """Wait no longer for a database that is away: from now on a call tries once more and raises."""
        self._hurry.set()

    def close(self) -> None:
        """Give the thread back; what it still does is not waited for."""
        self._thread.shutdown(wait=False)

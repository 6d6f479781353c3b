"""Something long run to its end in this process: signals stop it politely, and how a run ended is printed whole."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

from andon.cli.endings import catch_signals, flush_streams, print_document
from andon.cli.progress import print_ending
from andon.records.result import RunResult

T = TypeVar("T")


def finish(result: RunResult, root: Path, *, as_json: bool) -> int:
    """Print how a run ended, for people or as the one JSON document, and return its exit code.

    The code is the run's also where nobody reads: a closed stdout or stderr takes nothing back.
    """
    with suppress(OSError):
        print_ending(result, root, sys.stderr if as_json else sys.stdout)
    if as_json:
        print_document(result)
    flush_streams()
    return result.exit_code


def _tell(text: str) -> None:
    print(f"andon: {text}", file=sys.stderr, flush=True)


def run_to_end(make: Callable[[], Awaitable[T]], *, tell: Callable[[str], None] = _tell) -> T:
    """Run to a result; the first Ctrl-C, SIGTERM or hang-up cancels the run, which ends with its report.

    Further ones change nothing: what is being kept and removed is short. They are still taken care of when this has
    returned, so that the result is printed whole. `tell` says a sentence of andon's own to the person.
    """

    async def body() -> T:
        task = asyncio.ensure_future(make())
        catch_signals(_Stopping(asyncio.get_running_loop(), task, tell))
        return await task

    return asyncio.run(body())


class _Stopping:
    """The handler of the signals that end a run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: "asyncio.Future[T]", tell: Callable[[str], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._task = task
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A closed loop has nothing left to cancel.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._asked or self._task.done():
            return
        self._asked = True
        with suppress(OSError):
            self._tell("stopping, keeping the tree and the report …")
        self._task.cancel()

"""What a check of `andon doctor` is, and how one is made: bounded in time, and never more than a finding."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, cast

from andon.line.doctor.ground import Ground, NotHere
from andon.records.doctor import CheckResult, Severity
from andon.records.errors import RunError, UserError
from andon.records.stops import MEANINGS

T = TypeVar("T")

_THREAD = "andon-doctor"

LIMIT = 10.0
"""Seconds a check may take."""


class Finding(NamedTuple):
    """What a check found; see `CheckResult`."""

    severity: Severity
    found: str
    remedy: str = ""
    outcome: str = ""


Look = Callable[[Ground], Finding] | Callable[[Ground], Awaitable[Finding]]


@dataclass(frozen=True)
class Check:
    """One check. Those of one group are made one after another, groups at once."""

    id: str
    """Stable, in parts from general to special."""
    did: str
    """What it does, for people."""
    look: Look
    """Does it. What it raises of andon's own errors is an error found; `NotHere` says why it was not made."""
    limit: float = LIMIT
    """Seconds it may take."""
    beside: str = ""
    """Its group, where that is not the first part of its id."""

    @property
    def group(self) -> str:
        """What it is made together with."""
        return self.beside or self.id.partition(".")[0]


async def make(check: Check, ground: Ground) -> CheckResult:
    """Make one check and return what it found; nothing but the end of this process stops it from returning."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(check.limit):
            finding = await _look(check.look, ground)
    except TimeoutError:
        finding = Finding("error", f"no answer within {check.limit:.0f} s", "try again on a less busy machine")
    except NotHere as why:
        finding = Finding("skipped", str(why))
    except UserError as error:
        # The text says the next step itself; this one shows whether it was enough.
        finding = Finding("error", str(error), f"mend that, then: andon doctor {check.id}")
    except RunError as error:
        finding = Finding("error", str(error), MEANINGS[error.code].remedy, error.code.value)
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others found
        finding = Finding("error", f"the check itself failed: {type(error).__name__}: {error}", "report this")
    seconds = round(time.monotonic() - begun, 3)
    return CheckResult(id=check.id, did=check.did, seconds=seconds, **finding._asdict())


async def in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread that is left behind where the caller is cancelled: what hangs in the kernel stays there.

    `asyncio.to_thread` would make the end of the process wait for it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result: T | None = None
        problem: BaseException | None = None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            problem = error
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, daemon=True, name=_THREAD).start()
    return await done


def finish_threads(seconds: float) -> None:
    """Wait for threads that nobody waits for any more, so that they remove what they made; at most `seconds`."""
    until = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name == _THREAD:
            thread.join(max(0.0, until - time.monotonic()))


async def _look(look: Look, ground: Ground) -> Finding:
    if inspect.iscoroutinefunction(look):
        return cast("Finding", await look(ground))
    return await in_thread(lambda: cast("Finding", look(ground)))

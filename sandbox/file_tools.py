"""Read, write and resolve files inside, by programs of the system: what both tiers promise in the same words."""

import errno
import os
from collections.abc import Awaitable, Callable, Sequence

from andon.sandbox import inside, restoring
from andon.sandbox.protocol import Entry, Finished

Run = Callable[..., Awaitable[Finished]]
"""`Sandbox.run` of a tier."""

_TIME_LIMIT = 60.0
# The system's own tools: no program of a toolchain or workspace may stand in for them.
_ENV = {"PATH": "/usr/bin:/bin"}


async def resolve(run: Run, path: str) -> str:
    """See `Sandbox.resolve`."""
    output = await _file_tool(run, path, inside.resolve(path))
    return os.fsdecode(output.removesuffix(b"\0"))


async def read(run: Run, path: str, limit: int) -> bytes:
    """See `Sandbox.read`."""
    return await _file_tool(run, path, inside.read(path, limit), output_cap=limit)


async def write(run: Run, path: str, content: bytes, expected: str) -> None:
    """See `Sandbox.write`."""
    await _file_tool(run, path, inside.write(path, expected), stdin=content)


async def restore(run: Run, entries: Sequence[Entry | bytes]) -> None:
    """See `Sandbox.restore`."""
    words_size, fed = restoring.fed(entries)
    done = await run(restoring.command(words_size), env=_ENV, stdin=fed, time_limit=_TIME_LIMIT, output_cap=4000)
    if done.exit_code != 0:
        full = b"No space left" in done.output
        raise restoring.failed(OSError(errno.ENOSPC if full else errno.EIO, words(done.output)))


def words(output: bytes) -> str:
    """Return what a program said, for people."""
    return output.decode("utf-8", "backslashreplace").strip() or "it said nothing"


def not_run(problem: str) -> Finished:
    """Return how a command ends that nothing can run."""
    return Finished(126, f"andon: not run: {problem}\n".encode(), 0, 0.0)


async def _file_tool(run: Run, path: str, argv: list[str], *, stdin: bytes = b"", output_cap: int = 20_000) -> bytes:
    done = await run(argv, env=_ENV, stdin=stdin, time_limit=_TIME_LIMIT, output_cap=output_cap)
    if done.exit_code == 0:
        return done.output
    number = errno.ETIMEDOUT if done.timed_out else inside.ERRNO_BY_EXIT.get(done.exit_code, errno.EIO)
    said = number in (errno.EACCES, errno.EIO) and done.output
    raise OSError(number, words(done.output) if said else os.strerror(number), path)

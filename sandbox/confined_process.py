"""One bwrap process from start to end: its output, its time limit, and the death of everything it started."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.capped_output import CappedOutput

_DEATH_LIMIT = 10.0
"""Seconds a killed process may take to be gone."""


@dataclass(frozen=True)
class Ended:
    """How a bwrap process ended."""

    exit_code: int | None
    """Of the command inside; None where bwrap failed or was killed before it could tell."""
    output: bytes
    """stdout and stderr of bwrap and the command, the middle left out."""
    dropped: int
    """Bytes left out."""
    timed_out: bool
    """True if the time limit ended it."""


class ConfinedProcess:
    """One bwrap around one command. `run` is awaited once."""

    def __init__(
        self, bwrap: str, options: Sequence[str], argv: Sequence[str], *, stdin: bytes, output_cap: int
    ) -> None:
        self._bwrap = bwrap
        self._options = options
        self._argv = argv
        self._stdin = stdin
        self._output = CappedOutput(output_cap)
        self._process: asyncio.subprocess.Process | None = None
        self._namespace_init: int | None = None
        self._exit_code: int | None = None
        self._killed = False

    def kill(self) -> None:
        """Begin to end every process of it; `run` returns when they are gone."""
        self._killed = True
        # Not bwrap itself: a child that is not yet bound to its parent's death would be left behind.
        if self._namespace_init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._namespace_init, signal.SIGKILL)

    async def run(self, time_limit: float) -> Ended:
        """Run to the end or for `time_limit` seconds, and return when no process of it is alive, also when cancelled.

        Raises:
            OSError: the program or its arguments cannot be given to the kernel.
            RunError: with `sandbox-lost` if its processes do not go away.
        """
        # A task of its own: a cancelled start would leave a process behind that nobody holds.
        life = asyncio.ensure_future(self._live())
        timed_out = False
        try:
            await asyncio.wait({life}, timeout=time_limit)
            timed_out = not life.done()
        finally:
            if not life.done():
                self.kill()
                await self._death(life)
        life.result()
        kept, dropped = self._output.result()
        return Ended(self._exit_code, kept, dropped, timed_out)

    async def _live(self) -> None:
        told, telling = os.pipe()
        try:
            process = self._process = await self._spawn(telling)
            status = await _reader(told)
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(telling)
        try:
            await asyncio.gather(
                self._feed(process), self._collect(process), self._outlive(process), self._follow(status)
            )
            await self._namespace_gone()
        finally:
            if self._namespace_init is not None:
                os.close(self._namespace_init)
                self._namespace_init = None

    async def _spawn(self, telling: int) -> asyncio.subprocess.Process:
        # Options in a file and an empty environment: inside, both can be read under /proc/1.
        options_fd = os.memfd_create("bwrap-options")
        try:
            _fill(options_fd, "".join(f"{option}\0" for option in ("--json-status-fd", str(telling), *self._options)))
            return await asyncio.create_subprocess_exec(
                self._bwrap, "--args", str(options_fd), "--", *self._argv,
                stdin=asyncio.subprocess.PIPE if self._stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                pass_fds=(telling, options_fd), env={}, cwd="/", process_group=0,
            )  # fmt: skip
        finally:
            os.close(options_fd)

    async def _namespace_gone(self) -> None:
        if self._namespace_init is None:
            return
        try:
            async with asyncio.timeout(_DEATH_LIMIT):
                await _readable(self._namespace_init)
        except TimeoutError as error:
            raise RunError(StopCode.SANDBOX_LOST, "processes of the sandbox are still alive after its end") from error

    async def _death(self, life: asyncio.Future[None]) -> None:
        await asyncio.wait({life}, timeout=_DEATH_LIMIT)
        if not life.done():
            if self._process is not None:
                self._process.kill()
            raise RunError(
                StopCode.SANDBOX_LOST, f"the sandbox did not end within {_DEATH_LIMIT:.0f} s of being killed"
            )

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None:
            return
        # A command need not read its input.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(self._stdin)
            await process.stdin.drain()
        process.stdin.close()

    async def _collect(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            raise RuntimeError("bwrap was started without a pipe for its output")
        while chunk := await process.stdout.read(262144):
            self._output.add(chunk)

    async def _outlive(self, process: asyncio.subprocess.Process) -> None:
        # Not process.wait(): some versions of Python return from it only when the pipes are closed as well.
        await _ended(process.pid)
        # bwrap asks the kernel to end its child with it, but not from its first moment on; until it does, the child
        # is still in bwrap's process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self.kill()
        await process.wait()

    async def _follow(self, status: asyncio.StreamReader) -> None:
        async for line in status:
            report = json.loads(line)
            if "child-pid" in report:
                with contextlib.suppress(ProcessLookupError):
                    self._namespace_init = os.pidfd_open(report["child-pid"])
                if self._killed:
                    self.kill()
            self._exit_code = report.get("exit-code", self._exit_code)


def _fill(fd: int, text: str) -> None:
    with open(os.dup(fd), "wb") as file:
        file.write(os.fsencode(text))
    os.lseek(fd, 0, os.SEEK_SET)


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb", buffering=0))
    return reader


async def _ended(pid: int) -> None:
    """Return when our child `pid` has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await _readable(pidfd)
    finally:
        os.close(pidfd)


async def _readable(pidfd: int) -> None:
    """Return when the process of `pidfd` has ended; the first of a pid namespace ends after all others in it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)

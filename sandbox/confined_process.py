"""One bwrap process from start to end: its output, its time limit, and the death of everything it started."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import seccomp
from andon.sandbox.capped_output import CappedOutput

Talk = Callable[[asyncio.subprocess.Process], Awaitable[None]]

_DEATH_LIMIT = 10.0
"""Seconds a killed process may take to be gone."""


@dataclass(frozen=True)
class Ended:
    """How a bwrap process ended."""

    exit_code: int | None
    """Of the command inside; None where bwrap failed or was killed before it could tell."""
    timed_out: bool
    """True if the time limit ended it."""


class ConfinedProcess:
    """One bwrap around one command. `run` is awaited once."""

    def __init__(
        self, before: Sequence[str], options: Sequence[str], argv: Sequence[str], talk: Talk, *, stdin: int, stdout: int
    ) -> None:
        """`before` is the command line up to bwrap's options; the filter of system calls is added to these.

        `talk` reads stderr, and what else is a pipe, to the end. `stdin` and `stdout` are descriptors, or constants of
        asyncio.subprocess; stderr goes where stdout goes if that is a pipe, else into a pipe of its own.
        """
        self._before = before
        self._options = options
        self._argv = argv
        self._talk = talk
        self._stdin = stdin
        self._stdout = stdout
        self._process: asyncio.subprocess.Process | None = None
        self._namespace_init: int | None = None
        self._exit_code: int | None = None
        self._killed = False
        self._spawned = asyncio.Event()

    def kill(self) -> None:
        """Begin to end every process of it; `run` returns when they are gone."""
        self._killed = True
        # Not bwrap itself: a child that is not yet bound to its parent's death would be left behind.
        if self._namespace_init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._namespace_init, signal.SIGKILL)

    async def started(self) -> None:
        """Return when the descriptors it was given are no longer needed here."""
        await self._spawned.wait()

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
        return Ended(self._exit_code, timed_out)

    async def _live(self) -> None:
        told, telling = os.pipe()
        try:
            try:
                process = self._process = await self._spawn(telling)
            finally:
                self._spawned.set()
            status = await _reader(told)
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(telling)
        try:
            await asyncio.gather(self._talk(process), self._outlive(process), self._follow(status))
            await self._namespace_gone()
        finally:
            if self._namespace_init is not None:
                os.close(self._namespace_init)
                self._namespace_init = None

    async def _spawn(self, telling: int) -> asyncio.subprocess.Process:
        # Options in a file and an empty environment: inside, both can be read under /proc/1.
        options_fd, filter_fd = os.memfd_create("bwrap-options"), os.memfd_create("system-calls")
        try:
            options = ["--json-status-fd", str(telling), *self._options]
            if program := seccomp.bpf_program():
                _fill(filter_fd, program)
                options += ["--seccomp", str(filter_fd)]
            _fill(options_fd, os.fsencode("".join(f"{option}\0" for option in options)))
            pipe = asyncio.subprocess.PIPE
            return await asyncio.create_subprocess_exec(
                *self._before, "--args", str(options_fd), "--", *self._argv, stdin=self._stdin, stdout=self._stdout,
                stderr=asyncio.subprocess.STDOUT if self._stdout == pipe else pipe,
                pass_fds=(telling, options_fd, filter_fd), env={}, cwd="/", process_group=0,
            )  # fmt: skip
        finally:
            os.close(options_fd)
            os.close(filter_fd)

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


def feed_and_collect(stdin: bytes, output: CappedOutput) -> Talk:
    """Return the talk of a command that is given all its input at once."""

    async def feed(process: asyncio.subprocess.Process) -> None:
        if process.stdin is None:
            return
        # A command need not read its input.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(stdin)
            await process.stdin.drain()
        process.stdin.close()

    async def talk(process: asyncio.subprocess.Process) -> None:
        await asyncio.gather(feed(process), collect(process.stdout, output))

    return talk


async def collect(pipe: asyncio.StreamReader | None, output: CappedOutput) -> None:
    """Put what comes out of `pipe` into `output`, to the end of it."""
    if pipe is None:
        raise RuntimeError("bwrap was started without a pipe for its output")
    while chunk := await pipe.read(262144):
        output.add(chunk)


def _fill(fd: int, content: bytes) -> None:
    with open(os.dup(fd), "wb") as file:
        file.write(content)
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

"""A worker in one bwrap that lives as long as the sandbox: the workspace is in its memory."""

import asyncio
import socket
from collections.abc import Sequence

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import worker_code
from andon.sandbox.bubblewrap import BWRAP_REMEDY, LIMITS, find_bwrap, limits_without, notes
from andon.sandbox.bwrap_devices import before_bwrap
from andon.sandbox.bwrap_options import Layout, worker_options
from andon.sandbox.capped_output import CappedOutput
from andon.sandbox.cgroup import Group, NoGroup, make_group
from andon.sandbox.confined_process import ConfinedProcess, Ended, collect
from andon.sandbox.file_tools import words
from andon.sandbox.ground import Ground, NoInterpreter
from andon.sandbox.private_folders import make_private_folder
from andon.sandbox.remove import remove_tree
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.worker_sandbox import WorkerSandbox

_GREETING_LIMIT = 30.0
_FOREVER = 10.0 * 365 * 24 * 3600


class BwrapLine:
    """Implements `Line`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self, layout: Layout, group: Group | None) -> None:
        self._layout = layout
        self._group = group
        self._kills = 0
        self._said = CappedOutput(4000)
        self._process: ConfinedProcess | None = None
        self._life: asyncio.Future[Ended] | None = None
        self._ending = asyncio.Lock()
        self._ended = False

    async def start(self, bwrap: str, toolchain: Toolchain, kept: Sequence[str]) -> None:
        """Start bwrap with the worker in it. `kept` are names at the workspace's top that are shown read-only."""
        ours, theirs = socket.socketpair()
        try:
            self.reader, self.writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
            options = worker_options(self._layout, toolchain, kept)
            joining = self._group.join_command() if self._group else []
            before = [*joining, *before_bwrap(self._layout.devices), bwrap]
            self._process = ConfinedProcess(
                before, options, worker_code.COMMAND, self._listen, stdin=theirs.fileno(), stdout=theirs.fileno()
            )
            self._life = asyncio.ensure_future(self._process.run(_FOREVER))
            await self._process.started()
        finally:
            theirs.close()

    async def end(self) -> None:
        """See `Line.end`."""
        async with self._ending:
            if self._ended:
                return
            if self._process is not None and self._life is not None:
                self._process.kill()
                self.writer.close()
                await asyncio.wait({self._life})
                if not self._life.cancelled():
                    self._life.exception()
            if self._group is not None:
                await asyncio.to_thread(self._group.remove)
            await asyncio.to_thread(remove_tree, self._layout.home)
            self._ended = True

    async def cause(self) -> RunError | None:
        """See `Line.cause`."""
        if await self.out_of_memory():
            return RunError(
                StopCode.SANDBOX_MEMORY,
                f"the sandbox is gone: it ran out of memory ({LIMITS.memory >> 30} GiB for processes and files)",
            )
        said = self._said.result()[0]
        if not said:
            return None
        return RunError(StopCode.WORKER_DEAD, f"the sandbox is gone: {words(said)}")

    async def out_of_memory(self) -> bool:
        """See `Line.out_of_memory`."""
        if self._group is None:
            return False
        before, self._kills = self._kills, await asyncio.to_thread(self._group.memory_kills)
        return self._kills > before

    def said(self) -> str:
        """Return what bwrap and the worker said besides frames, for people."""
        return words(self._said.result()[0])

    async def exit_code(self) -> int | None:
        """Wait for the end and return the exit code of the worker; None where there is none."""
        if self._life is None:
            return None
        await asyncio.wait({self._life})
        return self._life.result().exit_code

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        await collect(process.stderr, self._said)


async def start_bwrap_worker(ground: Ground) -> WorkerSandbox:
    """Return a filled sandbox of this tier.

    Raises:
        NoInterpreter: there is no Python in /usr.
        RunError: with `no-sandbox` and the remedy if bwrap is missing or does not work here; see `Ground.fill`.
    """
    bwrap = find_bwrap()
    layout = Layout(make_private_folder())
    making = asyncio.ensure_future(asyncio.to_thread(_make, ground, layout))
    line: BwrapLine | None = None
    try:
        kept, group = await asyncio.shield(making)
        line = BwrapLine(layout, group if isinstance(group, Group) else None)
        await line.start(bwrap, ground.toolchain, kept)
        sandbox = WorkerSandbox(
            line, "bubblewrap", notes(group, ground.toolchain), ground.toolchain, limits_without(group)
        )
        try:
            await sandbox.greet(_GREETING_LIMIT)
        except EOFError:
            if await line.exit_code() == worker_code.NO_PYTHON:
                raise NoInterpreter from None
            raise RunError(
                StopCode.NO_SANDBOX, f"bubblewrap cannot make a sandbox here ({line.said()}). {BWRAP_REMEDY}."
            ) from None
        await ground.fill(sandbox, kept)
        return sandbox
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(_unmake(making, line, layout)))
        raise


def _make(ground: Ground, layout: Layout) -> tuple[list[str], Group | NoGroup]:
    """Lay out what bwrap is shown, and make what its processes are limited by."""
    kept = ground.lay_out_kept(layout.kept)
    layout.furnish(ground.toolchain)
    return kept, make_group(LIMITS)


async def _unmake(
    making: asyncio.Future[tuple[list[str], Group | NoGroup]], line: BwrapLine | None, layout: Layout
) -> None:
    # A thread goes on although its caller was cancelled.
    await asyncio.wait({making})
    if line is None and making.exception() is None:
        group = making.result()[1]
        line = BwrapLine(layout, group if isinstance(group, Group) else None)
    if line is None:
        await asyncio.to_thread(remove_tree, layout.home)
    else:
        await line.end()

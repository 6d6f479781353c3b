"""The tier below Docker: one bwrap for every command, the workspace in a private host directory."""

import asyncio
import errno
import os
import shutil
import time
from asyncio import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import file_tools, inside
from andon.sandbox.bwrap_devices import before_bwrap, device_notes
from andon.sandbox.bwrap_options import Layout, bwrap_options
from andon.sandbox.capped_output import CappedOutput
from andon.sandbox.cgroup import Group, NoGroup, make_group
from andon.sandbox.confined_process import ConfinedProcess, Ended, feed_and_collect
from andon.sandbox.file_tools import not_run, words
from andon.sandbox.limits import Limits, fallback_limits
from andon.sandbox.protocol import Entry, Finished
from andon.sandbox.read_only import is_real, plain
from andon.sandbox.remove import remove_tree
from andon.sandbox.seccomp import bpf_program
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.walk import walk

LIMITS = Limits(memory=4 << 30, processes=1024)
"""Of all processes of a sandbox together, its files included where they are in memory."""

BWRAP_REMEDY = (
    "andon needs bubblewrap 0.8 or newer and user namespaces. On Ubuntu 24.04 and newer AppArmor restricts them: "
    "allow bwrap in an AppArmor profile, or set `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; "
    "inside a container, start that container with the right to make user namespaces"
)


class BubblewrapSandbox:
    """Implements `Sandbox`. Commands run one after another, so nothing changes the workspace while another looks."""

    tier = "bubblewrap"

    def __init__(self, home: Path, toolchain: Toolchain, read_only: Sequence[str]) -> None:
        self._bwrap = find_bwrap()
        self._layout = Layout(home)
        self._toolchain = toolchain
        # What is not there at the start stays writable, so that an agent's own invention can be undone.
        self._read_only = [path for path in map(plain, read_only) if is_real(self._layout.work, path)]
        self._lock = asyncio.Lock()
        self._process: ConfinedProcess | None = None
        self._lost: str | None = None
        group = make_group(LIMITS)
        self._group = group if isinstance(group, Group) else None
        self._limits = limits_without(group)
        self.notes: tuple[str, ...] = notes(group, toolchain)

    @classmethod
    async def start(cls, home: Path, toolchain: Toolchain, read_only: Sequence[str]) -> "BubblewrapSandbox":
        """Take over `home`, a private directory that holds the workspace as `work`, and prove that a command runs.

        Raises:
            RunError: with `no-sandbox` and the remedy if bwrap is missing or does not work here.
        """
        sandbox = cls(home, toolchain, read_only)
        try:
            await asyncio.to_thread(sandbox._layout.furnish, toolchain)
            output = CappedOutput(4000)
            ended = await sandbox._confine(inside.in_directory(".", ["true"]), {}, b"", 30.0, output)
            if ended.exit_code != 0:
                said = words(output.result()[0])
                raise RunError(StopCode.NO_SANDBOX, f"bubblewrap cannot make a sandbox here ({said}). {BWRAP_REMEDY}.")
        except BaseException:
            if sandbox._group is not None:
                await asyncio.to_thread(sandbox._group.remove)
            raise
        return sandbox

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        time_limit: float = 120.0,
        output_cap: int = 200_000,
    ) -> Finished:
        """See `Sandbox.run`. A `cwd` that does not exist ends with exit code 126, as does what cannot be executed."""
        if not argv:
            raise ValueError("argv is empty: there is nothing to run")
        if problem := inside.problem_of([cwd, *argv], env or {}):
            return not_run(problem)
        async with self._lock:
            self._check_alive()
            started = time.monotonic()
            output = CappedOutput(output_cap)
            try:
                ended = await self._confine(
                    inside.in_directory(cwd, argv, self._limits), env or {}, stdin, time_limit, output
                )
            except OSError as error:
                if error.errno == errno.E2BIG:
                    return not_run("the arguments are too long for the kernel")
                raise self._lose(f"bubblewrap cannot be started: {error}") from error
            self._check_alive()
            kept, dropped = output.result()
            if ended.timed_out:
                return Finished(124, kept, dropped, time.monotonic() - started, "time")
            if ended.exit_code is None:
                raise self._lose(f"bubblewrap ended without the command's exit code ({words(kept[-2000:])})")
            return Finished(ended.exit_code, kept, dropped, time.monotonic() - started)

    async def resolve(self, path: str) -> str:
        """See `Sandbox.resolve`."""
        return await file_tools.resolve(self.run, path)

    async def read(self, path: str, *, limit: int) -> bytes:
        """See `Sandbox.read`."""
        return await file_tools.read(self.run, path, limit)

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        """See `Sandbox.write`."""
        await file_tools.write(self.run, path, content, expected)

    async def entries(self) -> list[Entry]:
        """See `Sandbox.entries`.

        Raises:
            RunError: with `policy-refused` if the workspace is too large to be taken.
        """
        async with self._lock:
            self._check_alive()
            return await asyncio.to_thread(walk, self._layout.work)

    async def restore(self, entries: Sequence[Entry | bytes]) -> None:
        """See `Sandbox.restore`."""
        await file_tools.restore(self.run, entries)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        self._lost = self._lost or "it was closed"
        if self._process is not None:
            self._process.kill()
        async with self._lock:
            if self._group is not None:
                await asyncio.to_thread(self._group.remove)
            await asyncio.to_thread(remove_tree, self._layout.home)

    async def _confine(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, time_limit: float, output: CappedOutput
    ) -> Ended:
        options = bwrap_options(self._layout, self._toolchain, self._still_read_only(), env)
        joining = self._group.join_command() if self._group else []
        before = [*joining, *before_bwrap(self._layout.devices), self._bwrap]
        process = self._process = ConfinedProcess(
            before, options, argv, feed_and_collect(stdin, output),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            return await process.run(time_limit)
        except RunError as error:
            raise self._lose(str(error)) from error
        finally:
            self._process = None

    def _still_read_only(self) -> list[str]:
        for path in self._read_only:
            if not is_real(self._layout.work, path):
                raise self._lose(f"the read-only path {path!r} was moved away")
        return self._read_only

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise self._lose(self._lost)

    def _lose(self, reason: str) -> RunError:
        self._lost = reason
        return RunError(StopCode.SANDBOX_LOST, f"the sandbox is gone: {reason}")


def find_bwrap() -> str:
    """Return the path of bwrap.

    Raises:
        RunError: with `no-sandbox` if it is not installed.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise RunError(
            StopCode.NO_SANDBOX, "bubblewrap is not installed: install it (Debian, Ubuntu: apt-get install bubblewrap)."
        )
    return path


def notes(group: Group | NoGroup, toolchain: Toolchain) -> tuple[str, ...]:
    """Return what this tier does not promise here, for people."""
    promises = [
        "toolchain: the image's own, from its root file system"
        if toolchain.root
        else "foreign toolchain: /usr is the host's"
    ]
    if bpf_program() is None:
        promises.append("no filter of system calls: andon has none for this machine's architecture")
    return (*promises, *device_notes(), *group.notes)


def limits_without(group: Group | NoGroup) -> dict[str, int]:
    """Return the limits of each process, where there is no group also those that stand in for it."""
    return inside.LIMITS | ({} if isinstance(group, Group) else fallback_limits(LIMITS, os.geteuid()))

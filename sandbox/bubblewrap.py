"""The tier below Docker: one bwrap for every command, the workspace in a private host directory."""

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import file_tools, inside
from andon.sandbox.bwrap_options import Layout, bwrap_options
from andon.sandbox.confined_process import ConfinedProcess, Ended
from andon.sandbox.file_tools import not_run, words
from andon.sandbox.protocol import Entry, Finished
from andon.sandbox.read_only import is_real, plain
from andon.sandbox.remove import remove_tree
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.walk import walk

_LIMITS = inside.LIMITS | {"nproc": 4096}
"""Processes too: this tier has no other limit on them."""

_REMEDY = (
    "andon needs bubblewrap 0.8 or newer and user namespaces. On Ubuntu 24.04 and newer AppArmor restricts them: "
    "allow bwrap in an AppArmor profile, or set `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; "
    "inside a container, start that container with the right to make user namespaces"
)


class BubblewrapSandbox:
    """Implements `Sandbox`. Commands run one after another, so nothing changes the workspace while another looks."""

    tier = "bubblewrap"

    def __init__(self, home: Path, toolchain: Toolchain, read_only: Sequence[str]) -> None:
        self.notes: tuple[str, ...] = _notes()
        self._bwrap = find_bwrap()
        self._layout = Layout(home)
        self._toolchain = toolchain
        # What is not there at the start stays writable, so that an agent's own invention can be undone.
        self._read_only = [path for path in map(plain, read_only) if is_real(self._layout.work, path)]
        self._lock = asyncio.Lock()
        self._process: ConfinedProcess | None = None
        self._lost: str | None = None

    @classmethod
    async def start(cls, home: Path, toolchain: Toolchain, read_only: Sequence[str]) -> "BubblewrapSandbox":
        """Take over `home`, a private directory that holds the workspace as `work`, and prove that a command runs.

        Raises:
            RunError: with `no-sandbox` and the remedy if bwrap is missing or does not work here.
        """
        sandbox = cls(home, toolchain, read_only)
        await asyncio.to_thread(sandbox._layout.furnish, toolchain)
        ended = await sandbox._confine(inside.in_directory(".", ["true"]), {}, b"", 30.0, 4000)
        if ended.exit_code != 0:
            said = words(ended.output)
            raise RunError(StopCode.NO_SANDBOX, f"bubblewrap cannot make a sandbox here ({said}). {_REMEDY}.")
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
            try:
                ended = await self._confine(
                    inside.in_directory(cwd, argv, _LIMITS), env or {}, stdin, time_limit, output_cap
                )
            except OSError as error:
                if error.errno == errno.E2BIG:
                    return not_run("the arguments are too long for the kernel")
                raise self._lose(f"bubblewrap cannot be started: {error}") from error
            self._check_alive()
            if ended.timed_out:
                return Finished(124, ended.output, ended.dropped, True, time.monotonic() - started)
            if ended.exit_code is None:
                said = words(ended.output[-2000:])
                raise self._lose(f"bubblewrap ended without the command's exit code ({said})")
            return Finished(ended.exit_code, ended.output, ended.dropped, False, time.monotonic() - started)

    async def resolve(self, path: str) -> str:
        """See `Sandbox.resolve`."""
        return await file_tools.resolve(self.run, path)

    async def read(self, path: str, *, limit: int) -> bytes:
        """See `Sandbox.read`."""
        return await file_tools.read(self.run, path, limit)

    async def write(self, path: str, content: bytes) -> None:
        """See `Sandbox.write`."""
        await file_tools.write(self.run, path, content)

    async def entries(self) -> list[Entry]:
        """See `Sandbox.entries`.

        Raises:
            RunError: with `policy-refused` if the workspace is too large to be taken.
        """
        async with self._lock:
            self._check_alive()
            return await asyncio.to_thread(walk, self._layout.work)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        self._lost = self._lost or "it was closed"
        if self._process is not None:
            self._process.kill()
        async with self._lock:
            await asyncio.to_thread(remove_tree, self._layout.home)

    async def _confine(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, time_limit: float, output_cap: int
    ) -> Ended:
        options = bwrap_options(self._layout, self._toolchain, self._still_read_only(), env)
        process = self._process = ConfinedProcess(self._bwrap, options, argv, stdin=stdin, output_cap=output_cap)
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


def _notes() -> tuple[str, ...]:
    notes = ["foreign toolchain: /usr is the host's", "no seccomp filter", "no limit on memory or disk space"]
    # The kernel exempts the host's root from RLIMIT_NPROC, also in a user namespace.
    return (*notes, "no limit on processes, as andon runs as root") if os.geteuid() == 0 else tuple(notes)

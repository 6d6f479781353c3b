"""The Docker tier: one warm container a sandbox, the workspace in its memory, an exec for every command."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from docker import APIClient

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import docker_entries, docker_options, file_tools, inside
from andon.sandbox.capped_output import CappedOutput
from andon.sandbox.docker_exec import DockerExec, bytes_of
from andon.sandbox.docker_image import toolchain_for
from andon.sandbox.docker_layout import Place, fill_command, packed, places
from andon.sandbox.docker_options import KEEPER, MEMORY, USER
from andon.sandbox.docker_sweep import sweep
from andon.sandbox.engine import (
    ENGINE_ERRORS,
    connect,
    find_image,
    remove_container,
    remove_left_containers,
)
from andon.sandbox.environment import environment
from andon.sandbox.file_tools import not_run, words
from andon.sandbox.protocol import Entry, Finished
from andon.sandbox.toolchain import Toolchain

_FILL_LIMIT, _ENTRIES_LIMIT, _DEATH_LIMIT = 300.0, 300.0, 10.0
"""Seconds for the workspace to go in, to come out, and for killed processes to be gone."""


class DockerSandbox:
    """Implements `Sandbox`. Commands run one after another, so nothing changes the workspace while another looks."""

    tier = "docker"

    def __init__(self, api: APIClient, container: str, notes: tuple[str, ...], toolchain: Toolchain) -> None:
        self._toolchain = toolchain
        self.notes = notes
        self._api = api
        self._container = container
        self._lock = asyncio.Lock()
        self._lost: str | None = None

    @classmethod
    async def start(
        cls, home: Path, toolchain: Toolchain, read_only: Sequence[str], run_id: str = ""
    ) -> "DockerSandbox":
        """Start a container and fill it from `home`, a private directory that holds the workspace as `work`.

        `home` is not needed afterwards.

        Raises:
            RunError: with `no-sandbox` and the reason if no engine answers, it has no image, or it cannot do this.
        """
        making = asyncio.ensure_future(asyncio.to_thread(_make, home, toolchain, read_only, run_id))
        try:
            sandbox, to_fill = await asyncio.shield(making)
            for place in to_fill:
                await sandbox._fill(place)
        except BaseException:
            # A thread goes on although its caller was cancelled.
            await asyncio.wait({making})
            if making.exception() is None:
                await making.result()[0].close()
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
        return await self._command(argv, cwd, env or {}, stdin, time_limit, output_cap, swept=True)

    async def resolve(self, path: str) -> str:
        """See `Sandbox.resolve`."""
        return await file_tools.resolve(self._run_trusted, path)

    async def read(self, path: str, *, limit: int) -> bytes:
        """See `Sandbox.read`."""
        return await file_tools.read(self._run_trusted, path, limit)

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        """See `Sandbox.write`."""
        await file_tools.write(self._run_trusted, path, content, expected)

    async def entries(self) -> list[Entry]:
        """See `Sandbox.entries`.

        Raises:
            RunError: with `policy-refused` if the workspace is too large to be taken.
        """
        async with self._lock:
            self._check_alive()
            stream = docker_entries.EntryStream()
            env = {"PATH": "/usr/bin:/bin"}
            code, _ = await self._exec(
                docker_entries.COMMAND, env, bytes_of(b""), stream.take, _ENTRIES_LIMIT, swept=False
            )
            if code != 0:
                raise self._lose(f"the workspace could not be read (exit code {code})")
            try:
                return await asyncio.to_thread(stream.entries)
            except ValueError as error:
                raise self._lose(str(error)) from error

    async def restore(self, entries: Sequence[Entry | bytes]) -> None:
        """See `Sandbox.restore`."""
        await file_tools.restore(self._run_trusted, entries)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        self._lost = self._lost or "it was closed"
        # With the engine gone there is nothing to remove; what it still has is removed by the next start.
        with contextlib.suppress(*ENGINE_ERRORS):
            await asyncio.shield(asyncio.to_thread(remove_container, self._api, self._container))
        async with self._lock:
            self._api.close()

    async def _run_trusted(
        self, argv: Sequence[str], *, env: Mapping[str, str], stdin: bytes, time_limit: float, output_cap: int
    ) -> Finished:
        """Run a program of the system that starts no other; there is nothing to kill when it has ended."""
        return await self._command(argv, ".", env, stdin, time_limit, output_cap, swept=False)

    async def _command(
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        stdin: bytes,
        time_limit: float,
        output_cap: int,
        *,
        swept: bool,
    ) -> Finished:
        if problem := inside.problem_of([cwd, *argv], env):
            return not_run(problem)
        async with self._lock:
            self._check_alive()
            output = CappedOutput(output_cap)
            started = time.monotonic()
            command = inside.in_directory(cwd, argv)
            code, timed_out = await self._exec(command, env, bytes_of(stdin), output.add, time_limit, swept=swept)
            kept, dropped = output.result()
            return Finished(code, kept, dropped, time.monotonic() - started, "time" if timed_out else "")

    async def _fill(self, place: Place) -> None:
        output = CappedOutput(4000)
        code, timed_out = await self._exec(
            fill_command(place), {}, packed(place), output.add, _FILL_LIMIT, user=place.user, swept=False
        )
        if code != 0:
            why = "it took too long" if timed_out else words(output.result()[0])
            raise RunError(StopCode.NO_SANDBOX, f"the container cannot take the workspace's files: {why}")

    async def _exec(
        self,
        argv: Sequence[str],
        added: Mapping[str, str],
        feed: AsyncIterator[bytes],
        take: Callable[[bytes], None],
        time_limit: float,
        *,
        swept: bool,
        user: str = USER,
    ) -> tuple[int, bool]:
        """Run to the end or the time limit; return the exit code and whether it was the limit.

        `swept`: kill what is left of the command also where it ended by itself.
        """
        command = DockerExec(self._api, self._container, user, argv, environment(self._toolchain, added))
        life = asyncio.ensure_future(command.live(feed, take))
        ended = asyncio.ensure_future(command.ended())
        ended.add_done_callback(lambda done: done.cancelled() or done.exception())
        timed_out = False
        try:
            await asyncio.wait({life, ended}, timeout=time_limit, return_when=asyncio.FIRST_COMPLETED)
            timed_out = not life.done() and not ended.done()
        finally:
            ended.cancel()
            if swept or not life.done() or life.exception() is not None:
                # A task of its own: whoever is cancelled again must not leave a process behind.
                await asyncio.shield(asyncio.ensure_future(self._clear(command, life)))
        try:
            code = life.result()
        except ENGINE_ERRORS as error:
            raise await self._died(str(error)) from error
        self._check_alive()
        if timed_out:
            return 124, True
        if code is None or (code > 128 and not swept):
            raise await self._died(f"the engine did not run the command to its end (exit code {code})")
        return code, False

    async def _clear(self, command: DockerExec, life: "asyncio.Future[int | None]") -> None:
        """End every process of the command and wait for its output's end."""
        command.give_up()
        try:
            async with asyncio.timeout(_DEATH_LIMIT):
                while not life.done():
                    await sweep(self._api, self._container)
                    await asyncio.wait({life}, timeout=0.1)
                await sweep(self._api, self._container)
        except TimeoutError as error:
            raise self._lose("processes of a command are still alive after it was killed") from error
        except ENGINE_ERRORS as error:
            await asyncio.wait({life}, timeout=_DEATH_LIMIT)
            raise await self._died(str(error)) from error

    async def _died(self, said: str) -> RunError:
        if self._lost is not None:
            return self._lose(self._lost)
        try:
            state = (await asyncio.to_thread(self._api.inspect_container, self._container))["State"]
        except ENGINE_ERRORS:
            return self._lose(f"the container or the Docker engine is gone ({said})")
        if state["OOMKilled"]:
            return self._lose(f"it ran out of memory ({MEMORY >> 30} GiB for processes and files together)")
        if not state["Running"]:
            return self._lose(f"its container ended with exit code {state['ExitCode']}")
        return self._lose(said)

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise self._lose(self._lost)

    def _lose(self, reason: str) -> RunError:
        self._lost = self._lost or reason
        return RunError(StopCode.SANDBOX_LOST, f"the sandbox is gone: {self._lost}")


def _make(home: Path, toolchain: Toolchain, read_only: Sequence[str], run_id: str) -> tuple[DockerSandbox, list[Place]]:
    """Make a running container; return it and what is to be put into it."""
    api = connect()
    container = None
    try:
        remove_left_containers(api)
        image = find_image(api, toolchain.image)
        found, note = toolchain_for(image, toolchain)
        to_fill = places(home, read_only, found if found.mounted else None)
        kept = [place.inside for place in to_fill if place.user == KEEPER]
        container = docker_options.create(api, image, run_id, kept, found.mounts)
        api.start(container)
        return DockerSandbox(api, container, (note,), found), to_fill
    except ENGINE_ERRORS as error:
        if container is not None:
            with contextlib.suppress(*ENGINE_ERRORS):
                remove_container(api, container)
        raise RunError(StopCode.NO_SANDBOX, f"the Docker engine cannot start a container: {error}") from error

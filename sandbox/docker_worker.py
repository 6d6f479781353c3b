"""A worker as the first process of a container: the workspace is in the container's memory."""

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

from docker import APIClient
from docker.errors import NotFound
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ReadTimeout

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import docker_options, worker_code
from andon.sandbox.capped_output import CappedOutput
from andon.sandbox.docker_image import toolchain_for
from andon.sandbox.docker_options import MEMORY
from andon.sandbox.engine import ENGINE_ERRORS, connect, find_image, remove_container, remove_left_containers
from andon.sandbox.file_tools import words
from andon.sandbox.ground import Ground, NoInterpreter
from andon.sandbox.inside import LIMITS
from andon.sandbox.private_folders import make_private_folder
from andon.sandbox.protocol_names import WORKSPACE
from andon.sandbox.remove import remove_tree
from andon.sandbox.toolchain import SCRIPTS, Mount, Toolchain
from andon.sandbox.worker_sandbox import WorkerSandbox

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_KILLED = 137
_END_LIMIT = 5
"""Seconds the engine is given to notice a container's end."""
_GREETING_LIMIT = 60.0
_ATTACH = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


class _Gate(asyncio.ReadTransport):
    """Lets a reader stop what feeds it: without, nothing would bound what an inside that went wild could send."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()

    def pause_reading(self) -> None:
        self.open.clear()

    def resume_reading(self) -> None:
        self.open.set()


class DockerLine:
    """Implements `Line`."""

    writer: asyncio.StreamWriter

    def __init__(self, api: APIClient, container: str, home: Path) -> None:
        """`home` is the private folder that holds what is mounted."""
        self.reader = asyncio.StreamReader(limit=1 << 20)
        self._gate = _Gate()
        self.reader.set_transport(self._gate)
        self._api = api
        self._container = container
        self._home = home
        self._said = CappedOutput(4000)
        self._stream: Any = None
        self._splitting: asyncio.Future[None] | None = None
        self._ending = asyncio.Lock()
        self._ended = False

    async def start(self) -> None:
        """Attach to the container, which was made but not started, and start it.

        Raises:
            DockerException, RequestException, OSError: the engine refuses.
        """
        # Before it starts, or its first words would be lost.
        self._stream = await asyncio.to_thread(self._api.attach_socket, self._container, _ATTACH)
        raw, self.writer = await asyncio.open_connection(
            sock=socket.socket(fileno=os.dup(self._stream.fileno())), limit=1 << 20
        )
        self._splitting = asyncio.ensure_future(self._split(raw))
        await asyncio.to_thread(self._api.start, self._container)

    async def end(self) -> None:
        """See `Line.end`. With the engine gone there is nothing to remove; what it still has the next start removes."""
        async with self._ending:
            if self._ended:
                return
            with contextlib.suppress(*ENGINE_ERRORS):
                await asyncio.to_thread(remove_container, self._api, self._container)
            if self._splitting is not None:
                self.writer.close()
                self._splitting.cancel()
                await asyncio.wait({self._splitting})
                self._stream.close()
            self._api.close()
            await asyncio.to_thread(remove_tree, self._home)
            self._ended = True

    async def cause(self) -> RunError:
        """See `Line.cause`."""
        try:
            # The stream can end a moment before the engine knows of the container's end.
            with contextlib.suppress(ReadTimeout, RequestsConnectionError):
                await asyncio.to_thread(self._api.wait, self._container, timeout=_END_LIMIT)
            state = (await asyncio.to_thread(self._api.inspect_container, self._container))["State"]
        except NotFound:
            return RunError(StopCode.SANDBOX_LOST, "the sandbox is gone: somebody removed its container")
        except ENGINE_ERRORS as error:
            return RunError(StopCode.ENGINE_GONE, f"the sandbox is gone: the Docker engine is gone ({error})")
        if state["Running"]:
            return RunError(StopCode.ENGINE_GONE, "the sandbox is gone: the Docker engine ended its stream")
        if state["OOMKilled"] and state["ExitCode"] == _KILLED:
            return RunError(
                StopCode.SANDBOX_MEMORY,
                f"the sandbox is gone: it ran out of memory ({MEMORY >> 30} GiB for processes and files together)",
            )
        said = f" ({self.said()})" if self._said.result()[0] else ""
        return RunError(
            StopCode.SANDBOX_LOST, f"the sandbox is gone: its container ended with exit code {state['ExitCode']}{said}"
        )

    async def out_of_memory(self) -> bool:
        """See `Line.out_of_memory`: the worker sees the container's own count."""
        return False

    def said(self) -> str:
        """Return what was said besides frames, for people."""
        return words(self._said.result()[0])

    async def exit_code(self) -> int:
        """Wait for the container's end and return its exit code.

        Raises:
            DockerException, RequestException, OSError: the engine is gone.
        """
        return int((await asyncio.to_thread(self._api.wait, self._container))["StatusCode"])

    async def _split(self, raw: asyncio.StreamReader) -> None:
        """Part what the engine sends into frames and what is said besides them."""
        try:
            while True:
                await self._gate.open.wait()
                kind, size = _HEADER.unpack(await raw.readexactly(_HEADER.size))
                chunk = await raw.readexactly(size)
                if kind == _STDERR:
                    self._said.add(chunk)
                else:
                    self.reader.feed_data(chunk)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.reader.feed_eof()


async def start_docker_worker(ground: Ground) -> WorkerSandbox:
    """Return a filled sandbox of this tier.

    Raises:
        NoInterpreter: there is no Python in the image.
        RunError: with `no-sandbox` or `no-image` and the reason if no engine answers, it lacks the image, or it cannot
            do this; see `Ground.fill`.
    """
    home = make_private_folder()
    making = asyncio.ensure_future(asyncio.to_thread(_make, ground, home))
    line: DockerLine | None = None
    try:
        made = await asyncio.shield(making)
        line = DockerLine(made.api, made.container, home)
        await line.start()
        sandbox = WorkerSandbox(line, "docker", made.notes, made.toolchain, LIMITS)
        try:
            await sandbox.greet(_GREETING_LIMIT)
        except EOFError:
            if await line.exit_code() == worker_code.NO_PYTHON:
                raise NoInterpreter from None
            raise RunError(
                StopCode.NO_SANDBOX, f"the worker does not run in the image {made.image}: {line.said()}"
            ) from None
        await ground.fill(sandbox, made.kept)
        return sandbox
    except BaseException as error:
        await asyncio.shield(asyncio.ensure_future(_unmake(making, line, home)))
        if isinstance(error, ENGINE_ERRORS):
            raise RunError(StopCode.NO_SANDBOX, f"the Docker engine cannot start a container: {error}") from error
        raise


class _Made(NamedTuple):
    api: APIClient
    container: str
    image: str
    kept: list[str]
    notes: tuple[str, ...]
    toolchain: Toolchain


def _make(ground: Ground, home: Path) -> _Made:
    """Make a container that has not been started."""
    kept = ground.lay_out_kept(home / "kept")
    mounts = [Mount(str(home / "kept" / name), f"{WORKSPACE}/{name}") for name in kept]
    api = connect()
    try:
        remove_left_containers(api)
        image = find_image(api, ground.toolchain.image)
        toolchain, note = toolchain_for(image, ground.toolchain)
        mounts += toolchain.mounts
        if toolchain.mounted:
            toolchain.write_scripts(home / "scripts")
            (home / "scripts").chmod(0o755)
            mounts.append(Mount(str(home / "scripts"), SCRIPTS))
        container = docker_options.create_for_worker(api, image, ground.run_id, worker_code.COMMAND, mounts)
        return _Made(api, container, image.name, kept, (note,), toolchain)
    except ENGINE_ERRORS as error:
        api.close()
        raise RunError(StopCode.NO_SANDBOX, f"the Docker engine cannot make a container: {error}") from error


async def _unmake(making: asyncio.Future[_Made], line: DockerLine | None, home: Path) -> None:
    # A thread goes on although its caller was cancelled.
    await asyncio.wait({making})
    if line is None and making.exception() is None:
        line = DockerLine(making.result().api, making.result().container, home)
    if line is None:
        await asyncio.to_thread(remove_tree, home)
    else:
        await line.end()

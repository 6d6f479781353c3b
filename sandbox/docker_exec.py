"""One command in a running container, from start to end, over the engine's raw stream."""

import asyncio
import contextlib
import os
import shlex
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from docker import APIClient

_LAUNCH = 'exec 2>&1; printf +; text=$(/usr/bin/head -c "$1"; echo x); eval "${text%x}"'
"""Takes the command as text from its input: the engine's JSON cannot hold every byte an argument can."""

_HEADER = struct.Struct(">BxxxL")
_FIRST_LOOK, _NEXT_LOOK = 0.15, 0.3
"""Seconds until the engine is asked whether a silent command has ended, and between two such questions."""
_END_LIMIT = 10.0
"""Seconds the engine may take to tell the exit code of a command that ended."""


class DockerExec:
    """One exec. `live` is awaited once, in a task that nobody cancels; `give_up` keeps it from beginning."""

    def __init__(self, api: APIClient, container: str, user: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._api = api
        self._container = container
        self._user = user
        self._text = _script(argv, env)
        self._id = ""
        self._given_up = False
        self._begun = False

    def give_up(self) -> None:
        """Start no command any more. One that runs already goes on."""
        self._given_up = True

    async def live(self, feed: AsyncIterator[bytes], take: Callable[[bytes], None]) -> int | None:
        """Run to the end of the command and return its exit code, or None if it never began or nobody knows.

        What the command left running may still write: `take` gets that too, until `live` returns two seconds later
        or those processes are gone.

        Raises:
            DockerException, RequestException, OSError: the engine or the container is gone.
        """
        stream = await asyncio.to_thread(self._start)
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(stream.fileno())))
        feeding = asyncio.ensure_future(self._feed(writer, feed))
        try:
            await self._collect(reader, take)
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})
            writer.close()
            stream.close()
        return await self._exit_code() if self._begun else None

    async def ended(self) -> None:
        """Return when the command itself has ended, whatever of it still holds the output open."""
        await asyncio.sleep(_FIRST_LOOK)
        while not self._id or (await asyncio.to_thread(self._api.exec_inspect, self._id))["Running"]:  # noqa: ASYNC110
            await asyncio.sleep(_NEXT_LOOK)

    def _start(self) -> Any:
        argv = ["/bin/sh", "-c", _LAUNCH, "sh", str(len(self._text))]
        made = self._api.exec_create(self._container, argv, stdin=True, user=self._user, workdir="/")
        self._id = str(made["Id"])
        return self._api.exec_start(self._id, socket=True)

    async def _feed(self, writer: asyncio.StreamWriter, feed: AsyncIterator[bytes]) -> None:
        # A command need not read its input.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if not self._given_up:
                writer.write(self._text)
                async for chunk in feed:
                    writer.write(chunk)
                    await writer.drain()
            writer.write_eof()

    async def _collect(self, reader: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
        # The engine ends a stream it has no more for, in the middle of a header where the container died.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while True:
                _, size = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                while size:
                    chunk = await reader.read(min(size, 262144))
                    if not chunk:
                        return
                    size -= len(chunk)
                    # The first byte is the launcher's own.
                    take(chunk if self._begun else chunk[1:])
                    self._begun = True

    async def _exit_code(self) -> int | None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + _END_LIMIT
        while loop.time() < limit:
            facts = await asyncio.to_thread(self._api.exec_inspect, self._id)
            if not facts["Running"]:
                return int(facts["ExitCode"])
            await asyncio.sleep(0.01)
        return None


async def bytes_of(content: bytes) -> AsyncIterator[bytes]:
    """Feed `content` in pieces the engine takes without waiting for all of it."""
    for start in range(0, len(content), 262144):
        yield content[start : start + 262144]


def _script(argv: Sequence[str], env: Mapping[str, str]) -> bytes:
    words = ["exec", "/usr/bin/env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv]
    return os.fsencode(shlex.join(words))

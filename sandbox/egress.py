"""The way out of the set-up phase: a proxy on a Unix socket of the host that connects to listed servers only."""

import asyncio
import os
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from andon.records.setup import HostAsked
from andon.sandbox.egress_request import HEAD_CAP, BadRequest, EgressRequest, parse_head
from andon.sandbox.egress_rules import AllowedHost, address_of, refusal_of

SOCKET_NAME = "proxy.sock"
"""The socket's name in its folder."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a host name."""

_CHUNK = 65536
_PARTING = 1.0
"""Seconds a refused client may go on writing."""
_RECORDED = 500
"""Different servers that are recorded by name."""
_PHRASES = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large", 502: "Bad Gateway",
            503: "Service Unavailable"}  # fmt: skip


@dataclass(frozen=True)
class EgressLimits:
    """What one set-up phase may use."""

    connections: int = 64
    """At a time."""
    received: int = 4 << 30
    """Bytes from servers, all connections together."""
    sent: int = 64 << 20
    """Bytes to servers: a set-up reads, and has nothing to tell."""
    idle: float = 60.0
    """Seconds without a byte in either direction until a connection is closed."""
    head: float = 10.0
    """Seconds for a request to be written."""
    connect: float = 15.0
    """Seconds to reach a server."""


class EgressProxy:
    """Answers while it is open; notes every server it was asked for."""

    def __init__(self, allowed: Sequence[AllowedHost], limits: EgressLimits, resolve: Resolve) -> None:
        self._allowed = tuple(allowed)
        self._limits = limits
        self._resolve = resolve
        self._asked: Counter[tuple[str, int, str]] = Counter()
        self._received = limits.received
        self._sent = limits.sent
        self._tasks: set[asyncio.Task[None]] = set()

    def asked(self) -> list[HostAsked]:
        """Return the servers asked for so far, sorted."""
        return [
            HostAsked(host=host, port=port, outcome="refused" if reason else "allowed", reason=reason, count=count)
            for (host, port, reason), count in sorted(self._asked.items())
        ]

    async def serve(self, listener: socket.socket) -> None:
        """Serve whoever connects, until it is cancelled; then every connection has ended."""
        # Not `asyncio.Server`: a connection accepted while that closes stays open and is told of to nobody.
        try:
            while True:
                client, _ = await asyncio.get_running_loop().sock_accept(listener)
                task = asyncio.ensure_future(self._serve(client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            listener.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client: socket.socket) -> None:
        with client:
            reader, writer = await asyncio.open_unix_connection(sock=client, limit=HEAD_CAP)
            try:
                # A connection that breaks is the client's affair.
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    try:
                        await self._answer(reader, writer)
                    except BadRequest as error:
                        self._note(error.host, error.port, str(error))
                        await _refuse(reader, writer, error)
            finally:
                await _close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > self._limits.connections:
            raise BadRequest("too many connections at a time", 503)
        request = parse_head(await self._head(reader))
        addresses = await self._addresses(request)
        if self._received <= 0 or self._sent <= 0:
            raise BadRequest("the set-up phase has moved as many bytes as it may", 403, request.host, request.port)
        self._note(request.host, request.port, "")
        far_reader, far_writer = await self._connect(addresses, request)
        try:
            if request.tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far_writer.write(request.forwarded)
            await self._pass_on(request, (reader, writer), (far_reader, far_writer))
        finally:
            await _close(far_writer)

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._limits.head):
                return await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise BadRequest(f"the head of the request is over {HEAD_CAP} bytes", 431) from error

    async def _addresses(self, request: EgressRequest) -> list[str]:
        """Return the checked addresses of a server that may be reached; what is connected to is one of these."""
        host, port = request.host, request.port
        rules = [rule for rule in self._allowed if rule.host == host and port in rule.ports]
        if not rules:
            raise BadRequest("it is not among the hosts the set-up may reach", 403, host, port)
        if address_of(host) is not None:
            return [host]
        try:
            async with asyncio.timeout(self._limits.connect):
                found = await self._resolve(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise BadRequest(f"its name cannot be resolved ({error})", 502, host, port) from error
        for text in found:
            address = address_of(text.partition("%")[0])
            why = "it resolves to no address" if address is None else refusal_of(address, private=rules[0].private)
            if why:
                raise BadRequest(why, 403, host, port)
        return found

    async def _connect(
        self, addresses: Sequence[str], request: EgressRequest
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        said = "it resolves to no address"
        for address in addresses:
            try:
                async with asyncio.timeout(self._limits.connect):
                    return await asyncio.open_connection(address, request.port)
            except (OSError, TimeoutError) as error:
                said = str(error) or "no answer"
        raise BadRequest(f"it cannot be reached ({said})", 502, request.host, request.port)

    async def _pass_on(
        self,
        request: EgressRequest,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.idle) as timer:

            def moved(received: int, sent: int) -> bool:
                self._received -= received
                self._sent -= sent
                timer.reschedule(loop.time() + self._limits.idle)
                return self._received >= 0 and self._sent >= 0

            down = _copy(far[0], near[1], lambda count: moved(count, 0))
            if not request.tunnel:
                # Whatever a client writes after its head is never read, so nothing can be smuggled behind it.
                await down
                return
            up = _copy(near[0], far[1], lambda count: moved(0, count))
            both = [asyncio.ensure_future(down), asyncio.ensure_future(up)]
            try:
                await asyncio.gather(*both)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)

    def _note(self, host: str, port: int, reason: str) -> None:
        key = (host or "(not a host name)", port, reason)
        full = len(self._asked) >= _RECORDED and key not in self._asked
        self._asked[("(others)", 0, "refused or asked after many others") if full else key] += 1


@asynccontextmanager
async def open_egress(
    folder: Path,
    allowed: Sequence[AllowedHost],
    *,
    limits: EgressLimits | None = None,
    resolve: Resolve | None = None,
) -> AsyncIterator[EgressProxy]:
    """Serve on a socket in `folder` (SOCKET_NAME) until the block ends; then the socket and every connection are gone.

    Whoever reaches the socket may use it: keep `folder` where only the sandbox sees it.
    """
    proxy = EgressProxy(allowed, limits or EgressLimits(), resolve or _resolve)
    path = folder / SOCKET_NAME
    serving = asyncio.ensure_future(proxy.serve(_listen(path)))
    try:
        yield proxy
    finally:
        path.unlink(missing_ok=True)
        serving.cancel()
        await asyncio.wait({serving})


def _listen(path: Path) -> socket.socket:
    # A socket's address holds 107 bytes; the way to a temporary folder may be longer.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.setblocking(False)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        # Inside, the user is another one.
        path.chmod(0o666)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, moved: Callable[[int], bool]) -> None:
    """Copy until the source ends, and pass its end on.

    Raises:
        ConnectionAbortedError: `moved` says that it is enough.
    """
    while piece := await source.read(_CHUNK):
        if not moved(len(piece)):
            raise ConnectionAbortedError("a limit of the set-up phase is reached")
        target.write(piece)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    # Whoever does not take what is left for it is not waited for.
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, error: BadRequest) -> None:
    host = f"{error.host}:{error.port}: " if error.host else ""
    body = f"andon: {host}{error}\n".encode()
    # Some clients show the phrase and not the body of a refused tunnel.
    phrase = re.sub(r"[^ -~]", "?", f"{_PHRASES[error.status]} ({error})")
    head = f"HTTP/1.1 {error.status} {phrase}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await writer.drain()
    writer.write_eof()
    # What is closed with bytes unread is reset, and the answer with it.
    async with asyncio.timeout(_PARTING):
        while await reader.read(_CHUNK):
            continue


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))

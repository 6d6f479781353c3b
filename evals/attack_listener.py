"""A listener outside the sandbox: whatever reaches it has got out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_KEPT = 4096


@dataclass
class Listener:
    """What arrived on one port of this machine's loopback."""

    port: int = 0
    """The port; TCP."""
    arrived: list[bytes] = field(default_factory=list)
    """The beginning of what each connection sent; empty for one that only connected."""


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """Listen on 127.0.0.1 for as long as this is open; every connection is noted and closed."""
    seen = Listener()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(seen.arrived)
        seen.arrived.append(b"")
        try:
            async with asyncio.timeout(1):
                seen.arrived[number] = await reader.read(_KEPT)
        except (TimeoutError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()

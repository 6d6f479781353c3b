"""Serves one client over stdin and stdout, in both protocol eras."""

from typing import TYPE_CHECKING, Any, cast

from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from andon.mcp_servers.wire import Wire

if TYPE_CHECKING:
    import anyio


async def serve(server: MCPServer[Any], wire: Wire) -> None:
    """Serve until the client's input ends; cancelling ends it at once. Calls that still run are cancelled."""
    # The transport iterates over the one and calls write and flush of the other, nothing else.
    stream = cast("anyio.AsyncFile[str]", wire)
    async with stdio_server(stream, stream) as (read, write):
        # Not run_stdio_async: it reads in a thread that no cancellation ends.
        lowlevel = server._lowlevel_server
        await lowlevel.run(read, write, lowlevel.create_initialization_options())
    wire.finish()

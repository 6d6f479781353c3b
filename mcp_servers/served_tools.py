"""A tool as the protocol's library serves it: arguments as judged, plain text out, a fault of the run kept apart."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult, TextContent, ToolAnnotations

from andon.guardrails.redact import without_secrets
from andon.mcp_servers.origins import told
from andon.records.errors import RunError
from andon.tools.failure import ToolFailed


@dataclass
class Stop:
    """Where a fault that ends the run is kept, since a server can only answer its client."""

    error: RunError | None = None


def served_tool(
    name: str,
    description: str,
    schema: dict[str, Any],
    do: Callable[[Mapping[str, Any], Any], Awaitable[str]],
    stop: Stop,
    *,
    reads_only: bool,
) -> Tool:
    """Return a tool that answers the text of `do`, which is given the arguments and the library's context.

    What a curated tool brings from elsewhere is wrapped as data with its origin; see `told`.
    `ToolFailed` is answered as an error; a `RunError` is kept in `stop` and answered as a protocol error.
    """

    async def run(arguments: dict[str, Any], context: Any) -> CallToolResult:
        try:
            return _as_it_is(told(name, arguments, await do(arguments, context)), is_error=False)
        except ToolFailed as failed:
            return answer(str(failed), is_error=True)
        except RunError as error:
            stop.error = error
            raise ended(error) from error

    return _JudgedTool(
        fn=run,
        name=name,
        description=description,
        parameters=schema,
        fn_metadata=FuncMetadata(arg_model=ArgModelBase),
        is_async=True,
        annotations=ToolAnnotations(read_only_hint=reads_only, open_world_hint=False),
    )


def ended(error: RunError) -> MCPError:
    """Return the protocol error that tells a client the run is over."""
    return MCPError(INTERNAL_ERROR, f"the run has ended ({error.code}): {error}")


def answer(text: str, *, is_error: bool) -> CallToolResult:
    """Return a result of plain text; whatever tool it comes from, no secret leaves with it."""
    return _as_it_is(without_secrets(text), is_error=is_error)


def _as_it_is(text: str, *, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


class _JudgedTool(Tool):
    """Hands arguments on as they were judged; the library's own reading would take strings for JSON once more."""

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:
        return await self.fn(arguments, context)

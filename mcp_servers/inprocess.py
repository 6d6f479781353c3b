"""How our own agents reach the toolset: the SDK's MCP server interface over a client in this process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agents import AgentBase, AgentsException, RunContextWrapper
from agents.mcp import MCPServer
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, GetPromptResult, ListPromptsResult
from mcp_types import Tool as ListedTool

from andon.mcp_servers.own_tools import OwnTool
from andon.mcp_servers.toolset import Workbench, build_toolset, needs_person
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.ports import Steps

_READ_SECONDS = 3600.0
"""Only against a hung process: how long a command may take is decided where it runs."""


class _RunStopped(RunError, AgentsException):
    """A `RunError` that the SDK's runner lets through: it wraps every exception that is none of its own."""


class ToolConnection(MCPServer):
    """The tools of one role on one workbench. Every call is a step of the run.

    `call_tool` raises the `RunError` that ended the run, also through the SDK's runner, which would otherwise tell the
    model about it.
    """

    def __init__(self, workbench: Workbench, role: Role, steps: Steps, *, own: Sequence[OwnTool] = ()) -> None:
        """`own` are tools of whoever drives the run."""
        super().__init__(failure_error_function=_failure_text)
        self._workbench = workbench
        self._own = {tool.name: tool for tool in own}
        self._role = role
        self._steps = steps
        self.calls = 0
        """Calls made so far in the run; the next one's step has the next number."""
        self._asks: Counter[str] = Counter()
        self._tools: list[ListedTool] | None = None
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def name(self) -> str:
        """The server's name, for messages."""
        return f"andon-{self._role}"

    @property
    def cached_tools(self) -> list[ListedTool] | None:
        """The tools, once they were listed."""
        return self._tools

    async def connect(self) -> None:
        """Start the client. It lives in a task of its own, because its scopes must close where they were opened."""
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._serve(ready), name=self.name)
        self._client = await ready

    async def cleanup(self) -> None:
        """End the client; harmless if it never started."""
        self._closing.set()
        if self._task is not None:
            await self._task
        self._client = self._task = None

    async def list_tools(
        self, run_context: RunContextWrapper[Any] | None = None, agent: AgentBase[Any] | None = None
    ) -> list[ListedTool]:
        """Return the role's tools; asked of the server once."""
        if self._tools is None:
            self._tools = (await self._connected().list_tools()).tools
        return self._tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Run one call as a step and return its text.

        Raises:
            RunError: the run cannot go on, such as with a lost sandbox.
        """
        self.calls += 1
        client = self._connected()

        async def call() -> CallToolResult:
            try:
                return await client.call_tool(tool_name, arguments or {})
            except MCPError as error:
                if self._workbench.stop.error is not None:
                    raise self._workbench.stop.error from error
                raise

        return await self._steps.step(f"tool:{tool_name}", f"{self._role}-{self.calls}", call, CallToolResult)

    async def list_prompts(self) -> ListPromptsResult:
        """There are none."""
        return ListPromptsResult(prompts=[])

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        """There are none."""
        raise ValueError(f"there is no prompt {name!r}")

    def _get_needs_approval_for_tool(
        self, tool: ListedTool, agent: AgentBase[Any] | None
    ) -> Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]:
        # Private in the SDK (pinned below 0.25): its public setting is not shown the arguments.
        async def asked() -> bool:
            return True

        async def needs(_: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str) -> bool:
            self._asks[call_id] += 1
            key = f"{call_id}-{self._asks[call_id]}"
            # Only a yes is kept: without one the call itself comes next, and was judged where it was made.
            if self._steps.recorded("asks", key):
                return await self._steps.step("asks", key, asked, bool)
            if self._steps.replaying:
                return False
            try:
                needed = await needs_person(self._workbench, self._role, self._own, tool.name, arguments)
            except RunError as error:
                raise _RunStopped(error.code, str(error)) from error
            return needed and await self._steps.step("asks", key, asked, bool)

        return needs

    def _connected(self) -> Client:
        if self._client is None:
            raise RuntimeError(f"{self.name} is not connected: call connect() first")
        return self._client

    async def _serve(self, ready: asyncio.Future[Client]) -> None:
        server = build_toolset(self._workbench, self._role, own=list(self._own.values()))
        try:
            async with Client(server, read_timeout_seconds=_READ_SECONDS) as client:
                ready.set_result(client)
                await self._closing.wait()
        except BaseException as error:
            # Whoever waits in connect() is told of a start that failed, whatever ended it.
            if ready.done():
                raise
            ready.set_exception(error)


def _failure_text(context: RunContextWrapper[Any], error: Exception) -> str:
    """Return what the model is told of a call that never reached the toolset; what ends the run is raised on."""
    fault: BaseException | None = error
    while fault is not None:
        if isinstance(fault, RunError):
            raise _RunStopped(fault.code, str(fault)) from fault
        fault = fault.__cause__
    if "Invalid JSON" in str(error):
        return "refused (arguments): the arguments were not one valid JSON object; send the call again with valid JSON"
    return f"the tool failed: {error}"

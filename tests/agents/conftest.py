"""What the lane is run with here: a real MCP server in process, an event list, an engine that stores JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from agents import RunContextWrapper
from agents.mcp import MCPServer
from mcp import Client
from mcp.server.mcpserver import MCPServer as Server
from mcp_types import CallToolResult, GetPromptResult, ListPromptsResult, Tool

from andon.records.calls import Role
from andon.records.events import EventKind, Events
from andon.records.ports import Steps

T = TypeVar("T")
ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")


class Recorder:
    """Events, put into a list."""

    def __init__(self, seen: list[tuple[str, dict[str, Any]]]) -> None:
        self._seen = seen

    def emit(self, kind: EventKind, **data: Any) -> None:
        self._seen.append((kind, data))


class StoringEngine:
    """Keeps what steps return as JSON text, and hands back what came out of the store."""

    def __init__(self, stored: dict[str, str]) -> None:
        self._stored = stored

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]]) -> T:
        place = f"{name}:{key}"
        if place not in self._stored:
            self._stored[place] = json.dumps(await run())
        value: T = json.loads(self._stored[place])
        return value


class Connection(MCPServer):
    """The connection of one role to a real MCP server in this process."""

    def __init__(self, client: Client, log: list[str], faults: list[Exception]) -> None:
        super().__init__()
        self._client = client
        self._log = log
        self._faults = faults

    @property
    def name(self) -> str:
        return "toolset"

    async def connect(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def list_tools(self, run_context: RunContextWrapper[Any] | None = None, agent: Any = None) -> list[Tool]:
        return (await self._client.list_tools()).tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        if self._faults:
            raise self._faults[0]
        self._log.append(f"{tool_name} {json.dumps(arguments)}")
        return await self._client.call_tool(tool_name, arguments)

    async def list_prompts(self) -> ListPromptsResult:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        raise NotImplementedError


def toolset(log: list[str]) -> Server[Any]:
    """A server with one tool that yields to the loop, so that overlapping calls would show in the log."""
    server: Server[Any] = Server("toolset")

    @server.tool(description="Read a file.")
    async def read_file(path: str) -> str:
        await asyncio.sleep(0)
        log.append(f"end {path}")
        return f"content of {path}"

    return server


@pytest.fixture
def seen() -> list[tuple[str, dict[str, Any]]]:
    """The events that were emitted."""
    return []


@pytest.fixture
def events(seen: list[tuple[str, dict[str, Any]]]) -> Events:
    return Recorder(seen)


@pytest.fixture
def stored() -> dict[str, str]:
    """What the engine stored, by step and key; filled beforehand, it is a run taken up again."""
    return {}


@pytest.fixture
def engine(stored: dict[str, str]) -> Steps:
    return StoringEngine(stored)


@pytest.fixture
def tool_log() -> list[str]:
    """What the tools did, in order."""
    return []


@pytest.fixture
def tool_faults() -> list[Exception]:
    """Put an exception in, and every tool call raises it."""
    return []


@pytest.fixture
async def connections(tool_log: list[str], tool_faults: list[Exception]) -> AsyncIterator[dict[Role, MCPServer]]:
    """A connection for each role. The client lives in a task of its own: it must close where it was opened."""
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def own() -> None:
        async with Client(toolset(tool_log)) as client:
            opened.set_result(client)
            await over.wait()

    owner = asyncio.create_task(own())
    client = await opened
    yield {role: Connection(client, tool_log, tool_faults) for role in ROLES}
    over.set()
    await owner

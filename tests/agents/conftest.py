"""What the lane is run with here: a real MCP server in process, an event list, an engine that stores JSON."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents.mcp import MCPServer
from crew_kit import ROLES, Connection, Recorder, StoringEngine, connected

from andon.records.calls import Role
from andon.records.events import Events
from andon.records.ports import Steps


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
    """A connection for each role."""
    async with connected(tool_log) as client:
        yield {role: Connection(client, tool_log, tool_faults) for role in ROLES}

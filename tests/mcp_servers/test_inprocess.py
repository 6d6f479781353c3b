"""The in-process connection under the SDK's runner and its scripted model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message, function_call

from andon.mcp_servers.inprocess import ToolConnection
from andon.mcp_servers.toolset import Workbench
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.protocol import Finished

T = TypeVar("T")


class Bench(Protocol):
    @property
    def workbench(self) -> Workbench: ...


class Steps:
    """Runs steps at once and keeps their names and keys."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    replaying = False

    def recorded(self, name: str, key: str) -> bool:
        return False

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        self.taken.append((name, key))
        return await run()


class Connected:
    """Connections that are closed at the end of a test."""

    def __init__(self, workbench: Workbench) -> None:
        self.steps = Steps()
        self._workbench = workbench
        self._open: list[ToolConnection] = []

    async def open(self, role: Role) -> ToolConnection:
        connection = ToolConnection(self._workbench, role, self.steps)
        await connection.connect()
        self._open.append(connection)
        return connection

    async def close(self) -> None:
        for connection in self._open:
            await connection.cleanup()


@pytest.fixture
async def connected(bench: Bench) -> AsyncIterator[Connected]:
    connections = Connected(bench.workbench)
    yield connections
    await connections.close()


async def _outputs(connection: ToolConnection, *calls: Any) -> list[str]:
    """Return what the model reads after an answer with `calls`."""
    model = ScriptedModel([list(calls), [assistant_message("done")]])
    agent = Agent(name="worker", model=model, mcp_servers=[connection])
    await Runner.run(agent, "go", run_config=_CONFIG)
    model.assert_complete()
    items = [item for item in model.calls[1].input if isinstance(item, dict)]
    return [_text(item["output"]) for item in items if item.get("type") == "function_call_output"]


def _text(output: Any) -> str:
    return output if isinstance(output, str) else "".join(part["text"] for part in output)


def _begun(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what is set once the sandbox is asked to run something."""
    begun, run = asyncio.Event(), workbench.sandbox.run

    async def told(argv: Sequence[str], **options: Any) -> Finished:
        begun.set()
        return await run(argv, **options)

    monkeypatch.setattr(workbench.sandbox, "run", told)
    return begun


_CONFIG = RunConfig(tracing_disabled=True, tool_not_found_behavior="return_error_to_model")


async def test_allowed_and_refused_calls_reach_the_model_as_text(connected: Connected) -> None:
    connection = await connected.open("executor")
    outputs = await _outputs(
        connection,
        function_call("write_file", {"path": "src/new.py", "content": "x\n"}, call_id="1"),
        function_call("read_file", {"path": "src/new.py"}, call_id="2"),
        function_call("write_file", {"path": "factory/x", "content": ""}, call_id="3"),
        function_call("read_file", {"path": "src/app.py", "begin": 1}, call_id="4"),
    )
    assert outputs == [
        "wrote src/new.py: 1 line (new file)",
        'src/new.py: lines 1-1 of 1\n<data from="read_file src/new.py">\nx\n</data>',
        "refused (factory-folder): 'factory/x' belongs to the factory and is closed to agents; leave it as it is",
        "refused (arguments): begin: Extra inputs are not permitted; "
        "the arguments of read_file are: path, start, lines",
    ]
    assert connected.steps.taken == [
        ("tool:write_file", "executor-1"),
        ("tool:read_file", "executor-2"),
        ("tool:write_file", "executor-3"),
        ("tool:read_file", "executor-4"),
    ]


async def test_a_tool_of_another_role_is_told_to_be_missing(connected: Connected) -> None:
    connection = await connected.open("planner")
    [output] = await _outputs(connection, function_call("write_file", {"path": "a", "content": ""}, call_id="1"))
    assert "write_file" in output
    assert "not found" in output
    result = await connection.call_tool("write_file", {"path": "a", "content": ""})
    assert result.is_error
    assert connected.steps.taken == [("tool:write_file", "planner-1")]


async def test_a_lost_sandbox_ends_the_run_with_its_own_error(bench: Bench, connected: Connected) -> None:
    connection = await connected.open("executor")
    await bench.workbench.sandbox.close()
    model = ScriptedModel([[function_call("list_files", {}, call_id="1")], [assistant_message("never asked")]])
    with pytest.raises(RunError) as stopped:
        await Runner.run(Agent(name="worker", model=model, mcp_servers=[connection]), "go", run_config=_CONFIG)
    assert stopped.value.code == StopCode.SANDBOX_LOST
    assert len(model.calls) == 1


async def test_a_cancelled_call_frees_the_workbench(
    bench: Bench, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connected.open("executor")
    begun = _begun(bench.workbench, monkeypatch)
    endless = asyncio.create_task(connection.call_tool("run_command", {"command": "while :; do :; done"}))
    await begun.wait()
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    result = await connection.call_tool("read_file", {"path": "src/app.py"})
    assert not result.is_error
    assert not bench.workbench.lock.locked()


async def test_tools_are_listed_once_and_kept(connected: Connected) -> None:
    connection = await connected.open("reviewer")
    assert connection.cached_tools is None
    listed = await connection.list_tools()
    assert connection.cached_tools is listed
    assert await connection.list_tools() is listed
    assert [tool.name for tool in listed] == ["list_files", "search", "read_file", "git", "docs_lookup", "run_tests"]


async def test_cleanup_without_connect_is_fine_and_calls_need_a_connection(bench: Bench) -> None:
    connection = ToolConnection(bench.workbench, "planner", Steps())
    with pytest.raises(RuntimeError, match="not connected"):
        await connection.call_tool("list_files", {})
    await connection.cleanup()

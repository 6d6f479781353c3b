"""Tools of whoever drives a run: listed after the curated ones, judged, and taken as steps."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from pydantic import Field

from andon.mcp_servers.own_tools import OwnTool, Tell
from andon.mcp_servers.toolset import Workbench, build_toolset
from andon.records.base import Record
from andon.records.calls import Decision
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.tools.failure import ToolFailed

T = TypeVar("T")


class Journal(Protocol):
    events: list[tuple[str, dict[str, Any]]]


class Bench(Protocol):
    @property
    def workbench(self) -> Workbench: ...
    @property
    def journal(self) -> Journal: ...


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


class Wish(Record):
    """Arguments of the tool `wish`."""

    what: str = Field(min_length=1)
    """What is wished for."""
    times: int = 1
    """How often."""


async def _granted(wish: Wish, tell: Tell) -> str:
    await tell("thinking")
    return f"{wish.what} x {wish.times}"


def _tool(run: Callable[[Any, Tell], Awaitable[str]] = _granted) -> OwnTool:
    return OwnTool("wish", "Make a wish.", Wish, run)


async def _call(bench: Bench, tool: OwnTool, arguments: dict[str, Any]) -> tuple[bool, str]:
    async with Client(build_toolset(bench.workbench, "client", own=[tool])) as client:
        result = await client.call_tool("wish", arguments)
    [content] = result.content
    assert content.type == "text"
    return bool(result.is_error), content.text


async def test_it_is_listed_after_the_curated_ones_with_its_schema(bench: Bench) -> None:
    async with Client(build_toolset(bench.workbench, "client", own=[_tool()])) as client:
        tools = (await client.list_tools()).tools
    assert len(tools) == 10
    assert (tools[-1].name, tools[-1].description) == ("wish", "Make a wish.")
    assert tools[-1].input_schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "what": {"type": "string", "minLength": 1, "description": "What is wished for."},
            "times": {"type": "integer", "default": 1, "description": "How often."},
        },
        "required": ["what"],
    }


async def test_a_call_answers_text_tells_how_far_it_is_and_is_an_event_and_a_step(bench: Bench) -> None:
    steps, told = Steps(), []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with Client(build_toolset(bench.workbench, "client", own=[_tool()], steps=steps)) as client:
        result = await client.call_tool("wish", {"what": "rain", "times": 2}, progress_callback=hear)
        await client.call_tool("read_file", {"path": "src/app.py"})
    assert [content.text for content in result.content if content.type == "text"] == ["rain x 2"]
    assert told == [(1.0, "thinking")]
    assert steps.taken == [("tool:wish", "client-1"), ("tool:read_file", "client-2")]
    assert [(kind, data["role"], data["tool"]) for kind, data in bench.journal.events] == [
        ("tool.called", "client", "wish"),
        ("tool.called", "client", "read_file"),
    ]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "what: this field is required"),
        ({"what": ""}, "what: String should have at least 1 character"),
        ({"what": "rain", "times": "2"}, "times: Input should be a valid integer"),
        ({"what": "rain", "when": "now"}, "when: unknown field, or a second spelling of one already given"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(bench: Bench, arguments: dict[str, Any], fault: str) -> None:
    failed, text = await _call(bench, _tool(), arguments)
    assert failed
    assert text == f"refused (arguments): {fault}; the arguments of wish are: what, times"
    assert [kind for kind, _ in bench.journal.events] == ["tool.refused"]


async def test_a_credential_in_its_arguments_is_refused(bench: Bench) -> None:
    failed, text = await _call(bench, _tool(), {"what": "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"})
    assert failed
    assert text.startswith("refused (credential): the call holds a credential (github-token)")


async def test_its_own_judge_decides_once_the_arguments_fit(bench: Bench) -> None:
    judged: list[Mapping[str, Any]] = []

    def judge(arguments: Mapping[str, Any]) -> Decision:
        judged.append(arguments)
        return Decision(verdict="allow" if arguments["what"] == "rain" else "refuse", rule="weather", reason="no snow")

    tool = OwnTool("wish", "Make a wish.", Wish, _granted, judge)
    answers = [await _call(bench, tool, {"what": what}) for what in ("rain", "snow", "")]
    assert answers[:2] == [(False, "rain x 1"), (True, "refused (weather): no snow")]
    assert answers[2][1].startswith("refused (arguments)")
    assert judged == [{"what": "rain"}, {"what": "snow"}]


async def test_one_that_did_not_work_answers_an_error(bench: Bench) -> None:
    async def fails(wish: Wish, tell: Tell) -> str:
        raise ToolFailed("no rain today")

    assert await _call(bench, _tool(fails), {"what": "rain"}) == (True, "no rain today")
    assert [data["outcome"] for _, data in bench.journal.events] == ["failed"]


async def test_one_that_ends_the_run_answers_a_protocol_error_from_then_on(bench: Bench) -> None:
    async def ends(wish: Wish, tell: Tell) -> str:
        raise RunError(StopCode.SANDBOX_LOST, "gone")

    async with Client(build_toolset(bench.workbench, "client", own=[_tool(ends)])) as client:
        for name, arguments in (("wish", {"what": "rain"}), ("read_file", {"path": "src/app.py"})):
            with pytest.raises(MCPError, match=r"the run has ended \(sandbox-lost\): gone"):
                await client.call_tool(name, arguments)
    assert bench.workbench.stop.error is not None


async def test_a_cancelled_call_cleans_up_to_its_end_before_the_next_one_begins(bench: Bench) -> None:
    begun, order = asyncio.Event(), []

    async def endless(wish: Wish, tell: Tell) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            # Several awaits: the server's scopes would cut the first one off.
            for _ in range(20):
                await asyncio.to_thread(str)
            order.append("cleaned up")
        return "never"

    async with Client(build_toolset(bench.workbench, "client", own=[_tool(endless)])) as client:
        call = asyncio.create_task(client.call_tool("wish", {"what": "rain"}))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.call_tool("read_file", {"path": "src/app.py"})
        order.append("read")
    assert order == ["cleaned up", "read"]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_refusal_has_the_shape_of_its_protocol_era(bench: Bench, mode: str) -> None:
    async with Client(build_toolset(bench.workbench, "client"), mode=mode) as client:
        result = await client.call_tool("write_file", {"path": "factory/x", "content": ""})
    assert result.is_error
    assert ("result_type" in result.model_fields_set) == (mode != "legacy")

"""Long runs of one call a turn, by the lane on each wire or by the bare SDK; prints the CPU of early and late turns.

Run as a script with `lane` or `bare` as its argument. The clients are the real ones; a transport within the process
answers them.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httpx2
from agents import (
    Agent,
    MaxTurnsExceeded,
    Model,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
)
from agents.mcp import MCPServer
from mcp_types import CallToolResult, GetPromptResult, ListPromptsResult, TextContent, Tool
from openai import AsyncOpenAI

from andon.agents.lane import run_lane
from andon.agents.models import named_model
from andon.evals.bench_server import Call, _response
from andon.guardrails.budgets import Budget
from andon.line.steps import InProcessEngine
from andon.records.budget import Allowance
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import EventKind
from andon.records.stops import StopCode

if TYPE_CHECKING:
    from andon.agents.desk import LaneSteps

_TURNS = 201
_EARLY, _LATE = (5, 15), (190, 200)
_WIRES = {"responses": "m", "chat": "chat/m", "anthropic": "anthropic/m"}
_ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")
_URL = "http://models.invalid/v1"


class _Provider:
    """Answers every request with the next call, and notes the processor's time when it came."""

    def __init__(self) -> None:
        self.came: list[float] = []

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def ms_of(self, turns: tuple[int, int]) -> float:
        """Milliseconds of each of these turns."""
        begin, end = turns
        return (self.came[end] - self.came[begin]) / (end - begin) * 1000

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        number = len(self.came)
        self.came.append(time.process_time())
        path = {"path": f"file-{number}.py"}
        for ending, answer in (("/responses", _of_responses), ("/chat/completions", _of_chat), ("", _of_anthropic)):
            if request.url.path.endswith(ending):
                return httpx2.Response(200, json=answer(number, path))
        raise AssertionError


def _of_responses(number: int, arguments: Mapping[str, str]) -> dict[str, Any]:
    return _response(number, Call("read_file", dict(arguments)), 400)


def _of_chat(number: int, arguments: Mapping[str, str]) -> dict[str, Any]:
    function = {"name": "read_file", "arguments": json.dumps(arguments)}
    message = {"role": "assistant", "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]}
    choices = [{"index": 0, "finish_reason": "tool_calls", "message": message}]
    usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    return {"id": f"r{number}", "object": "chat.completion", "created": 0, "model": "m", "choices": choices} | {
        "usage": usage
    }


def _of_anthropic(number: int, arguments: Mapping[str, str]) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"c{number}", "name": "read_file", "input": arguments}
    message = {"id": f"m{number}", "type": "message", "role": "assistant", "model": "m", "content": [block]}
    return message | {"stop_reason": "tool_use", "usage": {"input_tokens": 100, "output_tokens": 1}}


class _Files(MCPServer):
    """One tool, in the process."""

    name = "files"
    _tools = (
        Tool(
            name="read_file",
            description="Read a file.",
            input_schema={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        ),
    )

    async def connect(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def list_tools(self, run_context: RunContextWrapper[Any] | None = None, agent: Any = None) -> list[Tool]:
        return [*self._tools]

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=_content(str(arguments)))])

    async def list_prompts(self) -> ListPromptsResult:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        raise NotImplementedError


class _Unheard:
    def emit(self, kind: EventKind, **data: Any) -> None: ...


class _Alone:
    """Nobody to hand over to, and nobody to ask."""

    waits = False


def _content(path: str) -> str:
    return f"{path}\n".ljust(1000, "x")


async def _lane(name: str, turns: int, provider: _Provider) -> None:
    model = named_model(name, base_url=_URL, api_key="none", http_client=provider.client())
    models: dict[Role, Model] = dict.fromkeys(_ROLES, model)
    events = _Unheard()
    try:
        await run_lane(
            "# Task\nRead on.",
            steps=cast("LaneSteps", _Alone()),
            connections={role: _Files() for role in _ROLES},
            models=models,
            events=events,
            engine=InProcessEngine(events),
            budget=Budget(Allowance(model_calls=turns), {}, time.monotonic),
        )
    except RunError as error:
        if error.code is not StopCode.BUDGET_SPENT:
            raise


async def _bare(turns: int, provider: _Provider) -> None:
    @function_tool
    def read_file(path: str) -> str:
        """Read a file."""
        return _content(path)

    client = AsyncOpenAI(api_key="none", base_url=_URL, http_client=provider.client())
    agent = Agent(name="bare", tools=[read_file], model=OpenAIResponsesModel("m", client))
    try:
        await Runner.run(agent, "Read on.", max_turns=turns, run_config=RunConfig(tracing_disabled=True))
    except MaxTurnsExceeded:
        return


async def _to_its_end(work: Awaitable[None]) -> None:
    await work


def _measured(work: Callable[[int, _Provider], Awaitable[None]]) -> tuple[float, float]:
    # What is loaded and cached at first use is no part of a turn.
    for turns in (20, _TURNS):
        # A look for garbage in all that was loaded takes longer than ten turns, and would fall into some by chance.
        gc.collect()
        gc.freeze()
        provider = _Provider()
        asyncio.run(_to_its_end(work(turns, provider)))
    return provider.ms_of(_EARLY), provider.ms_of(_LATE)


def main() -> None:
    """Print JSON: by wire, the milliseconds of an early and of a late turn."""
    if sys.argv[1] == "bare":
        found = {"responses": _measured(_bare)}
    else:
        found = {wire: _measured(partial(_lane, name)) for wire, name in _WIRES.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Agents that are left at a question and gone on with elsewhere: each model is sent what it would have been sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from budget_kit import budget
from crew_kit import CHANGES, PASS, PLAN, REPORT, ROLES, Connection, Line, Recorder, StoringEngine, connected

from andon.agents.lane import run_lane
from andon.agents.models import openai_model
from andon.agents.replies import Start, Told
from andon.records.errors import RunError
from andon.records.parked import Parked
from andon.records.stops import StopCode

Call = tuple[str, dict[str, Any] | str]


@dataclass(frozen=True)
class Turn:
    """One answer of the model: thoughts and words, then calls."""

    calls: tuple[Call, ...] = ()
    text: str = ""
    thought: str = ""


def turn(*calls: Call, text: str = "", thought: str = "") -> Turn:
    return Turn(calls, text, thought)


def read(path: str) -> Call:
    return "read_file", {"path": path}


PLANS: Call = ("transfer_to_executor", PLAN)
REPORTS: Call = ("transfer_to_reviewer", REPORT)
REPAIRS: Call = ("hand_back", CHANGES)
FINISHES: Call = ("finish_review", PASS)
YES = Start("executor", "PACKET executor")
EDITED = Start("executor", "PACKET executor, edited")


@dataclass
class Provider:
    """Answers both interfaces in this process, and keeps each request as the bytes that were sent."""

    turns: Sequence[Turn]
    requests: list[bytes] = field(default_factory=list)

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        number = len(self.requests)
        self.requests.append(request.read())
        make = _completion if request.url.path.endswith("/chat/completions") else _response
        return httpx2.Response(200, json=make(number, self.turns[number]), headers={"x-request-id": f"req_{number}"})


def _text_of(arguments: dict[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _response(number: int, said: Turn) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if said.thought:
        secret = f"gAAAAA{number}{said.thought}=="
        output.append({"id": f"rs_{number}", "type": "reasoning", "summary": [], "encrypted_content": secret})
    if said.text:
        # As a provider sends it: fields that the client does not know, and none for what is empty.
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        head = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed"}
        output.append({**head, "content": [part], "phase": "commentary"})
    for count, (tool, arguments) in enumerate(said.calls):
        ids = {"id": f"fc_{number}_{count}", "call_id": f"call_{number}_{count}", "status": "completed"}
        output.append({"type": "function_call", **ids, "name": tool, "arguments": _text_of(arguments)})
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    return {
        "id": f"resp_{number}", "object": "response", "created_at": 0, "model": "m", "status": "completed",
        "output": output, "usage": usage, "parallel_tool_calls": True, "tool_choice": "required", "tools": [],
    }  # fmt: skip


def _completion(number: int, said: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{count}",
                "type": "function",
                "function": {"name": tool, "arguments": _text_of(arguments)},
            }
            for count, (tool, arguments) in enumerate(said.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {
        "id": f"c{number}",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


@dataclass
class Done:
    """What a run has left behind."""

    outcome: Any
    requests: list[bytes]
    came: list[Any]
    asked: list[Any]
    log: list[str]
    """What the tools did."""
    judged: list[str]
    steps: list[str]
    events: list[tuple[str, dict[str, Any]]]


async def done(name: str, turns: Sequence[Turn], line: Line) -> tuple[Done, list[dict[str, Any]]]:
    """Run the lane with the model `name`, in as many parts as the line parks; return what each part left for the next.

    Nothing but that and the line outlives a part: agents, connections, models and engine are made anew.
    """
    provider, log, seen, order = Provider(turns), [], [], []
    left: list[dict[str, Any]] = []
    outcome: Any = None
    while outcome is None:
        engine = StoringEngine({}, order)
        async with connected(log) as client:
            model = openai_model(name, base_url="http://p.invalid/v1", api_key="k" * 20, http_client=provider.client())
            try:
                outcome = await run_lane(
                    None if left else "PACKET planner",
                    steps=line,
                    connections={
                        role: Connection(client, log, [], role=role, line=line, engine=engine) for role in ROLES
                    },
                    models=dict.fromkeys(ROLES, model),
                    events=Recorder(seen),
                    engine=engine,
                    budget=budget(model_calls=30),
                    saved=json.loads(json.dumps(left[-1])) if left else None,
                )
            except Parked as parked:
                assert parked.agents is not None
                left.append(parked.agents)
            except RunError as stop:
                outcome = (stop.code, str(stop))
    assert len(set(order)) == len(order)
    return Done(outcome, provider.requests, line.came, line.asked, log, line.judged, order, seen), left


ALL_WORK = (turn(PLANS), turn(REPORTS), turn(FINISHES))

STORIES: Mapping[str, tuple[int, Sequence[Turn], Mapping[str, Any]]] = {
    "plan yes": (1, ALL_WORK, {"answers": [YES]}),
    "plan edited": (1, ALL_WORK, {"answers": [EDITED]}),
    "plan no, then yes": (
        2, (turn(read("a")), turn(PLANS, text="My plan.", thought="t"), *ALL_WORK), {"answers": [Told("Smaller."), YES]}
    ),
    "plan with another call": (1, (turn(PLANS, read("a")), *ALL_WORK[1:]), {"answers": [YES]}),
    "planner yes": (1, (turn(read("ask 1"), thought="t"), *ALL_WORK), {"permits": [None]}),
    "planner no": (1, (turn(read("ask 1"), text="I look."), *ALL_WORK), {"permits": ["refused: no"]}),
    "planner kind": (
        1, (turn(read("ask 1")), turn(read("ask 2")), turn(PLANS), turn(REPORTS), turn(FINISHES)),
        {"permits": ["kind ask"]},
    ),
    "executor yes": (
        1, (turn(read("a")), turn(PLANS), turn(read("a"), thought="t"), turn(read("ask 1"), text="w", thought="t"),
            turn(read("b")), *ALL_WORK[1:]),
        {"permits": [None]},
    ),
    "executor no": (1, (turn(PLANS), turn(read("ask 1")), turn(read("b")), *ALL_WORK[1:]), {"permits": ["refused: n"]}),
    "executor kind of its answer": (
        1, (turn(PLANS), turn(read("ask 1"), read("ask 2")), *ALL_WORK[1:]), {"permits": ["kind ask"]},
    ),
    "reviewer yes": (1, (*ALL_WORK[:2], turn(read("ask 1"), thought="t"), ALL_WORK[2]), {"permits": [None]}),
    "reviewer no": (
        1, (*ALL_WORK[:2], turn(read("ask 1")), turn(REPAIRS), *ALL_WORK[1:]), {"permits": ["refused: n"]}
    ),
    "repairing executor": (
        2, (*ALL_WORK[:2], turn(REPAIRS), turn(read("ask 1")), turn(REPORTS), turn(read("ask 2")), ALL_WORK[2]),
        {"permits": [None, "refused: n"]},
    ),
    "first of three": (1, (turn(read("ask 1"), read("b"), read("c")), *ALL_WORK), {"permits": [None]}),
    "middle of three": (1, (turn(read("a"), read("ask 1"), read("c")), *ALL_WORK), {"permits": [None]}),
    "last of three": (1, (turn(read("a"), read("b"), read("ask 1")), *ALL_WORK), {"permits": [None]}),
    "middle of three, no": (1, (turn(read("a"), read("ask 1"), read("c")), *ALL_WORK), {"permits": ["refused: n"]}),
    "three of five": (
        3, (turn(PLANS), turn(read("ask 1"), read("b"), read("ask 2"), read("d"), read("ask 3")), *ALL_WORK[1:]),
        {"permits": [None, "refused: n", None]},
    ),
    "kind leaves the other to be asked": (
        2, (turn(read("ask x1"), read("ask y"), read("ask x2")), *ALL_WORK), {"permits": ["kind ask x", "refused: n"]}
    ),
    "with a handoff": (1, (turn(PLANS), turn(read("ask 1"), REPORTS), ALL_WORK[2]), {"permits": [None]}),
    "with a handoff before, no": (1, (turn(PLANS, read("ask 1")), *ALL_WORK[1:]), {"permits": ["refused: n"]}),
    "with a gated handoff": (2, (turn(PLANS, read("ask 1")), *ALL_WORK[1:]), {"permits": [None], "answers": [YES]}),
    "with a damaged handoff": (
        1, (turn(("transfer_to_executor", {}), read("ask 1")), *ALL_WORK), {"permits": [None]}
    ),
    "with the end of the review": (1, (*ALL_WORK[:2], turn(FINISHES, read("ask 1"))), {"permits": ["refused: n"]}),
    "with two endings": (
        1, (*ALL_WORK[:2], turn(FINISHES, read("ask 1"), REPAIRS), ALL_WORK[2]), {"permits": [None]}
    ),
    "with an unknown tool": (1, (turn(("rm", {}), read("ask 1")), *ALL_WORK), {"permits": [None]}),
    "with what is no object": (
        1, (turn(("read_file", "[1]"), read("ask 1"), ("read_file", "3")), *ALL_WORK), {"permits": [None]}
    ),
    "effect": (
        1, (turn(PLANS), turn(read("hold 1"), thought="t"), turn(read("b")), *ALL_WORK[1:]), {"effects": [Told("In.")]}
    ),
    "effect among others": (
        1, (turn(PLANS), turn(read("a"), read("hold 1"), read("c")), *ALL_WORK[1:]), {"effects": [Told("Undone.")]}
    ),
    "two effects": (
        2, (turn(PLANS), turn(read("hold 1")), turn(read("hold 2")), *ALL_WORK[1:]),
        {"effects": [Told("One."), Told("Two.")]},
    ),
    "effect and call of one answer": (
        2, (turn(PLANS), turn(read("hold 1"), read("ask 1"), read("c")), *ALL_WORK[1:]),
        {"permits": [None], "effects": [Told("In.")]},
    ),
    "allowed call with an effect": (
        2, (turn(PLANS), turn(read("ask 1"), read("hold 1")), turn(read("b")), *ALL_WORK[1:]),
        {"permits": [None], "effects": [Told("In.")]},
    ),
    "after a nudge": (
        1, (turn(read("a")), turn(text="Done."), turn(read("ask 1"), text="So.", thought="t"), *ALL_WORK),
        {"permits": [None]},
    ),
    "everything": (
        5, (turn(read("ask 1")), turn(PLANS), turn(PLANS), turn(read("ask 2"), read("hold 1"), thought="t"),
            *ALL_WORK[1:2], turn(REPAIRS), *ALL_WORK[1:]),
        {"permits": [None, None], "answers": [Told("Smaller."), YES], "effects": [Told("In.")]},
    ),
}  # fmt: skip

both_wires = pytest.mark.parametrize("wire", ["m", "chat/m"], ids=["responses", "chat"])


@both_wires
@pytest.mark.parametrize("story", STORIES)
async def test_a_run_left_at_its_questions_is_the_run_asked_in_place(story: str, wire: str) -> None:
    parks, turns, people = STORIES[story]
    line = {name: list(value) for name, value in people.items()}
    asked, _ = await done(wire, turns, Line(**line))
    line = {name: list(value) for name, value in people.items()}
    parked, left = await done(wire, turns, Line(**line, parks=True))

    assert len(left) == parks
    assert len(asked.requests) == len(turns)
    assert getattr(asked.outcome, "verdict", None) == "pass", asked.outcome
    assert parked == asked

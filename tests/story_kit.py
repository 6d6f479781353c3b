"""Runs of the lane as stories: what models say over either interface and what people answer, in one part or several."""

import asyncio
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from budget_kit import budget
from crew_kit import (
    CHANGES,
    PASS,
    PASSED_ON,
    PLAN,
    REPORT,
    ROLES,
    STOPPED,
    Connection,
    Line,
    Recorder,
    StoringEngine,
    connected,
)

from andon.agents.lane import run_lane
from andon.agents.models import openai_model
from andon.agents.replies import Repairable, Start, Told
from andon.records.errors import RunError
from andon.records.parked import Parked

Call = tuple[str, dict[str, Any] | str]


@dataclass(frozen=True)
class Turn:
    """One answer of the model: thoughts and words, then calls."""

    calls: tuple[Call, ...] = ()
    text: str = ""
    thought: str = ""
    busy: bool = False
    """Asked for the first time, the provider has no time."""
    without: tuple[str, ...] = ()
    """Fields that the provider leaves out of each item."""
    nulls: tuple[str, ...] = ()
    """Fields that it sends as null in each item."""


def turn(*calls: Call, **said: Any) -> Turn:
    return Turn(calls, **said)


def read(path: str) -> Call:
    return "read_file", {"path": path}


PLANS: Call = ("transfer_to_executor", PLAN)
REPORTS: Call = ("transfer_to_reviewer", REPORT)
REPAIRS: Call = ("hand_back", CHANGES)
FINISHES: Call = ("finish_review", PASS)
PASSES_ON: Call = ("pass_on", PASSED_ON)
STOPS: Call = ("pass_on", STOPPED)
YES = Start("executor", "PACKET executor")
EDITED = Start("executor", "PACKET executor, edited")


@dataclass
class Provider:
    """Answers both interfaces in this process, and keeps each request as the bytes that were sent."""

    turns: Sequence[Turn]
    given: int
    """Turns given so far."""
    requests: list[tuple[int, bytes]]
    """Which turn was asked for, and how."""

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        number, turn = self.given, self.turns[self.given]
        self.requests.append((number, request.read()))
        if turn.busy and sum(asked == number for asked, _ in self.requests) == 1:
            return httpx2.Response(429, json={"error": {"message": "slow down"}}, headers={"retry-after-ms": "1"})
        self.given += 1
        chat = request.url.path.endswith("/chat/completions")
        document = _completion(number, turn) if chat else _response(number, turn)
        for item in document.get("output", []):
            for name in turn.without:
                item.pop(name, None)
            item.update(dict.fromkeys(turn.nulls))
        return httpx2.Response(200, json=document, headers={"x-request-id": f"req_{number}"})


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
    """What a run has done so far, in as many parts as it was left and gone on with."""

    line: Line
    outcome: Any = None
    """The review or the stop; None as long as a person is needed."""
    left: list[str] = field(default_factory=list)
    """What each part left for the next, as JSON text."""
    requests: list[tuple[int, bytes]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """What the tools did."""
    stored: dict[str, str] = field(default_factory=dict)
    """What is kept of the steps."""
    order: list[str] = field(default_factory=list)
    """The steps begun, in order."""
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """Answers of a model among the steps that are kept."""
        return sum(name.startswith("model:") for name in self.stored)


async def work(wire: str, turns: Sequence[Turn], done: Done) -> Done:
    """Have the lane work on from where `done` stands until it ends or parks.

    Nothing but `done` outlives a part: agents, connections, models and engine are made anew.
    """
    provider = Provider(turns, done.answers, done.requests)
    engine = StoringEngine(done.stored, done.order)
    async with connected(done.log) as client:
        model = openai_model(wire, base_url="http://p.invalid/v1", api_key="k" * 20, http_client=provider.client())
        try:
            done.outcome = await run_lane(
                None if done.left else "PACKET planner",
                steps=done.line,
                connections={
                    role: Connection(client, done.log, [], role=role, line=done.line, engine=engine) for role in ROLES
                },
                models=dict.fromkeys(ROLES, model),
                events=Recorder(done.events),
                engine=engine,
                budget=budget(model_calls=500),
                saved=json.loads(done.left[-1]) if done.left else None,
                reviewers=done.line.reviewers,
            )
        except Parked as parked:
            done.left.append(json.dumps(parked.agents))
        except RunError as stop:
            done.outcome = (stop.code, str(stop))
        finally:
            await model.close()
    return done


def work_here(wire: str, turns: Sequence[Turn], done: Done) -> Done:
    """The same, for a process of its own."""
    return asyncio.run(work(wire, turns, done))


async def whole(wire: str, turns: Sequence[Turn], line: Line) -> Done:
    """Run the lane to its end, in one part or more."""
    done = Done(line)
    while done.outcome is None:
        done = await work(wire, turns, done)
    assert len(set(done.order)) == len(done.order), "a step was begun twice"
    return done


ALL_WORK = (turn(PLANS), turn(REPORTS), turn(FINISHES))


@dataclass(frozen=True)
class Story:
    """What the model says and what people answer; it ends in a review that passes."""

    parks: int
    """Questions in it."""
    turns: Sequence[Turn]
    people: Mapping[str, Any]

    def line(self, parks: bool = False) -> Line:
        """A line that answers so; with `parks` somebody else has to, elsewhere."""
        return Line(**{name: copy.deepcopy(value) for name, value in self.people.items()}, parks=parks)


_STORIES: Mapping[str, tuple[int, Sequence[Turn], Mapping[str, Any]]] = {
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
    "a specialised reviewer": (
        2, (*ALL_WORK[:2], turn(read("ask 1"), text="w", thought="t"), turn(PASSES_ON), turn(read("a")),
            turn(read("ask 2"), PASSES_ON), ALL_WORK[2]),
        {"permits": [None, "refused: n"], "reviewers": ("security", "tests")},
    ),
    "a specialised reviewer that stops a change": (
        2, (*ALL_WORK[:2], turn(PASSES_ON), turn(text="Hm."), turn(read("ask 1"), STOPS), turn(REPAIRS), turn(REPORTS),
            turn(PASSES_ON), turn(PASSES_ON), turn(read("ask 2")), ALL_WORK[2]),
        {"permits": [None, None], "reviewers": ("release-notes", "tests")},
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
    "a server that leaves out what is usual": (
        2, (turn(read("a"), text="w", without=("id",)), turn(PLANS),
            turn(read("ask 1"), text="w", thought="t", without=("id", "summary"), nulls=("status",)),
            turn(read("b"), thought="t", without=("summary",)), turn(read("hold 1"), text="w", without=("role",)),
            *ALL_WORK[1:]),
        {"permits": [None], "effects": [Told("In.")]},
    ),
    "repairs": (
        1, (turn(read("a"), busy=True), turn(("transfer_to_executor", {"summary": ""})), turn(PLANS), turn(PLANS),
            turn(text="Hm."), turn(read("ask 1"), read("b"), busy=True), turn(REPORTS), turn(REPAIRS, FINISHES),
            turn(FINISHES), turn(REPAIRS), turn(REPORTS), turn(FINISHES)),
        {"permits": ["refused: n"], "raises": {
            "plan_ready": [Repairable("Smaller.")], "review_finished": [Repairable("Look again.")]}},
    ),
}  # fmt: skip
STORIES: Mapping[str, Story] = {name: Story(*parts) for name, parts in _STORIES.items()}

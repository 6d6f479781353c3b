"""Long runs: the SDK's runner is begun anew every few turns, and no model is sent anything else for it."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import RunContextWrapper, TResponseInputItem
from agents.items import TResponseOutputItem
from agents.testing import ScriptedModel, assistant_message, function_call
from budget_kit import budget
from crew_kit import CHANGES, PASS, PLAN, REPORT, ROLES, Connection, Line, Recorder, StoringEngine, connected
from mcp import Client
from mcp_types import Tool
from story_kit import ALL_WORK, read, turn, whole

from andon.agents import turns
from andon.agents.elision import HISTORY_BYTES
from andon.agents.history import History
from andon.agents.lane import run_lane
from andon.records.errors import RunError
from andon.records.stops import StopCode

NEVER = 10**9
LARGE = "x" * 9_000


class Counting(Connection):
    """Notes which runner asks for the tools, which each does once a turn."""

    def __init__(self, client: Client, runners: list[Any]) -> None:
        super().__init__(client, [], [])
        self._runners = runners

    async def list_tools(self, run_context: RunContextWrapper[Any] | None = None, agent: Any = None) -> list[Tool]:
        self._runners.append(run_context)
        return await super().list_tools(run_context, agent)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with connected([]) as opened:
        yield opened


def calls(*made: tuple[str, Any]) -> list[TResponseOutputItem]:
    return [
        function_call(tool, json.dumps(arguments), call_id=f"{tool}-{json.dumps(arguments)[:40]}-{number}")
        for number, (tool, arguments) in enumerate(made)
    ]


def reads(count: int, text: str) -> list[list[TResponseOutputItem]]:
    return [calls(("read_file", {"path": f"{number} {text}"})) for number in range(count)]


STORY = [
    *reads(9, "planner"),
    [assistant_message("What now?")],
    calls(("transfer_to_executor", {**PLAN, "steps": []})),
    calls(("read_file", {"path": "b"}), ("transfer_to_executor", PLAN)),
    *reads(40, LARGE),
    calls(("transfer_to_reviewer", REPORT)),
    *reads(3, "reviewer"),
    calls(("hand_back", CHANGES)),
    *reads(12, "repair"),
    calls(("transfer_to_reviewer", {**REPORT, "summary": "Repaired."})),
    calls(("finish_review", PASS)),
]
"""Every way in which a turn ends, and more of them than the runner is left with."""


async def sent(client: Client, every: int, monkeypatch: pytest.MonkeyPatch, runners: list[Any]) -> list[str]:
    """What models were sent, to the byte, where the runner is begun anew after `every` turns."""
    monkeypatch.setattr(turns, "TURNS", every)
    model, seen = ScriptedModel([*STORY]), Recorder([])
    await run_lane(
        "PACKET planner", steps=Line(), connections={role: Counting(client, runners) for role in ROLES},
        models=dict.fromkeys(ROLES, model), events=seen, engine=StoringEngine({}), budget=budget(),
    )  # fmt: skip
    model.assert_complete()
    return [json.dumps([call.system_instructions, call.input]) for call in model.calls]


@pytest.mark.parametrize("every", [1, 2, 3, 8])
async def test_models_are_sent_the_same_wherever_the_runner_is_begun_anew(
    every: int, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one, in_parts = list[Any](), list[Any]()
    assert await sent(client, every, monkeypatch, in_parts) == await sent(client, NEVER, monkeypatch, in_one)
    turns_each = [max(Counter(map(id, runners)).values()) for runners in (in_parts, in_one)]
    assert (turns_each[0], turns_each[1] > 40) == (every, True)


async def test_what_is_sent_of_a_long_conversation_in_parts_is_shortened_and_no_place_holder_is_in_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = await sent(client, 8, monkeypatch, [])
    assert max(map(len, requests)) > HISTORY_BYTES
    assert any("were left out to make room" in request for request in requests)
    assert not any("what was said before" in request for request in requests)


@pytest.mark.parametrize("wire", ["m", "chat/m"])
async def test_a_run_left_at_calls_after_many_turns_is_the_run_asked_in_place(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURNS", 3)
    story = (
        *[turn(read(f"page-{number}")) for number in range(7)],
        turn(read("ask-1")),
        *[turn(read(f"more-{number}")) for number in range(4)],
        turn(read("ask-2"), read("ask-3")),
        *ALL_WORK,
    )

    asked = await whole(wire, story, Line(permits=[None, "no", None]))
    parked = await whole(wire, story, Line(permits=[None, "no", None], parks=True))

    assert (len(asked.left), len(parked.left)) == (0, 3)
    assert (parked.requests, parked.outcome, parked.log) == (asked.requests, asked.outcome, asked.log)
    assert not any("what was said before" in left for left in parked.left)


def test_a_conversation_that_was_forgotten_is_not_gone_on_with() -> None:
    def packet(text: str) -> list[TResponseInputItem]:
        return [{"role": "user", "content": text}]

    history = History()
    first = history.put_away(packet("PACKET 1"))
    second = history.put_away(packet("PACKET 2"))

    assert history.sent([*second, *packet("more")], whole=True) == [*packet("PACKET 2"), *packet("more")]
    for use in (history.put_away, history.whole, lambda items: history.sent(items, whole=True)):
        with pytest.raises(RunError) as caught:
            use([*first, *packet("more")])
        assert caught.value.code is StopCode.INTERNAL

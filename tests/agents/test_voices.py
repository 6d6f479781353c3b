"""What a person says while agents work: read between two turns, before anything is handed over, and never lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents import Runner
from agents.mcp import MCPServer
from agents.testing import ModelCall, ScriptedModel, function_call
from budget_kit import budget
from crew_kit import PASS, PLAN, REPORT, ROLES, Line

from andon.agents.lane import run_lane
from andon.agents.replies import Told
from andon.records.calls import Role
from andon.records.events import Events
from andon.records.plan import PlanPayload
from andon.records.ports import Steps

READ = ("read_file", {"path": "page.py"})
PLANS, REPORTS, FINISHES = ("transfer_to_executor", PLAN), ("transfer_to_reviewer", REPORT), ("finish_review", PASS)


@dataclass
class Person:
    """Says something once a turn has come, and is heard once."""

    says: dict[int, str] = field(default_factory=dict)
    """What is said in which turn."""
    looks: int = 0
    heard_by: list[tuple[int, Role]] = field(default_factory=list)

    async def said(self, turn: int) -> bool:
        self.looks += 1
        return any(one <= turn for one in self.says)

    async def heard(self, turn: int, role: Role) -> str:
        due = [one for one in self.says if one <= turn]
        self.heard_by += [(turn, role)] * bool(due)
        return " ".join(self.says.pop(one) for one in due)


@dataclass
class Late(Line):
    """While it takes the plan, the person says something."""

    person: Person = field(default_factory=Person)

    async def plan_ready(self, plan: PlanPayload) -> str:
        if not self.came:
            self.person.says[1] = "Smaller."
        return await super().plan_ready(plan)


@dataclass
class Lane:
    connections: Mapping[Role, MCPServer]
    events: Events
    engine: Steps
    line: Line = field(default_factory=Line)

    async def run(self, turns: Sequence[Sequence[tuple[str, dict[str, Any]]]], person: Person) -> list[ModelCall]:
        answers = [
            [
                function_call(tool, arguments, call_id=f"c{number}-{count}")
                for count, (tool, arguments) in enumerate(calls)
            ]
            for number, calls in enumerate(turns)
        ]
        model = ScriptedModel(answers)
        review = await run_lane(
            "PACKET planner", steps=self.line, connections=self.connections, models=dict.fromkeys(ROLES, model),
            events=self.events, engine=self.engine, budget=budget(), voices=person,
        )  # fmt: skip
        model.assert_complete()
        assert review.verdict == "pass"
        return list(model.calls)


@pytest.fixture
def lane(connections: dict[Role, MCPServer], events: Events, engine: Steps) -> Lane:
    return Lane(connections, events, engine)


def last(call: ModelCall) -> Any:
    """The last thing a model was told."""
    assert isinstance(call.input, list)
    item: Any = call.input[-1]
    return item.get("content") or item["output"]


async def test_it_is_read_after_the_turn_in_which_it_was_said_with_all_calls_of_the_turn_made(lane: Lane) -> None:
    person = Person({2: "Keep the old name."})
    calls = await lane.run([[PLANS], [READ, READ], [REPORTS], [FINISHES]], person)
    assert person.heard_by == [(2, "executor")]
    assert last(calls[2]) == "Keep the old name."
    assert [item.get("type", item.get("role")) for item in calls[2].input] == [
        "user", "function_call", "function_call", "function_call_output", "function_call_output", "user",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("turn", "turns"),
    [
        (1, [[PLANS], [PLANS], [REPORTS], [FINISHES]]),
        (2, [[PLANS], [REPORTS], [REPORTS], [FINISHES]]),
        (3, [[PLANS], [REPORTS], [FINISHES], [FINISHES]]),
    ],
    ids=["plan", "report", "review"],
)
async def test_nothing_is_handed_over_before_it_is_read(lane: Lane, turn: int, turns: Any) -> None:
    person = Person({turn: "Also the changelog."})
    calls = await lane.run(turns, person)
    assert last(calls[turn]) == "Also the changelog."
    assert "A person has said something" in str(calls[turn].input[-2])
    assert len(lane.line.came) == 3


async def test_what_is_said_just_after_a_handover_is_read_by_the_receiver_after_its_first_turn(lane: Lane) -> None:
    lane.line = Late(person=(person := Person()))
    calls = await lane.run([[PLANS], [READ], [REPORTS], [FINISHES]], person)
    assert person.heard_by == [(2, "executor")]
    assert [last(call) for call in calls[:3]] == ["PACKET planner", "PACKET executor", "Smaller."]


async def test_it_is_read_with_the_answer_to_a_question_that_was_open(lane: Lane) -> None:
    lane.line = Late(answers=[Told("Mend the plan.")], person=(person := Person()))
    calls = await lane.run([[PLANS], [PLANS], [REPORTS], [FINISHES]], person)
    assert last(calls[1]) == "Mend the plan.\n\nSmaller."


async def test_where_nobody_says_anything_models_are_sent_what_they_are_sent_without_voices(lane: Lane) -> None:
    turns = [[PLANS], [READ], [REPORTS], [FINISHES]]
    person = Person()
    calls = await lane.run(turns, person)
    assert person.looks > 0
    assert [last(call) for call in calls[:2]] == ["PACKET planner", "PACKET executor"]
    assert len(calls) == len(turns)


@dataclass
class OutOfReach(Person):
    """What is said is seen once, as a runner begins, and cannot be looked at any more after that."""

    runners: int = 0

    async def said(self, turn: int) -> bool:
        return turn == 1 and self.runners == 2

    async def heard(self, turn: int, role: Role) -> str:
        return ""


async def test_an_agent_that_was_handed_to_meanwhile_begins_with_its_packet(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, begin = OutOfReach(), Runner.run_streamed

    def counted(*given: Any, **more: Any) -> Any:
        person.runners += 1
        return begin(*given, **more)

    monkeypatch.setattr(Runner, "run_streamed", counted)
    monkeypatch.setattr("andon.agents.turns.TURNS", 1)
    calls = await lane.run([[READ], [PLANS], [REPORTS], [FINISHES]], person)
    assert [call.input[0]["content"] for call in calls[2:]] == ["PACKET executor", "PACKET reviewer"]

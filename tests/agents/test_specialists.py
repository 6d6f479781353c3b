"""Specialised reviewers in the lane: who looks when, what each sees, and how each may end its look."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents.mcp import MCPServer
from agents.testing import ModelCall, ScriptedModel, assistant_message, function_call
from budget_kit import budget
from crew_kit import CHANGES, MUST_FIX, NOTE, PASS, PASSED_ON, PLAN, REPORT, ROLES, STOPPED, Line
from story_kit import ALL_WORK, FINISHES, PASSES_ON, Done, read, turn, whole, work

from andon.agents.lane import run_lane
from andon.agents.replies import Repairable
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import EventKind, Events
from andon.records.ports import Steps
from andon.records.review import Finding, Review, Specialist, SpecialistReview
from andon.records.stops import StopCode

BOTH: tuple[Specialist, ...] = ("security", "tests")


@dataclass
class Factory:
    """A lane with specialised reviewers, and what it left behind."""

    connections: dict[Role, MCPServer]
    events: Events
    engine: Steps
    seen: list[tuple[str, dict[str, Any]]]
    line: Line = field(default_factory=Line)
    calls: Sequence[ModelCall] = ()
    _number: int = 0

    async def run(self, *answers: Any, reviewers: Sequence[Specialist] = BOTH) -> Review:
        """Run the lane; an answer is a text, a pair of tool and payload, or a list of those."""
        model = ScriptedModel([self._answer(one) for one in answers])
        try:
            review = await run_lane(
                "PACKET planner",
                steps=self.line,
                connections=self.connections,
                models=dict.fromkeys(ROLES, model),
                events=self.events,
                engine=self.engine,
                budget=budget(model_calls=30),
                reviewers=reviewers,
            )
        finally:
            self.calls = model.calls
        model.assert_complete()
        return review

    async def stop(self, *answers: Any) -> tuple[StopCode, str]:
        with pytest.raises(RunError) as caught:
            await self.run(*answers)
        return caught.value.code, str(caught.value)

    def of(self, kind: EventKind) -> list[dict[str, Any]]:
        return [data for emitted, data in self.seen if emitted == kind]

    def _answer(self, said: Any) -> list[Any]:
        if isinstance(said, str):
            return [assistant_message(said)]
        return [self._call(*one) for one in (said if isinstance(said, list) else [said])]

    def _call(self, tool: str, payload: Mapping[str, Any]) -> Any:
        self._number += 1
        return function_call(tool, json.dumps(payload), call_id=f"call_{self._number}")


@pytest.fixture
def factory(
    connections: dict[Role, MCPServer], events: Events, engine: Steps, seen: list[tuple[str, dict[str, Any]]]
) -> Factory:
    return Factory(connections, events, engine, seen)


PLANS, REPORTS = ("transfer_to_executor", PLAN), ("transfer_to_reviewer", REPORT)
ON, STOPS = ("pass_on", PASSED_ON), ("pass_on", STOPPED)
CHANGED, PASSED = ("hand_back", CHANGES), ("finish_review", PASS)


def who(call: ModelCall) -> str:
    return " ".join(str(call.system_instructions).split()[3:5])


def offered(call: ModelCall) -> list[str]:
    """The endings that a call of the model was shown."""
    return [*(tool.name for tool in call.tools if tool.name != "read_file"), *(one.tool_name for one in call.handoffs)]


def said_of(call: ModelCall) -> list[str]:
    found = [item["output"] for item in call.input if item.get("type") == "function_call_output"]
    return [item if isinstance(item, str) else item[0]["text"] for item in found]


def packets(calls: Sequence[ModelCall]) -> list[tuple[str, str]]:
    """Who started from what."""
    return [(who(call), call.input[0]["content"]) for call in calls if len(call.input) == 1]


async def test_they_look_one_after_the_other_each_from_its_own_packet_and_the_reviewer_last(factory: Factory) -> None:
    review = await factory.run(PLANS, REPORTS, ("read_file", {"path": "a"}), ON, ON, PASSED)

    assert review.verdict == "pass"
    assert packets(factory.calls) == [
        ("planner of", "PACKET planner"),
        ("executor of", "PACKET executor"),
        ("security reviewer", "PACKET reviewer"),
        ("tests reviewer", "PACKET after security"),
        ("reviewer of", "PACKET after tests"),
    ]
    note = Finding.model_validate(NOTE)
    assert factory.line.came[2:4] == [
        SpecialistReview(who=name, summary="Nothing to attack.", findings=[note]) for name in BOTH
    ]
    assert [offered(call) for call in factory.calls[2:]] == [
        ["pass_on"], ["pass_on"], ["pass_on"], ["finish_review", "hand_back"]
    ]  # fmt: skip


async def test_they_play_the_reviewers_role_and_events_name_them(factory: Factory, stored: dict[str, str]) -> None:
    await factory.run(PLANS, REPORTS, ON, PASSED, reviewers=["release-notes"])

    assert list(stored) == ["model:planner:1", "model:executor:1", "model:reviewer:1", "model:reviewer:2"]
    assert factory.of("handoff")[1:] == [
        {"source": "executor", "target": "release-notes reviewer", "tool": "transfer_to_reviewer"},
        {"source": "release-notes reviewer", "target": "reviewer", "tool": "pass_on"},
    ]
    assert factory.of("agent.started")[2:] == [
        {"role": "reviewer", "agent": "release-notes reviewer"},
        {"role": "reviewer"},
    ]


async def test_what_one_finds_that_must_be_fixed_goes_back_after_all_have_looked(factory: Factory) -> None:
    nothing = ("hand_back", {**CHANGES, "findings": []})
    review = await factory.run(PLANS, REPORTS, STOPS, ON, nothing, REPORTS, ON, ON, PASSED)

    assert review.verdict == "pass"
    assert [name.partition(" ")[0] for name, _ in packets(factory.calls)] == [
        "planner", "executor", "security", "tests", "reviewer", "executor", "security", "tests", "reviewer",
    ]  # fmt: skip
    assert packets(factory.calls)[5] == ("executor of", "PACKET repair")
    must_fix = Finding.model_validate(MUST_FIX)
    assert factory.line.came[2] == SpecialistReview(who="security", summary="It can be attacked.", findings=[must_fix])


async def test_the_reviewer_cannot_pass_what_one_of_them_stops(factory: Factory) -> None:
    failed = ("finish_review", {**PASS, "verdict": "fail"})
    review = await factory.run(PLANS, REPORTS, STOPS, STOPS, PASSED, failed)

    assert review.verdict == "fail"
    assert said_of(factory.calls[5]) == [
        "Refused: what the tests reviewer and the security reviewer found must be fixed first. Call hand_back if you "
        "are offered it, else finish_review with fail."
    ]


async def test_without_them_nobody_is_offered_to_pass_on(factory: Factory) -> None:
    await factory.run(PLANS, REPORTS, PASSED, reviewers=[])

    assert [offered(call) for call in factory.calls] == [
        ["transfer_to_executor"], ["transfer_to_reviewer"], ["finish_review", "hand_back"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tool", "payload", "said"),
    [
        (
            "pass_on",
            {**PASSED_ON, "verdict": "pass", "summary": ""},
            "Refused: the arguments do not fit. Mend these and call again:\n"
            "- summary: String should have at least 1 character (expected: a text)\n"
            "- verdict: Extra inputs are not permitted",
        ),
    ],
)
async def test_a_payload_that_does_not_fit_goes_back(
    factory: Factory, tool: str, payload: dict[str, Any], said: str
) -> None:
    await factory.run(PLANS, REPORTS, (tool, payload), ON, ON, PASSED)

    assert (who(factory.calls[3]), said_of(factory.calls[3])) == ("security reviewer", [said])
    assert factory.of("handoff.refused") == [{"role": "reviewer", "tool": tool, "reason": said}]
    assert len(factory.line.came) == 5


async def test_what_the_line_calls_repairable_goes_back_word_for_word(factory: Factory) -> None:
    factory.line.raises["specialist_says"] = [Repairable("line 9 of a.py is not in the diff")]

    await factory.run(PLANS, REPORTS, STOPS, ON, ON, PASSED)

    assert said_of(factory.calls[3]) == ["line 9 of a.py is not in the diff"]


async def test_two_endings_in_one_answer_are_refused(factory: Factory) -> None:
    await factory.run(PLANS, REPORTS, [ON, STOPS], ON, ON, PASSED)

    # The runner takes the first handoff of an answer and says so of the others.
    assert said_of(factory.calls[3]) == [
        "Multiple handoffs detected, ignoring this one.",
        "Refused: one answer called pass_on and pass_on. Call exactly one of them, once.",
    ]
    assert len(factory.line.came) == 5


@pytest.mark.parametrize("call", [PASSED, CHANGED])
async def test_one_cannot_end_the_run_or_hand_back(factory: Factory, call: tuple[str, dict[str, Any]]) -> None:
    await factory.run(PLANS, REPORTS, call, ON, ON, PASSED)

    assert said_of(factory.calls[3]) == [f"There is no tool {call[0]!r}. Call one of the tools you were given."]


async def test_the_third_refusal_in_a_row_ends_the_run_and_names_it(factory: Factory) -> None:
    stop = await factory.stop(PLANS, REPORTS, ON, *[("pass_on", {})] * 3)

    assert stop == (
        StopCode.MODEL_MISBEHAVED,
        "The tests reviewer's call of pass_on was refused 3 times; audit.jsonl says why.",
    )


async def test_text_is_nudged_with_its_own_endings_and_a_second_one_ends_the_run(factory: Factory) -> None:
    stop = await factory.stop(PLANS, REPORTS, "Looks fine.", "Fine.")

    assert factory.calls[3].input[-1]["content"] == (
        "Nobody reads text here. Go on with tool calls; when your work is complete, call `pass_on`."
    )
    assert stop == (
        StopCode.MODEL_MISBEHAVED,
        "The security reviewer answered twice without a tool call where one was due (`pass_on`); audit.jsonl has its "
        "words.",
    )


async def test_in_the_last_review_nobody_is_offered_to_hand_back(factory: Factory) -> None:
    factory.line.rounds = 2

    await factory.run(PLANS, REPORTS, ON, ON, CHANGED, REPORTS, ON, "Text.", ON, "Text.", PASSED)

    assert [offered(call) for call in factory.calls[2:5]] == [["pass_on"]] * 2 + [["finish_review", "hand_back"]]
    assert [offered(call) for call in factory.calls[6:]] == [["pass_on"]] * 3 + [["finish_review"]] * 2
    nudges = [factory.calls[at].input[-1]["content"] for at in (8, 10)]
    assert [nudge.rpartition(", ")[2] for nudge in nudges] == ["call `pass_on`.", "call `finish_review`."]


async def test_a_call_that_is_closed_is_answered_twice_and_then_ends_the_run(factory: Factory) -> None:
    factory.line.rounds = 1

    with pytest.raises(RunError) as caught:
        await factory.run(PLANS, REPORTS, CHANGED, CHANGED, CHANGED, reviewers=())

    assert str(caught.value) == "The reviewer's call of hand_back was refused 3 times; audit.jsonl says why."
    assert said_of(factory.calls[4]) == ["There is no tool 'hand_back'. Call one of the tools you were given."] * 2
    assert {event["reason"] for event in factory.of("handoff.refused")} == {
        "no review is left in which a repair could be judged"
    }


async def _left() -> tuple[Done, dict[str, Any]]:
    """A run that was left while the tests reviewer waits for a person."""
    turns = (*ALL_WORK[:2], turn(PASSES_ON), turn(read("ask 1")), turn(PASSES_ON), turn(FINISHES))
    parked = await work("m", turns, Done(Line(permits=[None], parks=True, reviewers=BOTH)))
    return parked, json.loads(parked.left[-1])


async def test_who_waits_is_named_beside_the_role(factory: Factory) -> None:
    _, left = await _left()

    assert (left["role"], left["agent"], left["state"]["current_agent"]["name"]) == (
        "reviewer", "tests reviewer", "tests reviewer",
    )  # fmt: skip


async def test_a_run_whose_waiting_reviewer_is_not_there_any_more_stops(factory: Factory) -> None:
    parked, _ = await _left()
    parked.line.reviewers = ("security",)

    gone = await work("m", (), parked)

    assert gone.outcome[0] is StopCode.INTERNAL
    assert "there is no tests reviewer here" in gone.outcome[1]


async def test_what_a_version_without_them_left_is_gone_on_from() -> None:
    turns = (*ALL_WORK[:2], turn(read("ask 1")), turn(FINISHES))
    parked = await work("m", turns, Done(Line(permits=[None], parks=True)))
    left = json.loads(parked.left[-1])
    del left["agent"]
    parked.left.append(json.dumps(left))

    assert (await work("m", turns, parked)).outcome.verdict == "pass"


async def test_a_run_left_between_two_of_them_is_the_run_that_was_not_left() -> None:
    turns = (*ALL_WORK[:2], turn(PASSES_ON), turn(read("ask 1")), turn(PASSES_ON), turn(FINISHES))
    asked = await whole("m", turns, Line(permits=[None], reviewers=BOTH))
    parked = await whole("m", turns, Line(permits=[None], parks=True, reviewers=BOTH))

    assert len(parked.left) == 1
    assert (parked.requests, parked.line.came, parked.stored) == (asked.requests, asked.line.came, asked.stored)

"""Agents that are left at a question and gone on with elsewhere: each model is sent what it would have been sent."""

import asyncio
import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from crew_kit import Line
from story_kit import ALL_WORK, STORIES, Done, Turn, read, turn, whole, work, work_here

from andon.records.stops import StopCode

both_wires = pytest.mark.parametrize("wire", ["m", "chat/m"], ids=["responses", "chat"])


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)


def facts(done: Done) -> dict[str, Any]:
    """What must not depend on where and when a person answered."""
    line = done.line
    return {
        "outcome": done.outcome,
        "requests": done.requests,
        "steps": done.order,
        "stored": done.stored,
        "tools": done.log,
        # What was spent before a part began is told by a budget that these parts do not share.
        "events": [(kind, {**data, "so_far": None}) for kind, data in done.events],
        "line": (line.came, line.asked, line.judged, line.kinds),
    }


@both_wires
@pytest.mark.parametrize("name", STORIES)
async def test_a_run_left_at_its_questions_is_the_run_asked_in_place(name: str, wire: str) -> None:
    story = STORIES[name]

    asked = await whole(wire, story.turns, story.line())
    parked = await whole(wire, story.turns, story.line(parks=True))

    assert asked.outcome.verdict == "pass"
    assert len({number for number, _ in asked.requests}) == len(story.turns)
    assert (len(asked.left), len(parked.left)) == (0, story.parks)
    assert facts(parked) == facts(asked)


async def test_every_part_may_be_in_a_process_of_its_own() -> None:
    story = STORIES["effect and call of one answer"]
    asked = await whole("m", story.turns, story.line())

    parked = await work("m", story.turns, Done(story.line(parks=True)))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        while parked.outcome is None:
            part = processes.submit(work_here, "m", story.turns, parked)
            parked = await asyncio.wrap_future(part)

    assert len(parked.left) == story.parks == 2
    assert facts(parked) == facts(asked)


@pytest.mark.parametrize("name", ["plan yes", "three of five", "effect and call of one answer"])
async def test_a_run_gone_on_with_before_there_is_an_answer_leaves_the_same_again(name: str) -> None:
    story = STORIES[name]
    asked = await whole("m", story.turns, story.line())
    parked = await work("m", story.turns, Done(story.line(parks=True)))
    for _ in range(2):
        # As if nobody had been asked yet.
        parked.line.parks, parked.line.left = True, False
        parked = await work("m", story.turns, parked)

    first, *others = [json.loads(left) for left in parked.left]
    assert others == [first, first]
    parked.line.left = True
    while parked.outcome is None:
        parked = await work("m", story.turns, parked)
    assert facts(parked) == facts(asked)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        (
            (turn(text="Done."), turn(read("ask")), turn(text="Done.")),
            "The planner answered twice without a tool call where one was due (`transfer_to_executor`); "
            "audit.jsonl has its words.",
        ),
        (
            (*[turn(("transfer_to_executor", {}))] * 2, turn(read("ask")), turn(("transfer_to_executor", {}))),
            "The planner's call of transfer_to_executor was refused 3 times; audit.jsonl says why.",
        ),
    ],
    ids=["nudged", "refused"],
)
async def test_what_a_role_did_wrong_before_the_question_still_counts(turns: Sequence[Turn], message: str) -> None:
    parked = await whole("m", turns, Line(permits=[None], parks=True))

    assert (len(parked.left), parked.outcome) == (1, (StopCode.MODEL_MISBEHAVED, message))


async def test_what_is_left_holds_the_conversation_once() -> None:
    text = "x" * 2000
    turns = (*[turn(read(f"{number} {text}"), thought=text) for number in range(20)], turn(read("ask")), *ALL_WORK)

    parked = await whole("m", turns, Line(permits=[None], parks=True))

    sent = parked.requests[20][1]
    assert len(sent) > 100_000
    assert len(parked.left[0]) < 1.2 * len(sent)


def _older(left: dict[str, Any]) -> None:
    left["schema_version"] = 0


def _odd(left: dict[str, Any]) -> None:
    left["mood"] = "good"


def _nothing(left: dict[str, Any]) -> None:
    left["state"] = None


def _other_schema(left: dict[str, Any]) -> None:
    left["state"]["$schemaVersion"] = "9.0"


def _other_role(left: dict[str, Any]) -> None:
    left["state"]["current_agent"]["name"] = "auditor"


def _without_a_part(left: dict[str, Any]) -> None:
    del left["state"]["generated_items"]


def _call_damaged(left: dict[str, Any]) -> None:
    left["state"]["generated_items"][0]["raw_item"]["arguments"] = "{}"


def _output_gone(left: dict[str, Any]) -> None:
    for items in ("generated_items", "session_items"):
        left["state"][items] = [item for item in left["state"][items] if item["type"] != "tool_call_output_item"]


def _question_gone(left: dict[str, Any]) -> None:
    left["state"]["current_step"] = None


def _item_of_nobody(left: dict[str, Any]) -> None:
    left["state"]["generated_items"][-1]["agent"]["name"] = "auditor"


@pytest.mark.parametrize(
    "damage",
    [
        _older, _odd, _nothing, _other_schema, _other_role, _without_a_part, _call_damaged, _output_gone,
        _question_gone, _item_of_nobody,
    ],
)  # fmt: skip
async def test_what_cannot_be_gone_on_from_stops_before_anybody_is_asked(
    damage: Callable[[dict[str, Any]], None],
) -> None:
    story = STORIES["middle of three"]
    parked = await work("m", story.turns, Done(story.line(parks=True)))
    left = json.loads(parked.left[-1])
    damage(left)
    before = (list(parked.requests), list(parked.log), list(parked.order), list(parked.events))

    parked.left.append(json.dumps(left))
    parked = await work("m", story.turns, parked)

    code, message = parked.outcome
    assert code is StopCode.INTERNAL
    assert message.startswith("The run cannot go on from where it waited: ")
    assert message.endswith("Run the task again.")
    assert (parked.requests, parked.log, parked.order, parked.events) == before
    assert parked.line.asked == []

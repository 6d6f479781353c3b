"""Whole runs of the lane at a provider that fails and answers damaged: over every interface each fault is asked again,
mended with the model, or ends in a typed stop; and nothing is done twice."""

import itertools
import json
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import openai
import pytest
from agents.testing import ScriptedModel
from budget_kit import budget
from crew_kit import PASS, PLAN, REPORT, ROLES, Connection, Line, Recorder, StoringEngine, connected
from wire_kit import Fault, Turn, Wire, calls, serving

from andon.agents import provider_calls
from andon.agents.lane import run_lane
from andon.agents.models import named_model
from andon.records.errors import RunError
from andon.records.stops import StopCode

MODES = list(itertools.product(["m", "chat/m", "anthropic/m"], [False, True]))
IDS = ["responses", "responses-stream", "chat", "chat-stream", "anthropic", "anthropic-stream"]
STORY = (
    calls("transfer_to_executor", PLAN),
    Turn(text="I look.", calls=(("read_file", {"path": "a"}), ("read_file", {"path": "b"}))),
    calls("transfer_to_reviewer", REPORT),
    calls("finish_review", PASS),
)
READ = ['read_file {"path": "a"}', "end a", 'read_file {"path": "b"}', "end b"]
"""What the tools do when all that is asked for is done once."""

on_every_wire = pytest.mark.parametrize(("name", "stream"), MODES, ids=IDS)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_calls, "FIRST_WAIT", 0.0)


@dataclass
class Run:
    """One run of the lane."""

    outcome: Any = None
    """The review, or the stop's code and message."""
    log: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == kind]


async def run(wire: Wire, name: str, stream: bool) -> Run:
    done = Run()
    model = named_model(name, base_url=wire.url_of(name), api_key="k" * 20, stream=stream)
    async with connected(done.log) as client:
        try:
            done.outcome = await run_lane(
                "Go.",
                steps=Line(),
                connections={role: Connection(client, done.log, [], role=role) for role in ROLES},
                models=dict.fromkeys(ROLES, model),
                events=Recorder(done.events),
                engine=StoringEngine({}),
                budget=budget(model_calls=20),
            )
        except RunError as stop:
            done.outcome = (stop.code, str(stop))
        finally:
            await model.close()
    return done


def with_faults(*faults: Fault) -> tuple[Turn, ...]:
    """The story, with faults before the answer that calls tools."""
    return (STORY[0], replace(STORY[1], faults=faults), *STORY[2:])


RETRIED: list[Fault] = ["busy", "broken", "overloaded", "gone", "drop", "early", "error", "html"]


@pytest.mark.parametrize("fault", RETRIED)
@on_every_wire
async def test_a_run_survives_a_fault_of_its_provider(name: str, stream: bool, fault: Fault) -> None:
    with serving(*with_faults(fault, fault)) as wire:
        done = await run(wire, name, stream)

    assert done.outcome.verdict == "pass", done.outcome
    assert done.log == READ
    told = done.kinds("model.retried")
    assert [set(one) for one in told] == [{"role", "reason", "wait_seconds"}] * 2
    assert (len(wire.requests), len(done.kinds("model.answered"))) == (6, 4)


CUT = [("chat/m", False), ("chat/m", True), ("anthropic/m", False), ("anthropic/m", True)]
"""Interfaces over which cut arguments are told from others before the SDK reads them."""


@pytest.mark.parametrize(("name", "stream"), CUT)
async def test_cut_arguments_are_asked_for_again(name: str, stream: bool) -> None:
    with serving(*with_faults("bad-arguments")) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log, len(done.kinds("model.retried"))) == ("pass", READ, 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_cut_arguments_of_responses_are_mended_with_the_model(stream: bool) -> None:
    with serving(STORY[0], replace(STORY[1], cut=True), *STORY[1:]) as wire:
        done = await run(wire, "m", stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ)
    said = [item["output"] for item in wire.bodies()[2]["input"] if item.get("type") == "function_call_output"]
    assert len(said) == 2
    assert all("JSON" in text for text in map(str, said)), said


@on_every_wire
async def test_a_silent_provider_is_given_up_and_asked_again(
    name: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_calls, "SILENCE", 0.5)
    with serving(*with_faults("hang")) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ), done.outcome
    assert done.kinds("model.retried")[0]["reason"] == "The model provider did not answer in time."


@on_every_wire
async def test_all_attempts_at_one_answer_are_bounded_together(
    name: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_calls, "LONGEST_ANSWER", 0.5)
    with serving(replace(STORY[0], faults=("hang",) * 4)) as wire:
        done = await run(wire, name, stream)
        assert len(wire.requests) == 1

    assert done.outcome == (StopCode.PROVIDER_FAILED, "The model provider did not answer in time.")


@on_every_wire
async def test_an_unknown_tool_is_told_to_the_model(name: str, stream: bool) -> None:
    with serving(STORY[0], calls("rm", {"path": "a"}), *STORY[1:]) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ)
    assert "There is no tool 'rm'" in json.dumps(wire.bodies()[2])


@on_every_wire
async def test_arguments_that_do_not_fit_are_told_to_the_model(name: str, stream: bool) -> None:
    with serving(calls("transfer_to_executor", {"summary": "s"}), *STORY) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ)
    assert "Refused: the arguments do not fit" in json.dumps(wire.bodies()[1])


@on_every_wire
async def test_an_empty_answer_is_followed_by_one_line_that_asks_for_a_call(name: str, stream: bool) -> None:
    with serving(STORY[0], Turn(), *STORY[1:]) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ)
    assert "Go on with tool calls" in json.dumps(wire.bodies()[2])


@on_every_wire
async def test_ids_that_come_again_stand_for_calls_of_their_own(name: str, stream: bool) -> None:
    with serving(*(replace(turn, call_id="same") for turn in STORY)) as wire:
        done = await run(wire, name, stream)

    assert (done.outcome.verdict, done.log) == ("pass", READ)


@on_every_wire
async def test_a_refusal_ends_the_run_with_a_stop_of_its_own(name: str, stream: bool) -> None:
    with serving(STORY[0], Turn(refusal="I will not.")) as wire:
        done = await run(wire, name, stream)

    assert done.outcome == (StopCode.MODEL_MISBEHAVED, "The model refused to work; audit.jsonl has its words.")
    assert done.kinds("warning") == [{"text": "the model's answer: 'I will not.'"}]
    assert (done.log, len(wire.requests)) == ([], 2)


@on_every_wire
async def test_a_conversation_that_is_too_long_is_not_asked_again(name: str, stream: bool) -> None:
    with serving(*with_faults("too-long")) as wire:
        done = await run(wire, name, stream)

    code, message = done.outcome
    assert code is StopCode.PROVIDER_FAILED
    assert message.startswith("The conversation does not fit the model's context window: take a model with a larger")
    assert (done.log, len(wire.requests), done.kinds("model.retried")) == ([], 2, [])


async def test_a_conversation_found_too_long_within_a_stream_is_not_asked_again() -> None:
    request = httpx2.Request("POST", "http://p.invalid/v1/responses")
    error = openai.APIError("It is.", request, body={"code": "context_length_exceeded", "message": "It is."})
    model, told = ScriptedModel([]), []

    async def ask() -> Any:
        raise error

    with pytest.raises(RunError, match="does not fit the model's context window"):
        await provider_calls.complete_answer(model, ask, again=lambda *facts: told.append(facts))
    assert told == []


@on_every_wire
async def test_a_run_ends_when_its_provider_stays_broken(name: str, stream: bool) -> None:
    with serving(*with_faults("overloaded", "overloaded", "overloaded", "overloaded")) as wire:
        done = await run(wire, name, stream)

    message = "The model provider failed (HTTP 529, asked 4 times). It said: slow down"
    assert (done.outcome, done.log, len(wire.requests)) == ((StopCode.PROVIDER_FAILED, message), [], 5)

"""Every interface, streamed and not: the same answer, and what is damaged in any of the six is never acted on."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from agents import ModelSettings, ModelTracing
from agents.testing import ScriptedModel, assistant_message, function_call
from budget_kit import budget
from wire_kit import Fault, Turn, Wire, calls, serving

from andon.agents.model_names import wire_and_name
from andon.agents.models import named_model
from andon.agents.step_model import StepModel
from andon.agents.streaming import Streamed
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.ports import Steps
from andon.records.stops import StopCode

KEY = "sk-test-0123456789abcdefghijklmnop"
NAMES = ["m", "chat/m", "anthropic/m"]
PATHS = {"m": "/v1/responses", "chat/m": "/v1/chat/completions", "anthropic/m": "/v1/messages"}
MODES = list(itertools.product(NAMES, [False, True]))
IDS = ["responses", "responses-stream", "chat", "chat-stream", "anthropic", "anthropic-stream"]
READ = calls("read_file", {"path": "a"})
Seen = list[tuple[str, dict[str, Any]]]

on_every_wire = pytest.mark.parametrize(("name", "stream"), MODES, ids=IDS)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)


@pytest.fixture
def step(events: Events, engine: Steps) -> Any:
    """Make the model of a name as the lane uses it, asking `wire`."""

    def make(wire: Wire, name: str, stream: bool) -> StepModel:
        model = named_model(name, base_url=wire.url_of(name), api_key=KEY, stream=stream)
        return StepModel(model, role="planner", events=events, engine=engine, call_ids=set(), budget=budget())

    return make


async def ask(model: StepModel) -> Any:
    try:
        return await model.get_response(
            system_instructions="Be brief.",
            input=[{"role": "user", "content": "Go."}],
            model_settings=ModelSettings(store=False),
            tools=[],
            output_schema=None,
            handoffs=[],
            tracing=ModelTracing.DISABLED,
            previous_response_id=None,
            conversation_id=None,
            prompt=None,
        )
    finally:
        await model.close()


async def stop(model: StepModel) -> str:
    """The message of the stop that asking ends with."""
    with pytest.raises(RunError) as caught:
        await ask(model)
    assert caught.value.code is StopCode.PROVIDER_FAILED
    return str(caught.value)


@pytest.mark.parametrize(
    "turn",
    [
        Turn(text="Let me look at it.", calls=(("read_file", {"path": "a"}), ("read_file", {"path": "b"}))),
        Turn(calls=(("list_files", {}),)),
        Turn(text="ü\n\u2028 and more"),
        Turn(refusal="I will not."),
    ],
    ids=["text and calls", "call", "text", "refusal"],
)
@pytest.mark.parametrize("name", NAMES)
async def test_the_stored_answer_is_the_same_whether_streamed_or_not(
    step: Any, stored: dict[str, str], name: str, turn: Turn
) -> None:
    kept = []
    for stream in (False, True):
        with serving(turn) as wire:
            await ask(step(wire, name, stream))
        assert wire.bodies()[0].get("stream", False) is stream
        kept.append(json.loads(stored.pop("model:planner:1")))

    assert kept[0] == kept[1]
    assert kept[0]["usage"]["input_tokens"] == 11
    assert kept[0]["usage"]["input_tokens_details"]["cached_tokens"] == 3


@on_every_wire
async def test_calls_arrive_whole(step: Any, name: str, stream: bool) -> None:
    with serving(Turn(calls=(("read_file", {"path": "a" * 99}), ("write_file", {"content": "b" * 99})))) as wire:
        response = await ask(step(wire, name, stream))

    found = [(item.name, json.loads(item.arguments), item.call_id) for item in response.output]
    assert found == [
        ("read_file", {"path": "a" * 99}, "call_0_0"),
        ("write_file", {"content": "b" * 99}, "call_0_1"),
    ]


@on_every_wire
async def test_nothing_is_stored_at_the_provider(step: Any, name: str, stream: bool) -> None:
    with serving(READ) as wire:
        await ask(step(wire, name, stream))

    (asked,) = wire.requests
    assert (asked.path, asked.body["model"]) == (PATHS[name], "m")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    # Anthropic's interface stores nothing, and refuses to be told so.
    assert asked.body.get("store") == (None if name == "anthropic/m" else False)
    assert asked.body.get("stream_options") == ({"include_usage": True} if name == "chat/m" and stream else None)


@pytest.mark.parametrize("name", NAMES)
async def test_text_is_shown_as_it_comes_and_only_when_streamed(
    step: Any, seen: Seen, stored: dict[str, str], name: str
) -> None:
    text = "I read the file and it holds what I thought, so I go on with the plan."
    for stream in (True, False):
        with serving(Turn(text=text)) as wire:
            await ask(step(wire, name, stream))
        stored.clear()

    deltas = [data for kind, data in seen if kind == "model.delta"]
    assert "".join(data["text"] for data in deltas) == text
    assert len(deltas) > 2
    assert {data["role"] for data in deltas} == {"planner"}
    assert [kind for kind, _ in seen[len(deltas) :]] == ["model.answered", "model.answered"]


async def test_a_replayed_answer_shows_nothing_twice(step: Any, seen: Seen) -> None:
    with serving(Turn(text="I read it.")) as wire:
        await ask(step(wire, "m", True))
        shown = len(seen)
        await ask(step(wire, "m", True))

    assert (len(seen), len(wire.requests)) == (shown, 1)


RETRIED: list[Fault] = ["busy", "broken", "overloaded", "gone", "drop", "early", "error", "html", "no-finish"]


@pytest.mark.parametrize("fault", RETRIED)
@on_every_wire
async def test_a_damaged_answer_is_asked_again(step: Any, seen: Seen, name: str, stream: bool, fault: Fault) -> None:
    with serving(calls("read_file", {"path": "a"}, fault)) as wire:
        response = await ask(step(wire, name, stream))

    assert [(item.name, item.arguments) for item in response.output] == [("read_file", '{"path": "a"}')]
    first, second = wire.bodies()
    assert first == second
    assert [kind for kind, _ in seen] == ["model.retried", "model.answered"]


OF_CALLS: list[Fault] = ["odd-finish", "bad-arguments"]
"""The Responses interface says these by a status, which is tested with its other damages."""


@pytest.mark.parametrize(
    ("name", "stream", "fault"),
    [
        *((name, stream, fault) for (name, stream), fault in itertools.product(MODES, RETRIED)),
        *itertools.product(["chat/m", "anthropic/m"], [False, True], OF_CALLS),
    ],
)
async def test_what_stays_damaged_is_never_acted_on(
    step: Any, stored: dict[str, str], name: str, stream: bool, fault: Fault
) -> None:
    with serving(calls("read_file", {"path": "a"}, *[fault] * 4)) as wire:
        message = await stop(step(wire, name, stream))

    assert (len(wire.requests), stored) == (4, {})
    assert message.startswith("The model provider")
    assert "asked 4 times" in message


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no-finish", "it ended without a finish_reason."),
        ("odd-finish", "its finish_reason 'eos' is not known."),
        ("bad-arguments", "the arguments of a tool call in it are not whole JSON."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_stop_says_what_a_chat_answer_lacks(step: Any, stream: bool, fault: Fault, said: str) -> None:
    with serving(calls("read_file", {"path": "a"}, *[fault] * 4)) as wire:
        message = await stop(step(wire, "chat/m", stream))

    assert message == f"The model provider's answer cannot be used, asked 4 times: {said}"


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_that_cannot_stream_is_told_apart_with_the_setting(step: Any, name: str) -> None:
    with serving(calls("read_file", {}, "html", "html", "html", "html")) as wire:
        message = await stop(step(wire, name, True))

    assert "`stream = false`" in message or "finish_reason" in message


@on_every_wire
async def test_an_answer_cut_at_the_token_limit_is_not_asked_again(step: Any, name: str, stream: bool) -> None:
    with serving(calls("read_file", {"path": "a"}, "length")) as wire:
        message = await stop(step(wire, name, stream))

    reasons = {"chat/m": "finish_reason `length`", "anthropic/m": "stop_reason `max_tokens`"}
    reason = reasons.get(name, "`max_output_tokens`")
    assert message == (
        f"The model's answer was cut off at its token limit ({reason}): take another model or server, or narrow the "
        "task."
    )
    assert len(wire.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_stopped_by_a_content_filter_is_not_asked_again(step: Any, stream: bool) -> None:
    with serving(calls("read_file", {"path": "a"}, "filter")) as wire:
        message = await stop(step(wire, "chat/m", stream))

    assert message.startswith("The provider's content filter stopped the answer (finish_reason `content_filter`): ")
    assert len(wire.requests) == 1


async def test_items_named_only_as_they_are_done_are_the_answer(events: Events, engine: Steps) -> None:
    call = function_call("read_file", {"path": "a"}, call_id="c")

    class EndsEmpty(ScriptedModel):
        async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            async for event in super().stream_response(*args, **kwargs):
                if event.type == "response.completed":
                    event.response.output = []
                yield event

    model = Streamed(EndsEmpty([[call]]))
    response = await ask(
        StepModel(model, role="planner", events=events, engine=engine, call_ids=set(), budget=budget())
    )

    assert [item.name for item in response.output] == ["read_file"]


async def test_a_stream_that_only_talks_is_no_answer_until_its_final_event(events: Events, engine: Steps) -> None:
    class NeverEnds(ScriptedModel):
        async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            async for event in super().stream_response(*args, **kwargs):
                if event.type != "response.completed":
                    yield event

    model = NeverEnds([[assistant_message("hello")]] * 4)
    said = await stop(
        StepModel(Streamed(model), role="planner", events=events, engine=engine, call_ids=set(), budget=budget())
    )

    assert (len(model.calls), "without its final event" in said) == (4, True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gpt-5", ("openai", "gpt-5")),
        ("openai/gpt-5", ("openai", "gpt-5")),
        ("openai/org/model", ("openai", "org/model")),
        ("chat/llama-3", ("chat", "llama-3")),
        ("chat/org/model:8b", ("chat", "org/model:8b")),
        ("anthropic/claude-opus-4-8", ("anthropic", "claude-opus-4-8")),
    ],
)
def test_a_name_says_which_interface(text: str, found: tuple[str, str]) -> None:
    assert wire_and_name(text) == found


@pytest.mark.parametrize("text", ["claude/opus", "gemini/pro", "CHAT/m", " chat/m", "/m", "org/model"])
def test_an_unknown_prefix_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="just NAME for OpenAI Responses, anthropic/NAME for Anthropic, chat/NAME"):
        wire_and_name(text)


@pytest.mark.parametrize("text", ["", "chat/", "openai/", "anthropic/", "chat/a b", "m\n", "m\x1b[2J"])
def test_a_name_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no model name"):
        wire_and_name(text)


STAND_IN = Path(__file__).parents[3] / "shared" / "model_server" / "model_server.py"
LIBRARIES = ("starlette", "uvicorn", "yaml")


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[str]:
    """The stand-in server beside the checkout, where there is one, with a script of one call."""
    if not STAND_IN.exists() or not all(map(find_spec, LIBRARIES)):
        pytest.skip("no stand-in server beside this checkout")
    fault = {"kind": "truncate", "times": 1}
    step = {"text": "I look.", "tool_calls": [{"name": "read_file", "arguments": {"path": "a"}}], "fault": fault}
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"steps": [step]}))
    words = ["serve", "--port", "0", "--script", str(script), "--log", str(tmp_path / "log.jsonl")]
    server = subprocess.Popen([sys.executable, str(STAND_IN), *words], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().split()[2]
    os.kill(server.pid, signal.SIGTERM)
    server.communicate()


@on_every_wire
async def test_the_stand_in_server_is_understood_after_a_polite_early_end(
    step: Any, stand_in: str, seen: Seen, name: str, stream: bool
) -> None:
    response = await ask(step(Wire([], url=stand_in), name, stream))

    assert [item.name for item in response.output if item.type == "function_call"] == ["read_file"]
    assert [kind for kind, _ in seen if kind != "model.delta"] == ["model.retried", "model.answered"]

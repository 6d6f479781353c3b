"""Claude as a model of the SDK, by hand-made exchanges: what is sent, what an answer becomes, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from agents import (
    Agent,
    AgentOutputSchema,
    FunctionTool,
    ModelSettings,
    ModelTracing,
    UserError,
    WebSearchTool,
    handoff,
)
from openai.types.shared import Reasoning
from pydantic import BaseModel

from andon.agents.answers import CutShort, IncompleteAnswer, ModelAnswer
from andon.agents.anthropic_model import PAUSES, AnthropicModel
from andon.agents.anthropic_request import MOST_TOKENS
from andon.agents.provider_calls import ProviderFailure
from andon.agents.streaming import Streamed
from andon.guardrails.redact import redacted_values

MARK = {"cache_control": {"type": "ephemeral"}}
THINKING = {"type": "thinking", "thinking": "Two files.", "signature": "Eq/+sig=="}
HIDDEN = {"type": "redacted_thinking", "data": "EmwK/hidden+=="}
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
ANY = "claude-opus-4-8"
THINKS = "claude-opus-5-5"


async def never(*_: Any) -> str:
    raise AssertionError("nothing is called here")


READ = FunctionTool("read_file", "Read a file.", {"type": "object", "properties": {}}, never)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool_use(call_id: str, path: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "read_file", "input": {"path": path}}


def message(*content: Any, stop_reason: str | None = "tool_use", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**head, "content": list(content), "stop_reason": stop_reason, "usage": usage, **more}


class Claude:
    """A server in this process that gives these answers in order, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.status = status
        self.headers = dict(headers or {})
        self.bodies: list[dict[str, Any]] = []

    def play(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(json.loads(request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        kind = "text/event-stream" if isinstance(answer, str) else "application/json"
        content = answer if isinstance(answer, str) else json.dumps(answer)
        headers = {"content-type": kind, "request-id": "req_1", **self.headers}
        return httpx2.Response(self.status, headers=headers, content=content.encode())

    async def ask(self, given: Any = "Go.", *, model: str = ANY, stream: bool = False, **changed: Any) -> Any:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.play))
        claude = AnthropicModel(model, base_url=None, api_key="k", http_client=client)
        asked = Streamed(claude) if stream else claude
        arguments: dict[str, Any] = {
            "system_instructions": "Be brief.",
            "input": given,
            "model_settings": ModelSettings(tool_choice="required", parallel_tool_calls=True, store=False),
            "tools": [READ],
            "output_schema": None,
            "handoffs": [],
            "tracing": ModelTracing.DISABLED,
            "previous_response_id": None,
            "conversation_id": None,
            "prompt": None,
        }
        try:
            return await asked.get_response(**(arguments | changed))
        finally:
            await claude.close()

    async def asked_for(self, given: Any = "Go.", **changed: Any) -> dict[str, Any]:
        await self.ask(given, **changed)
        return self.bodies[-1]


def sse(*events: dict[str, Any]) -> str:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def block_events(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begin},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


START = {"type": "message_start", "message": message(stop_reason=None)}
SAID = block_events(0, text(""), {"type": "text_delta", "text": "I "}, {"type": "text_delta", "text": "look."})
CALL = block_events(
    1,
    {"type": "tool_use", "id": "t1", "name": "read_file", "input": {}},
    {"type": "input_json_delta", "partial_json": '{"pa'},
    {"type": "input_json_delta", "partial_json": 'th": "a"}'},
)
END: list[dict[str, Any]] = [
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
]


async def test_a_conversation_is_sent_in_turns_with_cache_marks_on_what_stays() -> None:
    first = await Claude(message(THINKING, HIDDEN, text("I look."), tool_use("t1", "a"), tool_use("t2", "b"))).ask()
    answered = [
        {"type": "function_call_output", "call_id": "t1", "output": "A"},
        {"type": "function_call_output", "call_id": "t2", "output": [{"type": "input_text", "text": "B"}]},
    ]
    given = [{"role": "user", "content": "Go."}, *first.to_input_items(), *answered, {"role": "user", "content": "On."}]

    body = await Claude(message(text("Done."))).asked_for(given)

    assert body == {
        "model": ANY,
        "max_tokens": MOST_TOKENS,
        "stream": False,
        "system": [text("Be brief.") | MARK],
        "tools": [{"name": "read_file", "description": "Read a file.", "input_schema": READ.params_json_schema}],
        "tool_choice": {"type": "any"},
        "messages": [
            {"role": "user", "content": [text("Go.") | MARK]},
            {
                "role": "assistant",
                "content": [THINKING, HIDDEN, text("I look."), tool_use("t1", "a"), tool_use("t2", "b")],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "A"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": [text("B")]},
                    text("On.") | MARK,
                ],
            },
        ],
    }


async def test_what_was_sent_before_is_sent_again_to_the_letter_but_for_the_marks() -> None:
    claude, given = Claude(message(tool_use("t", "ü"))), [{"role": "user", "content": "Go."}]
    for number in range(4):
        answer = message(THINKING | {"signature": f"s{number}"}, tool_use(f"t{number}", "ü"))
        claude.answers = [answer]
        response = await claude.ask(given)
        given += response.to_input_items()
        given.append({"type": "function_call_output", "call_id": f"t{number}", "output": "é"})

    def unmarked(body: dict[str, Any]) -> str:
        return json.dumps(body["messages"]).replace(f", {json.dumps(MARK)[1:-1]}", "")[:-1]

    for before, after in zip(claude.bodies, claude.bodies[1:], strict=False):
        assert unmarked(after).startswith(unmarked(before))
    marked = [json.dumps(turn).count("cache_control") for turn in claude.bodies[-1]["messages"]]
    assert marked == [0, 0, 0, 0, 1, 0, 1]


async def test_an_answer_comes_in_the_order_of_its_blocks_with_all_that_was_used() -> None:
    answer = await Claude(message(THINKING, text(""), text("I look."), tool_use("t1", "ü"))).ask()

    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
    assert answer.output[0].provider_data == {"anthropic_block": THINKING}
    assert (answer.output[2].call_id, answer.output[2].arguments) == ("t1", '{"path": "ü"}')
    assert len({item.id for item in answer.output}) == 3
    used = answer.usage
    assert (used.requests, used.input_tokens, used.output_tokens, used.total_tokens) == (1, 125, 7, 132)
    assert (used.input_tokens_details.cached_tokens, used.input_tokens_details.cache_write_tokens) == (100, 20)
    assert (answer.response_id, answer.request_id) == ("msg_1", "req_1")


async def test_a_stream_is_the_same_answer_and_text_is_shown_as_it_comes() -> None:
    whole = await Claude(message(text("I look."), tool_use("t1", "a"))).ask()
    streamed = await Claude(sse(START, {"type": "ping"}, *SAID, *CALL, *END)).ask(stream=True)

    assert ModelAnswer.of(streamed) == ModelAnswer.of(whole)


async def test_thoughts_in_a_stream_are_kept_to_the_letter() -> None:
    begin = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in ("Two ", "files.")]
    thought = block_events(0, begin, *deltas, {"type": "signature_delta", "signature": THINKING["signature"]})
    answer = await Claude(sse(START, *thought, *block_events(1, HIDDEN), *END)).ask(stream=True)

    assert [item.provider_data["anthropic_block"] for item in answer.output] == [THINKING, HIDDEN]


async def test_a_thought_is_kept_to_the_letter_where_secrets_are_taken_out() -> None:
    thought = THINKING | {"thinking": f"I use {TOKEN}.", "signature": TOKEN}
    answer = ModelAnswer.of(await Claude(message(thought, text(f"I use {TOKEN}."), tool_use("t1", "a"))).ask())

    kept = redacted_values(answer.model_dump(mode="json"), opaque=ModelAnswer.OPAQUE)["output"]

    assert kept[0]["provider_data"]["anthropic_block"] == thought
    assert kept[1]["content"][0]["text"] == "I use [redacted: github-token]."


async def test_thoughts_of_another_provider_are_left_out() -> None:
    other = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA"}
    body = await Claude(message(text("Hm."))).asked_for([{"role": "user", "content": "Go."}, other])

    assert body["messages"] == [{"role": "user", "content": [text("Go.") | MARK]}]


@pytest.mark.parametrize(
    ("model", "settings", "choice"),
    [
        (ANY, ModelSettings(tool_choice="required"), {"type": "any"}),
        ("claude-3-haiku", ModelSettings(tool_choice="required"), {"type": "any"}),
        (THINKS, ModelSettings(tool_choice="required"), {"type": "auto"}),
        ("claude-sonnet-5", ModelSettings(tool_choice="required"), {"type": "auto"}),
        ("claude-opus-40", ModelSettings(tool_choice="required"), {"type": "auto"}),
        ("some-other", ModelSettings(tool_choice="required"), {"type": "auto"}),
        (ANY, ModelSettings(tool_choice="required", extra_args={"thinking": {"type": "adaptive"}}), {"type": "auto"}),
        (ANY, ModelSettings(tool_choice="read_file"), {"type": "tool", "name": "read_file"}),
        (THINKS, ModelSettings(tool_choice="none"), {"type": "none"}),
        (ANY, ModelSettings(), {"type": "auto"}),
        (
            ANY,
            ModelSettings(tool_choice="required", parallel_tool_calls=False),
            {"type": "any", "disable_parallel_tool_use": True},
        ),
    ],
)
async def test_a_call_is_forced_only_from_models_that_can_be(
    model: str, settings: ModelSettings, choice: dict[str, Any]
) -> None:
    body = await Claude(message(text("Hm."))).asked_for(model=model, model_settings=settings)
    assert body["tool_choice"] == choice


async def test_without_tools_nothing_is_said_of_them() -> None:
    body = await Claude(message(text("Hm."))).asked_for(tools=[])
    assert not {"tools", "tool_choice"} & body.keys()


class City(BaseModel):
    name: str


async def test_handoffs_are_tools_and_a_wanted_shape_is_a_format() -> None:
    schema = AgentOutputSchema(City)
    body = await Claude(message(text("Hm."))).asked_for(
        handoffs=[handoff(Agent(name="executor"))], output_schema=schema, tools=[],
        model_settings=ModelSettings(reasoning=Reasoning(effort="low"), max_tokens=9),
    )  # fmt: skip

    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]["type"]) == ("transfer_to_executor", "object")
    format_ = {"type": "json_schema", "schema": schema.json_schema()}
    assert body["output_config"] == {"effort": "low", "format": format_}
    assert body["max_tokens"] == 9


@pytest.mark.parametrize(
    "changed",
    [
        {"tools": [WebSearchTool()]},
        {"given": [{"type": "item_reference", "id": "x"}]},
        {"given": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.invalid"}]}]},
    ],
)
async def test_what_has_no_counterpart_is_refused_before_anything_is_sent(changed: dict[str, Any]) -> None:
    claude = Claude(message(text("Hm.")))
    with pytest.raises(UserError, match="over Anthropic's interface"):
        await claude.ask(changed.pop("given", "Go."), **changed)
    assert claude.bodies == []


async def test_arguments_that_are_no_object_are_sent_in_one() -> None:
    call = {"type": "function_call", "call_id": "t", "name": "read_file", "arguments": "[1]"}
    body = await Claude(message(text("Hm."))).asked_for([call])
    assert body["messages"][0]["content"][0]["input"] == {"arguments": "[1]"}


async def test_a_refusal_comes_alone() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    answer = await Claude(message(tool_use("t1", "a"), stop_reason="refusal", stop_details=details)).ask()

    (item,) = answer.output
    assert [(part.type, part.refusal) for part in item.content] == [("refusal", "Not this.")]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("max_tokens", "cut off at its token limit (stop_reason `max_tokens`)"),
        ("model_context_window_exceeded", "does not fit the model's context window"),
    ],
)
async def test_an_answer_that_met_a_limit_is_cut_short(reason: str, said: str) -> None:
    with pytest.raises(CutShort) as caught:
        await Claude(message(tool_use("t1", "a"), stop_reason=reason)).ask()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (message(text("Hm."), stop_reason=None), "it ended without a stop_reason"),
        (message(text("Hm."), stop_reason="eos"), "its stop_reason 'eos' is not known"),
        (message({"type": "server_tool_use"}), "it holds a block of the type 'server_tool_use'"),
        (message("words"), "it holds a block of the type None"),
        (message({"type": "tool_use", "id": "t", "name": "x", "input": [1]}), "a tool_use block in it is not whole"),
        (message({"type": "tool_use", "name": "x", "input": {}}), "a tool_use block in it is not whole"),
        (message({"type": "thinking", "signature": "s"}), "a thinking block in it is not whole"),
        ({"type": "error", "error": {"message": "broke"}}, "it holds an error: {'message': 'broke'}"),
        ({}, "it is no answer of Anthropic's Messages interface; check ANTHROPIC_BASE_URL"),
        ("<html>", "it is no answer of Anthropic's Messages interface; check ANTHROPIC_BASE_URL"),
    ],
)
async def test_an_answer_that_is_not_whole_is_refused(answer: Any, said: str) -> None:
    with pytest.raises(IncompleteAnswer) as caught:
        await Claude(answer).ask()
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([START, *SAID, *CALL], "the stream ended without its final event"),
        ([START, *SAID, *CALL[:-2], *CALL[-1:], *END], "the arguments of a tool call in it are not whole JSON"),
        ([START, *SAID, *CALL[:-1], *END], "its stream is out of order"),
        ([START, *CALL, *END], "its stream is out of order"),
        ([START, *SAID[1:], *END], "its stream is out of order"),
        ([START, START, *END], "its stream is out of order"),
        ([*SAID, *END], "its stream is out of order"),
        ([*END], "its stream is out of order"),
        ([START, {"type": "content_block_start", "index": 0}, *END], "its stream is out of order"),
        ([START, *block_events(0, text(""), {"type": "odd_delta"}), *END], "its stream adds a 'odd_delta'"),
        ([START, *SAID, *END, *CALL], ""),
    ],
)
async def test_a_stream_that_is_not_whole_is_refused(events: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(IncompleteAnswer) as caught:
        await Claude(sse(*events)).ask(stream=True)
    assert str(caught.value).startswith(said)


async def test_a_paused_turn_is_gone_on_with_and_counted_whole() -> None:
    claude = Claude(message(THINKING, stop_reason="pause_turn"), message(tool_use("t1", "a")))
    answer = await claude.ask()

    assert [item.type for item in answer.output] == ["reasoning", "function_call"]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (250, 14)
    assert claude.bodies[1]["messages"][1:] == [{"role": "assistant", "content": [THINKING]}]


async def test_a_paused_stream_is_gone_on_with() -> None:
    paused = [{**END[0], "delta": {"stop_reason": "pause_turn"}}, END[1]]
    first, second = sse(START, *SAID, *paused), sse(START, *block_events(0, text("And on.")), *END)
    answer = await Claude(first, second).ask(stream=True)

    assert [item.content[0].text for item in answer.output] == ["I look.", "And on."]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_only_pauses_gives_no_answer(stream: bool) -> None:
    paused = [{**END[0], "delta": {"stop_reason": "pause_turn"}}, END[1]]
    claude = Claude(sse(START, *paused) if stream else message(stop_reason="pause_turn"))
    with pytest.raises(IncompleteAnswer, match="paused it 5 times"):
        await claude.ask(stream=stream)
    assert len(claude.bodies) == PAUSES


def error(kind: str, words: str = "No.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words}}


Facts = tuple[int | None, str, bool, float | None]


@pytest.mark.parametrize(
    ("status", "headers", "facts"),
    [
        (429, {"retry-after": "7"}, (429, "No.", True, 7.0)),
        (429, {"retry-after-ms": "250"}, (429, "No.", True, 0.25)),
        (429, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, (429, "No.", True, 0.0)),
        (529, {"retry-after": "soon"}, (529, "No.", True, None)),
        (500, {}, (500, "No.", True, None)),
        (500, {"x-should-retry": "false"}, (500, "No.", False, None)),
        (400, {"x-should-retry": "true"}, (400, "No.", True, None)),
        (401, {}, (401, "No.", False, None)),
        (404, {}, (404, "No.", False, None)),
    ],
)
async def test_a_failure_says_whether_and_when_asking_again_may_help(
    status: int, headers: dict[str, str], facts: Facts
) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await Claude(error("some_error"), status=status, headers=headers).ask()
    assert _facts(caught.value) == facts


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("overloaded_error", (529, "No.", True, None)),
        ("rate_limit_error", (429, "No.", True, None)),
        ("invalid_request_error", (400, "No.", False, None)),
        ("odd_error", (500, "No.", True, None)),
    ],
)
async def test_an_error_within_a_stream_counts_as_its_status(kind: str, facts: Facts) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await Claude(sse(START, *SAID, error(kind))).ask(stream=True)
    assert _facts(caught.value) == facts


def _facts(failure: ProviderFailure) -> Facts:
    return failure.status, failure.said, failure.again, failure.retry_after


@pytest.mark.parametrize(
    ("failure", "timed_out"), [(httpx2.ReadTimeout("slow"), True), (httpx2.ConnectError("nobody"), False)]
)
async def test_a_provider_that_does_not_answer_may_be_asked_again(failure: Exception, timed_out: bool) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await Claude(failure).ask()
    assert (caught.value.timed_out, caught.value.again, caught.value.maker.key) == (
        timed_out,
        True,
        "ANTHROPIC_API_KEY",
    )


def test_its_library_is_loaded_only_for_claude() -> None:
    script = (
        "import sys\n"
        "from andon.agents.models import named_model\n"
        "for name in ('m', 'chat/m', 'anthropic/m'):\n"
        "    named_model(name, base_url=None, api_key='k', stream=True)\n"
        "    print(name, 'anthropic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["m False", "chat/m False", "anthropic/m True"]

"""Recorded traffic of the real providers: what we would ask in the same place is what was asked, and what was answered
comes through whole.

Skipped where there are no recordings beside the checkout. Where a request of ours is made differently on purpose,
`same` says how.
"""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from agents import CodeInterpreterTool, FunctionTool, ModelResponse, ModelSettings, ModelTracing, Tool
from openai.types.shared import Reasoning

from andon.agents.answers import IncompleteAnswer, ModelAnswer
from andon.agents.models import named_model
from andon.agents.provider_calls import complete_answer
from andon.agents.streaming import Streamed
from andon.guardrails.prices import cost_of, shipped_prices
from andon.records.errors import RunError
from andon.records.result import Usage
from andon.records.stops import StopCode

FOLDER = Path(__file__).parents[3] / "shared" / "provider_traffic"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
REFUSED = {
    "anthropic_stream_tool_use": "it holds a block of the type 'server_tool_use'",
    "openai_responses_prompt_cache_hit": "it holds an item of the type 'code_interpreter_call'",
}
"""Answers with work that a provider did itself, which no tool of ours asks for."""
ERRORS = {
    "anthropic_error_400": "refused the request (HTTP 400). It said: This model does not support effort level 'xhigh'.",
    "anthropic_error_404_model": "does not know this model or address (HTTP 404): check both. It said: model: claude-",
    "openai_chat_error_404_model": "does not know this model or address (HTTP 404): check both. It said: The model ",
    "openai_responses_error_400_model": "refused the request (HTTP 400). It said: The requested model",
    "openai_responses_error_400_stream": "refused the request (HTTP 400). It said: Invalid 'temperature'",
}
ANSWERS = [name for name in NAMES if name not in ERRORS]

pytestmark = pytest.mark.skipif(not NAMES, reason="no recorded traffic beside this checkout")


@dataclass
class Recording:
    """One recorded exchange, played to our clients."""

    name: str
    said: dict[str, Any]
    asked: list[httpx2.Request] = field(default_factory=list)

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = self.said["request"]["json"]
        return body

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))

    def play(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.said["response"]
        headers = {name: value for name, value in answer["headers"].items() if name.lower() == "content-type"}
        flat = {name: value if isinstance(value, str) else value[0] for name, value in headers.items()}
        content = answer["text"] if "text" in answer else json.dumps(answer["json"])
        return httpx2.Response(answer["status"], headers=flat, content=content.encode())

    async def answer(self) -> ModelResponse:
        """What our model makes of it, asked with the same input."""
        return await self._ask(items_of(self))

    async def next_request(self, answer: ModelResponse) -> dict[str, Any]:
        """The body of the request that follows `answer`."""
        await self._ask([*items_of(self), *ModelAnswer.of(answer).to_response().to_input_items()])
        return sent(self)

    async def error(self) -> RunError:
        with pytest.raises(RunError) as caught:
            await self._ask(items_of(self))
        return caught.value

    async def _ask(self, items: list[Any]) -> ModelResponse:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.play))
        wire = self.name.split("_")[1] if self.name.startswith("openai_chat") else self.name.split("_")[0]
        model = named_model(
            f"{wire}/{self.body['model']}", base_url=None, api_key="k", http_client=client, stream=self.streamed
        )
        response: list[ModelResponse] = []

        async def ask() -> ModelResponse:
            response.append(
                await model.get_response(
                    system_of(self),
                    items,
                    settings_of(self),
                    tools_of(self),
                    None,
                    [],
                    ModelTracing.DISABLED,
                    previous_response_id=None,
                    conversation_id=None,
                    prompt=None,
                )
            )
            return response[-1]

        try:
            if self.name in REFUSED:
                return await ask()
            await complete_answer(model, ask, again=lambda reason, wait: None)
        finally:
            await model.close()
        return response[-1]


def recording(name: str) -> Recording:
    return Recording(name, json.loads((FOLDER / f"{name}.json").read_text()))


def sent(recorded: Recording) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(recorded.asked[-1].read())
    return body


def system_of(recorded: Recording) -> str | None:
    said = recorded.body.get("system", recorded.body.get("instructions"))
    return said[0]["text"] if isinstance(said, list) else said


def settings_of(recorded: Recording) -> ModelSettings:
    body = recorded.body
    extra: dict[str, Any] = {name: body[name] for name in ("thinking", "stop_sequences") if name in body}
    if "format" in body.get("output_config", {}):
        # What makes this schema from an output type is the SDK; here it is sent as recorded.
        extra["output_config"] = body["output_config"]
    if "text" in body:
        extra["text"] = body["text"]
    effort = body.get("output_config", {}).get("effort")
    reasoning = Reasoning(effort=effort) if effort else Reasoning(**body["reasoning"]) if "reasoning" in body else None
    return ModelSettings(
        tool_choice="auto" if "tool_choice" in body else None,
        temperature=body.get("temperature"),
        max_tokens=body.get("max_tokens"),
        reasoning=reasoning,
        response_include=body.get("include"),
        # Else the SDK asks OpenAI to store what is said.
        store=False,
        extra_args=extra or None,
    )


def tools_of(recorded: Recording) -> list[Tool]:
    made: list[Tool] = []
    for tool in recorded.body.get("tools", []):
        told = tool.get("function", tool)
        schema = told.get("input_schema", told.get("parameters"))
        if tool.get("type") == "code_interpreter":
            made.append(CodeInterpreterTool(tool_config=tool))
        elif schema is not None:
            made.append(
                FunctionTool(
                    name=told["name"],
                    description=told["description"] or "",
                    params_json_schema=schema,
                    on_invoke_tool=_never,
                    strict_json_schema=told.get("strict", False),
                )
            )
    return made


async def _never(*_: Any) -> str:
    raise AssertionError("nothing is called here")


def items_of(recorded: Recording) -> list[Any]:
    """The recorded conversation in the SDK's items."""
    if "input" in recorded.body:
        return list(recorded.body["input"])
    if not recorded.name.startswith("anthropic"):
        return list(recorded.body["messages"])
    return [
        item
        for number, message in enumerate(recorded.body["messages"])
        for block in message["content"]
        for item in [_item(message["role"], block, number)]
    ]


def _item(role: str, block: dict[str, Any], number: int) -> dict[str, Any]:
    kind = block["type"]
    if kind == "text" and role == "user":
        return {"role": "user", "content": [{"type": "input_text", "text": block["text"]}]}
    if kind == "text":
        part = {"type": "output_text", "text": block["text"], "annotations": []}
        return {"type": "message", "id": f"m{number}", "role": "assistant", "status": "completed", "content": [part]}
    if kind == "tool_use":
        arguments = json.dumps(block["input"])
        return {"type": "function_call", "call_id": block["id"], "name": block["name"], "arguments": arguments}
    if kind == "tool_result":
        said = block["content"]
        if not isinstance(said, str):
            said = [{"type": "input_text", "text": part.get("text", part.get("tool_name"))} for part in said]
        return {"type": "function_call_output", "call_id": block["tool_use_id"], "output": said}
    return {"type": "reasoning", "id": f"r{number}", "summary": [], "provider_data": {"anthropic_block": block}}


def same(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what is said in two ways, and without what we never ask for.

    Left out are: what says nothing (empty, null, false), marks of the cache, which we set on blocks, and tools that
    Anthropic runs itself, with what they found. `include` is a set: the SDK sends it in any order.
    """
    plain = {name: value for name, value in _plain(body).items() if value not in (None, "", [], False)}
    if isinstance(plain.get("system"), str):
        plain["system"] = [{"type": "text", "text": plain["system"]}]
    if "include" in plain:
        plain["include"] = sorted(plain["include"])
    tools = plain.get("tools", [])
    plain["tools"] = [tool for tool in tools if not str(tool.get("type")).startswith("tool_search")]
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "tool_reference":
        return {"type": "text", "text": value["tool_name"]}
    dropped = {"cache_control", "defer_loading", "is_error", "caller", "citations"}
    nothing = {"description": None, "strict": False}
    return {
        key: _plain(item)
        for key, item in value.items()
        if key not in dropped and not (key in nothing and item in (nothing[key], ""))
    }


@pytest.mark.parametrize("name", NAMES)
async def test_the_request_is_the_recorded_one(name: str) -> None:
    recorded = recording(name)
    with contextlib.suppress(RunError, IncompleteAnswer):
        await recorded.answer()

    (asked,) = recorded.asked
    assert (asked.method, str(asked.url)) == ("POST", recorded.said["request"]["uri"].partition("?")[0])
    assert same(sent(recorded)) == same(recorded.body)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in REFUSED])
async def test_the_answer_sent_back_is_the_recorded_one(name: str) -> None:
    recorded = recording(name)
    answer = await recorded.answer()
    following = await recorded.next_request(answer)

    before = len(recorded.body.get("messages", recorded.body.get("input", [])))
    assert said_back(recorded, following, before) == _plain(recorded_output(recorded))


def said_back(recorded: Recording, body: dict[str, Any], before: int) -> Any:
    """What the following request repeats of the answer."""
    if recorded.name.startswith("anthropic"):
        (turn,) = body["messages"][before:]
        assert turn["role"] == "assistant"
        return _plain(turn["content"])
    if "input" in body:
        return _plain(body["input"][before:])
    (turn,) = body["messages"][before:]
    return {"content": turn.get("content"), "tool_calls": turn["tool_calls"]}


def recorded_output(recorded: Recording) -> Any:
    """The content of the recorded answer; of a stream, put together from its events."""
    answer = recorded.said["response"]
    if "json" in answer:
        return answer["json"]["content" if recorded.name.startswith("anthropic") else "output"]
    events = [json.loads(line[5:]) for line in answer["text"].split("\n") if line.startswith("data: {")]
    if recorded.name.startswith("openai_responses"):
        return events[-1]["response"]["output"]
    if recorded.name.startswith("openai_chat"):
        deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
        pieces = [delta["tool_calls"][0] for delta in deltas if delta.get("tool_calls")]
        arguments = "".join(piece["function"].get("arguments", "") for piece in pieces)
        call = {"id": pieces[0]["id"], "type": "function"}
        function = {"name": pieces[0]["function"]["name"], "arguments": arguments}
        return {"content": None, "tool_calls": [call | {"function": function}]}
    blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    for event in events:
        if event["type"] == "content_block_delta":
            blocks[event["index"]]["text"] += event["delta"]["text"]
    return blocks


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in REFUSED])
async def test_what_was_used_is_counted(name: str) -> None:
    recorded = recording(name)
    usage = (await recorded.answer()).usage
    details = usage.input_tokens_details

    told = (usage.input_tokens, usage.output_tokens, details.cached_tokens, details.cache_write_tokens)
    assert (usage.requests, told) == (1, counted(recorded))


@pytest.mark.parametrize(
    ("name", "usage", "cost"),
    [
        # 7 tokens at 3 dollars a million, 1,069 at 3.75 and 60 at 15.
        ("anthropic_cache_write", {"input_tokens": 1076, "output_tokens": 60, "cache_write_tokens": 1069}, "0.004930"),
        # 6 tokens at 3 dollars a million, 1,069 at 0.30, 85 at 3.75 and 110 at 15.
        (
            "anthropic_cache_read",
            {"input_tokens": 1160, "output_tokens": 110, "cached_tokens": 1069, "cache_write_tokens": 85},
            "0.002308",
        ),
    ],
)
async def test_what_claude_writes_to_its_cache_is_counted_and_priced_apart(
    name: str, usage: dict[str, int], cost: str
) -> None:
    used = ModelAnswer.of(await recording(name).answer()).counted(str)

    assert used == Usage(requests=1, **usage)
    assert str(cost_of(used, shipped_prices().price_of("anthropic/claude-sonnet-4-6"))) == cost


def counted(recorded: Recording) -> tuple[int, int, int, int]:
    """Tokens sent, received, read from the cache and written to it, as the provider said it."""
    answer = recorded.said["response"]
    if "json" in answer:
        said = answer["json"]["usage"]
    else:
        events = [json.loads(line[5:]) for line in answer["text"].split("\n") if line.startswith("data: {")]
        told = [event.get("response", event).get("usage") for event in events]
        said = next(usage for usage in reversed(told) if usage)
    if "prompt_tokens" in said:
        return said["prompt_tokens"], said["completion_tokens"], said["prompt_tokens_details"]["cached_tokens"], 0
    if "input_tokens_details" in said:
        details = said["input_tokens_details"]
        written = details.get("cache_write_tokens", 0)
        return said["input_tokens"], said["output_tokens"], details["cached_tokens"], written
    read, written = said["cache_read_input_tokens"], said["cache_creation_input_tokens"]
    return said["input_tokens"] + read + written, said["output_tokens"], read, written


@pytest.mark.parametrize("name", list(REFUSED))
async def test_work_that_a_provider_did_itself_is_refused(name: str) -> None:
    with pytest.raises(IncompleteAnswer) as caught:
        ModelAnswer.of(await recording(name).answer())
    assert REFUSED[name] in str(caught.value)


@pytest.mark.parametrize("name", list(ERRORS))
async def test_a_recorded_error_is_told_to_people(name: str) -> None:
    recorded = recording(name)
    error = await recorded.error()

    assert (error.code, len(recorded.asked)) == (StopCode.PROVIDER_FAILED, 1)
    assert str(error).startswith("The model provider " + ERRORS[name])


def test_every_stream_is_asked_for_as_one() -> None:
    streams = [name for name in NAMES if "text" in recording(name).said["response"]]
    assert len(streams) >= 5
    assert all(recording(name).streamed for name in streams)
    assert isinstance(named_model("anthropic/m", base_url=None, api_key="k", stream=True), Streamed)

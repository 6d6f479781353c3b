"""A model's answer as a plain value: what the engine stores, and what a replay is built from."""

import json
from collections.abc import Callable, Set
from typing import Any, ClassVar, Self

from agents import ModelResponse
from agents.usage import Usage as SdkUsage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
)
from pydantic import TypeAdapter

from andon.records.base import Record
from andon.records.result import Usage

# Every tool of ours is a function, so no other kind of item can be asked for.
_ITEMS: dict[str, type[ResponseOutputMessage | ResponseFunctionToolCall | ResponseReasoningItem]] = {
    "message": ResponseOutputMessage,
    "function_call": ResponseFunctionToolCall,
    "reasoning": ResponseReasoningItem,
}
THOUGHT = "anthropic_block"
"""The field of an item's `provider_data` that holds a thought as Anthropic sent it."""
_USAGE = TypeAdapter(SdkUsage)
_CHARACTERS = 4
"""Of one token, roughly, in English and in code."""
_MOST_TOKENS = 1_000_000_000
"""No answer takes more: a larger number is a fault of the provider."""


class IncompleteAnswer(Exception):
    """An answer that must not be acted on: cut off, or holding an item nobody asked for."""


class CutShort(IncompleteAnswer):
    """An answer that was cut off and would be again; the message is a clause for people."""


class ModelAnswer(Record):
    """One answer of a model."""

    OPAQUE: ClassVar[frozenset[str]] = frozenset(
        {"encrypted_content", "signature", "thought_signature", THOUGHT, "arguments"}
    )
    """Names of fields in `output` that are kept to the letter: whoever takes secrets out of stored answers leaves them
    alone. A provider has to get back what it signed or encrypted; it is random text, in which now and then something
    looks like a key. What a call is made with is what a file is written with: the judge sees to credentials there."""

    output: list[dict[str, Any]]
    """Its items as on the wire of OpenAI Responses; fields the provider added are kept."""
    usage: dict[str, Any]
    """What it cost, in the SDK's shape."""
    response_id: str | None
    """The provider's id of it."""
    request_id: str | None
    """The transport's id of it."""

    @classmethod
    def of(cls, response: ModelResponse) -> Self:
        """Return the value of `response`.

        Raises:
            IncompleteAnswer: an item is unfinished, malformed, or of a kind that no tool of ours leads to.
        """
        items = [_plain(item) for item in response.output]
        for item in items:
            _check(item)
        return cls(
            output=items,
            usage=_USAGE.dump_python(response.usage, mode="json"),
            response_id=response.response_id,
            request_id=response.request_id,
        )

    def to_response(self) -> ModelResponse:
        """Return the answer as the SDK's runner takes it, as leniently typed as the provider's client does."""
        return ModelResponse(
            output=[_ITEMS[item["type"]].construct(**item) for item in self.output],
            usage=_USAGE.validate_python(self.usage),
            response_id=self.response_id,
            request_id=self.request_id,
        )

    def to_event(self) -> ResponseCompletedEvent:
        """Return the answer as the one event of a stream, which is all that the SDK's streamed runner needs."""
        response = Response.construct(id=self.response_id or "", object="response", output=self.to_response().output)
        return ResponseCompletedEvent.construct(type="response.completed", response=response, sequence_number=0)

    def tools(self) -> list[str]:
        """Return the names of the tools it calls, in order."""
        return [item["name"] for item in self.output if item["type"] == "function_call"]

    def call_ids(self) -> list[str]:
        """Return the ids of its tool calls, in order."""
        return [item["call_id"] for item in self.output if item["type"] == "function_call"]

    def with_new_call_ids(self, used: Set[str], prefix: str) -> Self:
        """Return the answer without an id that is empty, `used` or double; `prefix` begins those that take its place.

        Some servers count the calls of every answer from 0, and the SDK takes an id that comes again for the same call.
        """
        taken, output = set(used), []
        for number, item in enumerate(self.output):
            if item["type"] == "function_call":
                if not item["call_id"] or item["call_id"] in taken:
                    item = {**item, "call_id": f"{prefix}-{number}"}
                taken.add(item["call_id"])
            output.append(item)
        return self.model_copy(update={"output": output})

    def counted(self, asked: Callable[[], str]) -> Usage:
        """Return what it used as the factory counts it: one request, and the tokens the provider named.

        Where the provider named none, or no number that can be, they are estimated: an answer that was not counted is
        not free. `asked` is then asked for the text that was sent.
        """
        sent, got = _tokens(self.usage.get("input_tokens")), _tokens(self.usage.get("output_tokens"))
        estimated = not sent or not got
        details = self.usage.get("input_tokens_details") or {}
        cached = min(_tokens(details.get("cached_tokens")), sent)
        return Usage(
            requests=1,
            input_tokens=sent or _estimate(asked()),
            output_tokens=got or _estimate(json.dumps(self.output, ensure_ascii=False)),
            cached_tokens=cached,
            cache_write_tokens=min(_tokens(details.get("cache_write_tokens")), sent - cached),
            estimated=int(estimated),
        )


def _tokens(said: Any) -> int:
    """Return a number of tokens as a provider said it; 0 for what cannot be one."""
    return said if isinstance(said, int) and 0 < said <= _MOST_TOKENS else 0


def _estimate(text: str) -> int:
    return -(-len(text) // _CHARACTERS)


def _check(item: dict[str, Any]) -> None:
    kind = item.get("type")
    if kind not in _ITEMS:
        raise IncompleteAnswer(f"it holds an item of the type {kind!r}")
    if item.get("status") not in (None, "completed"):
        raise IncompleteAnswer(f"a {kind} in it is {item['status']}")
    if kind == "function_call":
        for field in ("name", "call_id", "arguments"):
            if not isinstance(item.get(field), str):
                raise IncompleteAnswer(f"a function_call in it has no {field}")


def _plain(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return dict(item)
    plain: dict[str, Any] = item.model_dump(mode="json", exclude_unset=True)
    return plain

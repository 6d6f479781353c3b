"""Answers of Anthropic's Messages interface as the Agents SDK takes them; what is not whole is refused."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from agents import ModelResponse, Usage
from agents.items import TResponseOutputItem
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from andon.agents.answers import THOUGHT, CutShort, IncompleteAnswer

PAUSED = "pause_turn"
"""The stop reason of a turn that goes on when what was said is sent back."""
_NO_ANSWER = "it is no answer of Anthropic's Messages interface; check ANTHROPIC_BASE_URL"
_ENDED = ("end_turn", "tool_use", "stop_sequence")
_CUT = {
    "max_tokens": "The model's answer was cut off at its token limit (stop_reason `max_tokens`)",
    "model_context_window_exceeded": (
        "The conversation does not fit the model's context window (stop_reason `model_context_window_exceeded`)"
    ),
}
_SENT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_COUNTED = (*_SENT, "output_tokens")


def checked(message: Any) -> dict[str, Any]:
    """Return the JSON of an answer that came in one piece.

    Raises:
        IncompleteAnswer: it is none.
    """
    # The client takes any body with status 200 for an answer.
    plain: dict[str, Any] = (
        message.model_dump(mode="json", exclude_unset=True, warnings="none") if isinstance(message, BaseModel) else {}
    )
    if isinstance(plain.get("content"), list) and isinstance(plain.get("id"), str):
        return plain
    error = plain.get("error")
    raise IncompleteAnswer(f"it holds an error: {error}" if error else _NO_ANSWER)


def joined(first: Mapping[str, Any] | None, second: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that a paused turn and its continuation are together."""
    if first is None:
        return second
    before, after = first.get("usage") or {}, second.get("usage") or {}
    usage = {**after, **{name: _count(before, name) + _count(after, name) for name in _COUNTED}}
    return {**second, "id": first["id"], "content": [*first["content"], *second["content"]], "usage": usage}


def answer_of(message: Mapping[str, Any], request_id: str | None) -> ModelResponse:
    """Return the answer in the items of OpenAI Responses, in the order of its blocks.

    A refusal comes alone: what the model had begun to call before it is not to be called.

    Raises:
        IncompleteAnswer: it did not end properly, or holds a block that no tool of ours leads to.
        CutShort: a limit of the model ended it.
    """
    reason = message.get("stop_reason")
    output: list[TResponseOutputItem]
    if reason == "refusal":
        output = [_refusal(message)]
    else:
        _check_end(reason)
        blocks = [block for block in message["content"] if block != {"type": "text", "text": ""}]
        output = [_item(f"{message['id']}-{number}", block) for number, block in enumerate(blocks)]
    usage = _usage(message.get("usage") or {})
    return ModelResponse(output=output, usage=usage, response_id=message["id"], request_id=request_id)


def _check_end(reason: Any) -> None:
    if reason is None:
        raise IncompleteAnswer("it ended without a stop_reason")
    if reason in _CUT:
        raise CutShort(_CUT[reason])
    if reason not in _ENDED:
        raise IncompleteAnswer(f"its stop_reason {reason!r} is not known")


def _item(item_id: str, block: Any) -> TResponseOutputItem:
    kind = block.get("type") if isinstance(block, Mapping) else None
    make = _ITEMS.get(str(kind))
    if make is None:
        raise IncompleteAnswer(f"it holds a block of the type {kind!r}")
    try:
        return make(item_id, block)
    except (KeyError, TypeError, ValueError) as error:
        raise IncompleteAnswer(f"a {kind} block in it is not whole") from error


def _thought(item_id: str, block: Mapping[str, Any]) -> ResponseReasoningItem:
    _ = block["data" if block["type"] == "redacted_thinking" else "thinking"]
    # Kept whole and to the letter: the provider refuses a conversation in which a thought was changed.
    return ResponseReasoningItem.model_validate(
        {"id": item_id, "type": "reasoning", "summary": [], "provider_data": {THOUGHT: dict(block)}}
    )


def _text(item_id: str, block: Mapping[str, Any]) -> ResponseOutputMessage:
    return _message(item_id, ResponseOutputText(type="output_text", text=block["text"], annotations=[]))


def _call(item_id: str, block: Mapping[str, Any]) -> ResponseFunctionToolCall:
    given = block["input"]
    if not isinstance(given, Mapping):
        raise TypeError("no object")
    return ResponseFunctionToolCall(
        id=item_id,
        type="function_call",
        call_id=block["id"],
        name=block["name"],
        arguments=json.dumps(given, ensure_ascii=False),
        status="completed",
    )


_ITEMS: Mapping[str, Callable[[str, Mapping[str, Any]], TResponseOutputItem]] = {
    "text": _text,
    "tool_use": _call,
    "thinking": _thought,
    "redacted_thinking": _thought,
}


def _refusal(message: Mapping[str, Any]) -> ResponseOutputMessage:
    details = message.get("stop_details") or {}
    said = [block.get("text") for block in message["content"] if isinstance(block, Mapping)]
    words = details.get("explanation") or " ".join(filter(None, said)) or "The model refused without a word."
    return _message(f"{message['id']}-0", ResponseOutputRefusal(type="refusal", refusal=words))


def _message(item_id: str, part: ResponseOutputText | ResponseOutputRefusal) -> ResponseOutputMessage:
    return ResponseOutputMessage(id=item_id, type="message", role="assistant", status="completed", content=[part])


def _usage(said: Mapping[str, Any]) -> Usage:
    """Return what was used as the SDK counts it: tokens read from the cache and written to it are tokens sent."""
    sent, got = sum(_count(said, name) for name in _SENT), _count(said, "output_tokens")
    thought = said.get("output_tokens_details") or {}
    return Usage(
        requests=1,
        input_tokens=sent,
        output_tokens=got,
        total_tokens=sent + got,
        input_tokens_details=InputTokensDetails(
            cached_tokens=_count(said, "cache_read_input_tokens"),
            cache_write_tokens=_count(said, "cache_creation_input_tokens"),
        ),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=_count(thought, "thinking_tokens")),
    )


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) and value > 0 else 0

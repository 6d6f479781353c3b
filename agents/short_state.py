"""The JSON of the SDK's RunState, cut down to the answer whose calls wait for a person."""

from typing import Any

_SAID = ("reasoning_item", "message_output_item")


def shortened(state: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a RunState that was left at a call, with all that came before the calls as plain input.

    The SDK writes a conversation three times, and reads items of it more strictly than it takes them from a provider;
    as input it is kept once, word for word. What the model is sent next is the same. A state that does not say where
    its last answer begins is returned as it is.

    Fields as the SDK's schema 1.21 has them.
    """
    owned = state.get("current_response_generated_item_ownership")
    if owned is None:
        return state
    items, answer, response = state["generated_items"], state["last_processed_response"], state["model_responses"][-1]
    said = _leading(answer["new_items"])
    begin = owned["start"] + said
    kept = [
        (item, index)
        for at, (item, index) in enumerate(zip(items, state["generated_session_item_indexes"], strict=True))
        # What is said behind the answer is the SDK's second copy of an item without an id.
        if begin <= at < owned["start"] + len(answer["new_items"]) or (at >= begin and item["type"] not in _SAID)
    ]
    first = min(index for _, index in kept if index is not None)
    before = [*_as_input(state["original_input"]), *_sent(items[:begin])]
    response = {**response, "output": response["output"][said:]}
    return {
        **state,
        "original_input": before,
        "context": _with_calls_of([*before, *(item["raw_item"] for item, _ in kept)], state["context"]),
        "generated_items": [item for item, _ in kept],
        "session_items": state["session_items"][first:],
        "generated_session_item_indexes": [None if index is None else index - first for _, index in kept],
        "current_response_generated_item_ownership": {
            "start": 0,
            "end": len(kept),
            "interruptions": [index - begin for index in owned["interruptions"]],
        },
        "model_responses": [response],
        "last_model_response": response,
        "last_processed_response": {**answer, "new_items": answer["new_items"][said:]},
    }


def _leading(items: list[dict[str, Any]]) -> int:
    """Return how many items stand before the first call."""
    return next((count for count, item in enumerate(items) if item["type"] not in _SAID), len(items))


def _as_input(given: str | list[Any]) -> list[Any]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _sent(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items as the SDK sends them to a model; a question to a person is not sent."""
    return [
        {
            key: value
            for key, value in item["raw_item"].items()
            if key != "created_by" and (key, value) != ("status", None)
        }
        for item in items
        if item["type"] != "tool_approval_item"
    ]


def _with_calls_of(items: list[dict[str, Any]], context: dict[str, Any]) -> dict[str, Any]:
    """Return `context` without calls that are not in `items`: the SDK refuses a state that has lost one it names."""
    ids = {item.get("call_id") for item in items}
    made = context["tool_invocations"]
    return {**context, "tool_invocations": {call_id: made[call_id] for call_id in made if call_id in ids}}

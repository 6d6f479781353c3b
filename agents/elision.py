"""A long conversation made shorter: old outputs of tools go, in large and rare batches; nothing else changes."""

import json
from collections.abc import Sequence
from typing import Any, cast

from agents import TResponseInputItem

HISTORY_BYTES = 240_000
"""What a conversation may take, as JSON, before old outputs are left out of it: about 60,000 tokens."""
KEPT_OUTPUTS = 6
"""So many of the last outputs always stay."""
_SHORT = 400
"""Bytes of an output that is not worth leaving out."""


def elided(items: Sequence[TResponseInputItem], budget: int = HISTORY_BYTES) -> list[TResponseInputItem]:
    """Return the conversation with old outputs of tools replaced by a line each, if it is larger than `budget` bytes.

    Messages, and so the packet with task, plan, criteria, protected areas and findings, stay word for word. So do all
    calls with what the model thought before them: each keeps its place and its output, whose text alone is replaced.
    What is left out depends on the items before it alone, and is a quarter of `budget` at least: between two such
    batches what was sent before is a prefix of what is sent next. The same items give the same result, and what is
    given is not changed.
    """
    left_out: set[int] = set()
    outputs: list[int] = []
    total = 0
    for place, item in enumerate(items):
        total += _size(item)
        if _output(item) is not None:
            outputs.append(place)
        if total > budget:
            batch = _batch(
                items, [each for each in outputs[:-KEPT_OUTPUTS] if each not in left_out], total - budget // 2
            )
            if sum(batch.values()) >= budget // 4:
                left_out |= set(batch)
                total -= sum(batch.values())
    return [_without(item) if place in left_out else item for place, item in enumerate(items)]


def _batch(items: Sequence[TResponseInputItem], old: Sequence[int], wanted: int) -> dict[int, int]:
    """Return the oldest of `old` that are worth it, until `wanted` bytes are free: what each frees, by its place."""
    batch: dict[int, int] = {}
    for place in old:
        if sum(batch.values()) >= wanted:
            break
        saved = _size(items[place]) - _size(_without(items[place]))
        if saved > _SHORT:
            batch[place] = saved
    return batch


def _without(item: TResponseInputItem) -> TResponseInputItem:
    """Return the output of a call with a line in place of its text, in the form it had."""
    plain = cast("dict[str, Any]", item)
    output = plain["output"]
    line = f"[{len(_text(output).encode())} bytes of this output were left out to make room; call again to see it]"
    made = [{"type": "input_text", "text": line}] if isinstance(output, list) else line
    return cast("TResponseInputItem", {**plain, "output": made})


def _output(item: TResponseInputItem) -> Any:
    plain = cast("dict[str, Any]", item)
    return plain.get("output") if plain.get("type") == "function_call_output" else None


def _text(output: Any) -> str:
    if isinstance(output, str):
        return output
    texts = [str(part["text"]) for part in output if isinstance(part, dict) and "text" in part]
    return "".join(texts) or json.dumps(output, ensure_ascii=False, default=str)


def _size(item: TResponseInputItem) -> int:
    return len(json.dumps(item, ensure_ascii=False, default=str).encode())

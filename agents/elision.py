"""A long conversation made shorter: old outputs of tools go, in large and rare batches; nothing else changes."""

import json
from collections import deque
from collections.abc import Iterable
from copy import copy
from typing import Any, Self, cast

from agents import TResponseInputItem

HISTORY_BYTES = 240_000
"""What a conversation may take, as JSON, before old outputs are left out of it: about 60,000 tokens."""
KEPT_OUTPUTS = 6
"""So many of the last outputs always stay."""
_SHORT = 400
"""Bytes of an output that is not worth leaving out."""


def elided(items: Iterable[TResponseInputItem], budget: int = HISTORY_BYTES) -> list[TResponseInputItem]:
    """Return the conversation with old outputs of tools replaced by a line each, if it is larger than `budget` bytes.

    Messages, and so the packet with task, plan, criteria, protected areas and findings, stay word for word. So do all
    calls with what the model thought before them: each keeps its place and its output, whose text alone is replaced.
    What is left out depends on the items before it alone, and is a quarter of `budget` at least: between two such
    batches what was sent before is a prefix of what is sent next. The same items give the same result, and what is
    given is not changed.
    """
    made = Elision(budget)
    for item in items:
        made.add(item)
    return made.items


class Elision:
    """What `elided` returns of a conversation, made item by item, so that a longer one need not begin anew."""

    def __init__(self, budget: int = HISTORY_BYTES) -> None:
        self.items: list[TResponseInputItem] = []
        """The conversation so far, shortened where it had to be."""
        self._budget = budget
        self._size = 0
        self._last: deque[int] = deque()
        self._old: deque[tuple[int, int]] = deque()
        self._free = 0

    def copy(self) -> Self:
        """Return one that goes on from here; this one stays as it is."""
        made = copy(self)
        made.items, made._last, made._old = [*self.items], self._last.copy(), self._old.copy()
        return made

    def add(self, item: TResponseInputItem) -> None:
        """Take the next item."""
        self._size += _size(item)
        if _output(item) is not None:
            self._last.append(len(self.items))
        self.items.append(item)
        if len(self._last) > KEPT_OUTPUTS:
            self._grow_old(self._last.popleft())
        # More than half of the budget is wanted then, so that whatever is free here is a batch.
        if self._size > self._budget and self._free >= self._budget // 4:
            self._leave_out(self._size - self._budget // 2)

    def _grow_old(self, place: int) -> None:
        saved = _size(self.items[place]) - _size(_without(self.items[place]))
        if saved > _SHORT:
            self._old.append((place, saved))
            self._free += saved

    def _leave_out(self, wanted: int) -> None:
        """Leave out the oldest outputs that are worth it, until `wanted` bytes are free."""
        made = 0
        while self._old and made < wanted:
            place, saved = self._old.popleft()
            self.items[place] = _without(self.items[place])
            made += saved
        self._free -= made
        self._size -= made


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

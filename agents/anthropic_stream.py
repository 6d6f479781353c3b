"""The events of Anthropic's streams, put together to the answer that came without streaming."""

import json
from collections.abc import Mapping
from typing import Any

from andon.agents.answers import IncompleteAnswer

_OUT_OF_ORDER = "its stream is out of order"


class StreamedMessage:
    """One answer as its events come in; it counts only once `ended` is true."""

    def __init__(self) -> None:
        self.ended = False
        """True after the final event."""
        self._message: dict[str, Any] | None = None
        self._blocks: list[dict[str, Any]] = []
        self._arguments: dict[int, str] = {}
        self._open: set[int] = set()

    def take(self, event: Any) -> str:
        """Take the next event; return the text that it adds to what the model says.

        Raises:
            IncompleteAnswer: it does not fit what came before, or is of a kind that is not known.
        """
        plain = event.model_dump(mode="json", exclude_unset=True, warnings="none")
        try:
            return self._taken(plain)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise IncompleteAnswer(_OUT_OF_ORDER) from error

    def whole(self) -> dict[str, Any]:
        """Return the JSON of the whole answer; call it once, when `ended` is true.

        Raises:
            IncompleteAnswer: a block never ended, or the arguments of a call are cut.
        """
        if self._message is None or self._open:
            raise IncompleteAnswer(_OUT_OF_ORDER)
        for index, text in self._arguments.items():
            self._blocks[index]["input"] = _json(text)
        return {**self._message, "content": self._blocks}

    def _taken(self, event: dict[str, Any]) -> str:
        kind = event["type"]
        if self.ended or (kind == "message_start") != (self._message is None):
            raise IncompleteAnswer(_OUT_OF_ORDER)
        if self._message is None:
            self._message = {**event["message"], "usage": dict(event["message"].get("usage") or {})}
        elif kind == "content_block_start":
            return self._begin(event["index"], event["content_block"])
        elif kind == "content_block_delta":
            return self._add(event["index"], event["delta"])
        elif kind == "content_block_stop":
            self._open.remove(event["index"])
        elif kind == "message_delta":
            self._message |= event["delta"]
            told = event.get("usage") or {}
            self._message["usage"] |= {name: value for name, value in told.items() if value is not None}
        elif kind == "message_stop":
            self.ended = True
        return ""

    def _begin(self, index: int, block: dict[str, Any]) -> str:
        if index != len(self._blocks):
            raise IncompleteAnswer(_OUT_OF_ORDER)
        self._blocks.append(dict(block))
        self._open.add(index)
        return str(block["text"]) if block["type"] == "text" else ""

    def _add(self, index: int, delta: Mapping[str, Any]) -> str:
        if index not in self._open:
            raise IncompleteAnswer(_OUT_OF_ORDER)
        block, kind = self._blocks[index], delta["type"]
        if kind == "text_delta":
            block["text"] += delta["text"]
            return str(delta["text"])
        if kind == "input_json_delta":
            self._arguments[index] = self._arguments.get(index, "") + delta["partial_json"]
        elif kind == "thinking_delta":
            block["thinking"] += delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        else:
            raise IncompleteAnswer(f"its stream adds a {kind!r}")
        return ""


def _json(text: str) -> Any:
    # Strictly: the client's own reader takes what is cut for what is meant.
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise IncompleteAnswer("the arguments of a tool call in it are not whole JSON") from error

"""A model request, taken apart: what is compared on replay, and what a drift report can name.

The normaliser is canonical JSON and nothing else: whatever a normaliser removes is no longer tested.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_LIST_FIELDS = ("input", "messages")
"""Where the conversation stands: Responses has `input`, Chat Completions and Anthropic Messages have `messages`."""

_TEXT_FIELD = "(body)"
"""The one field of a body that is no JSON object."""


@dataclass(frozen=True)
class Part:
    """One top-level field or one conversation item."""

    digest: str
    """First 16 hex digits of the sha256 of its canonical JSON."""
    value: Any
    """The JSON value."""


@dataclass(frozen=True)
class RequestParts:
    """One request without host, query and headers."""

    method: str
    """`POST`."""
    path: str
    """`/v1/responses`."""
    sha256: str
    """Of the canonical JSON of the whole body; what requests are matched on."""
    fields: dict[str, Part]
    """Every top-level field but the conversation: model, instructions, tools, …"""
    items_field: str
    """The field that holds the conversation, or an empty string."""
    items: tuple[Part, ...]
    """The conversation, item by item."""

    def parts(self) -> list[Part]:
        """Return every part, fields first."""
        return [*self.fields.values(), *self.items]


def canonical(value: Any) -> str:
    """Return the one JSON text of a JSON value: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def make_part(value: Any) -> Part:
    """Return `value` with its digest."""
    return Part(_sha256(canonical(value))[:16], value)


# vcrpy asks for the same body up to four times in one exchange.
@lru_cache(maxsize=16)
def take_apart(method: str, path: str, body: bytes) -> RequestParts:
    """Return the parts of a request; a body that is no JSON object becomes one field of text."""
    try:
        parsed = json.loads(body)
    except ValueError:  # covers JSONDecodeError and UnicodeDecodeError
        parsed = body.decode("utf-8", "backslashreplace")
    if not isinstance(parsed, dict):
        parsed = {_TEXT_FIELD: parsed} if body else {}
    items_field = next((name for name in _LIST_FIELDS if isinstance(parsed.get(name), list)), "")
    return RequestParts(
        method=method,
        path=path,
        sha256=_sha256(canonical(parsed)),
        fields={name: make_part(value) for name, value in sorted(parsed.items()) if name != items_field},
        items_field=items_field,
        items=tuple(make_part(item) for item in parsed.get(items_field, ())),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()

"""Says which part of a request changed against a recording, instead of showing two bodies."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from andon.evals.request_parts import Part, RequestParts

_FIRST_FIELDS = ("model", "instructions", "system", "tools")
_DIFF_LINES = 20
_LINE_WIDTH = 200


@dataclass(frozen=True)
class Recorded:
    """A recorded request, as the report needs it."""

    number: int
    """Its place in the cassette, from 1."""
    parts: RequestParts
    """What was asked."""
    played: bool
    """Whether its answer was already given."""


@dataclass(frozen=True)
class _Change:
    label: str
    before: Part | None
    after: Part | None


def drift_report(asked: RequestParts, recorded: Sequence[Recorded]) -> str:
    """Return what changed in `asked` against the nearest recorded request: part by part, then one short diff.

    The diff is of the first changed part in the order model, instructions, tools, other fields, conversation, and has
    at most 20 lines.
    """
    candidates = [entry for entry in recorded if (entry.parts.method, entry.parts.path) == (asked.method, asked.path)]
    if not candidates:
        paths = ", ".join(sorted({f"{entry.parts.method} {entry.parts.path}" for entry in recorded})) or "nothing"
        return f"no request to this path was recorded; recorded: {paths}"
    same = [entry for entry in candidates if entry.parts.sha256 == asked.sha256]
    if same:
        numbers = ", ".join(str(entry.number) for entry in same)
        return f"this very request was recorded {len(same)} time(s) (request {numbers}), and every answer was played"
    nearest = max(candidates, key=lambda entry: (_likeness(asked, entry.parts), not entry.played, -entry.number))
    changes = list(_changes(nearest.parts, asked))
    lines = [f"nearest is recorded request {nearest.number}; changed against it:"]
    lines += [f"  {change.label}" for change in changes]
    return "\n".join([*lines, *_diff(changes[0])])


def _likeness(asked: RequestParts, recorded: RequestParts) -> float:
    """Return 0 to 2: the share of equal fields plus the share of items that are equal at their place."""
    names = asked.fields.keys() | recorded.fields.keys()
    fields = sum(asked.fields.get(name) == recorded.fields.get(name) for name in names) / max(len(names), 1)
    pairs = zip(asked.items, recorded.items, strict=False)
    longest = max(len(asked.items), len(recorded.items), 1)
    return fields + sum(one.digest == other.digest for one, other in pairs) / longest


def _changes(before: RequestParts, after: RequestParts) -> Iterator[_Change]:
    names = before.fields.keys() | after.fields.keys()
    for name in sorted(names, key=lambda name: (*(name != first for first in _FIRST_FIELDS), name)):
        one, other = before.fields.get(name), after.fields.get(name)
        if one != other:
            yield _Change(_field_label(name, one, other), one, other)
    if before.items_field != after.items_field:
        yield _Change(
            f"conversation: in {after.items_field or 'no'} field, was in {before.items_field or 'no'} field", None, None
        )
    kind = f"{after.items_field or before.items_field} item"
    total = f"of {len(after.items)}, {len(before.items)} recorded"
    for index in range(max(len(before.items), len(after.items))):
        one = before.items[index] if index < len(before.items) else None
        other = after.items[index] if index < len(after.items) else None
        if one != other:
            word = "missing" if other is None else "added" if one is None else "changed"
            yield _Change(f"{kind} {index} ({total}): {word}", one, other)


def _field_label(name: str, before: Part | None, after: Part | None) -> str:
    if name != "tools" or before is None or after is None:
        return f"{name}: {'added' if before is None else 'missing' if after is None else 'changed'}"
    old, new = _by_name(before), _by_name(after)
    words = [
        f"{tool} {'added' if tool not in old else 'missing' if tool not in new else 'changed'}"
        for tool in sorted(old.keys() | new.keys())
        if old.get(tool) != new.get(tool)
    ]
    return f"tools: {', '.join(words) or 'in another order'}"


def _by_name(tools: Part) -> dict[str, object]:
    found: dict[str, object] = {}
    for tool in tools.value if isinstance(tools.value, list) else []:
        described = tool.get("function", tool) if isinstance(tool, dict) else tool  # Chat Completions nests it
        name = described.get("name") if isinstance(described, dict) else None
        found[str(name or described)] = tool
    return found


def _diff(change: _Change) -> list[str]:
    before, after = _lines(change.before), _lines(change.after)
    lines = list(difflib.unified_diff(before, after, "recorded", "now", n=1, lineterm=""))
    shown = [line if len(line) <= _LINE_WIDTH else line[:_LINE_WIDTH] + "…" for line in lines[:_DIFF_LINES]]
    if len(lines) > _DIFF_LINES:
        shown[-1] = f"… {len(lines) - _DIFF_LINES + 1} more lines"
    return shown


def _lines(part: Part | None) -> list[str]:
    if part is None:
        return []
    if isinstance(part.value, str):
        return part.value.split("\n")
    # One line for every value, and text of several lines laid out, so that the diff points at the line that changed.
    return [line for key, value in _flat(part.value) for line in f"{key}: {value}".split("\n")]


def _flat(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name in sorted(value):
            yield from _flat(value[name], f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _flat(item, f"{key}[{index}]")
    else:
        yield key, value

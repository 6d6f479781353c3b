"""What a person reads before allowing a call: its facts, made from the call itself and never from a model's account."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from andon.guardrails.output import clean_text
from andon.guardrails.redact import without_secrets
from andon.records.calls import Decision, ToolCall

_LINES = 400
_CHARACTERS = 40_000


def call_facts(call: ToolCall, decision: Decision, before: str | None) -> str:
    """Return the call in words: tool, role, rule, arguments, and what it would change as a diff.

    `before` is the file that `edit_file` or `write_file` names, as it is now; None where there is none or it is no
    text. Control, invisible and direction characters are spelled out, secrets left out, and what is too long is cut
    with a note.
    """
    lines = [f"tool: {call.tool}, called by the {call.role}", f"rule: {', '.join(decision.rules)}"]
    given = dict(call.arguments)
    if call.tool in ("edit_file", "write_file") and isinstance(given.get("path"), str):
        after = _after(call, before)
        lines.append(f"path: {given['path']}")
        if after is not None:
            return shown_facts([*lines, *text_diff(given["path"], before or "", after)])
        given.pop("path")
    lines += [line for name, value in given.items() for line in _argument(name, value)]
    return shown_facts(lines)


def _after(call: ToolCall, before: str | None) -> str | None:
    """Return what the file would hold; None where the call would not work as it is."""
    if call.tool == "write_file":
        content = call.arguments.get("content")
        return content if isinstance(content, str) else None
    return None if before is None else _edited(before, call.arguments.get("edits"))


def _edited(text: str, edits: Any) -> str | None:
    for edit in edits if isinstance(edits, list) else [None]:
        if (
            not isinstance(edit, Mapping)
            or not isinstance(edit.get("old"), str)
            or not isinstance(edit.get("new"), str)
        ):
            return None
        if text.count(edit["old"]) != 1:
            return None
        text = text.replace(edit["old"], edit["new"])
    return text


def text_diff(path: str, before: str, after: str) -> list[str]:
    """Return the unified diff of one file, without line ends."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm=""))


def _argument(name: str, value: Any) -> list[str]:
    """Return an argument's lines; the second and later ones are marked, so that none passes for a fact of ours."""
    first, *more = clean_text(f"{name}: {_word(value)}").split("\n")
    return [first, *(f"  | {line}" for line in more)]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def shown_facts(lines: Sequence[str]) -> str:
    """Return `lines` as a person reads them: cleaned, without secrets, and cut in the middle with a note if long."""
    kept = without_secrets("\n".join(clean_text(part) for line in lines for part in line.split("\n"))).split("\n")
    if len(kept) > _LINES:
        cut = len(kept) - _LINES
        kept[_LINES // 2 : _LINES // 2 + cut] = [f"[… {cut} lines are not shown]"]
    text = "\n".join(kept)
    if len(text) > _CHARACTERS:
        half = _CHARACTERS // 2
        text = f"{text[:half]}\n[… {len(text) - _CHARACTERS} characters are not shown]\n{text[-half:]}"
    return text


def showable(call: ToolCall) -> bool:
    """Say whether a person can be shown all of `call`; of a file that is written the diff may be cut, with a note."""
    if call.tool in ("edit_file", "write_file"):
        return True
    text = json.dumps(call.arguments, default=str)
    return len(text) <= _CHARACTERS // 2 and text.count("\\n") <= _LINES // 2

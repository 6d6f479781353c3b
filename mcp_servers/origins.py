"""Which part of a curated tool's answer is ours, and where the rest of it comes from."""

import re
from collections.abc import Mapping
from typing import Any

from andon.guardrails.redact import without_secrets
from andon.guardrails.wrapped import wrapped

_SUBJECT = 40
"""Characters of a call that its answer repeats as the origin; a path is repeated whole."""
_OURS = {
    "list_files": 1,
    "search": 0,
    "read_file": 1,
    "edit_file": 1,
    "run_tests": 2,
    "run_command": 1,
    "git": 1,
    "docs_lookup": 0,
}
"""Tool to the number of lines at the beginning of its answer that its code wrote: counts, names, exit codes. A tool
that is not named here writes all of its answer itself."""
_SAYINGS = {
    "search": ("no matches", "too many matches; "),
    "docs_lookup": ("no document says anything", "nothing found for: ", "refused: "),
}
"""How answers of one line begin that are ours altogether; a document's answer has several lines."""
_HIT = re.compile(r":\d+:")
"""Stands in every line that search finds, whatever its file is called, and in none that it says itself."""


def told(tool: str, arguments: Mapping[str, Any], text: str) -> str:
    """Return a tool's answer without secrets, and everything in it that is not ours wrapped as data from this call.

    What is ours stands first, so that an exit code cannot be forged by what a command prints.
    """
    text = without_secrets(text)
    lines = _OURS.get(tool)
    if lines is None or _is_saying(tool, text):
        return text
    head = 0
    for _ in range(lines):
        head = text.find("\n", head) + 1 or len(text)
    ours, theirs = text[:head], text[head:]
    return ours + wrapped(theirs, _origin(tool, arguments)) if theirs.strip() else text


def _is_saying(tool: str, text: str) -> bool:
    if "\n" in text.strip("\n") or not text.startswith(_SAYINGS.get(tool, ())):
        return False
    return tool != "search" or _HIT.search(text) is None


def _origin(tool: str, arguments: Mapping[str, Any]) -> str:
    for key in ("path", "command", "query", "args", "select"):
        if value := arguments.get(key):
            subject = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            # Before the cut: half a key is no longer known as one.
            subject = without_secrets(subject)
            short = subject if key == "path" or len(subject) <= _SUBJECT else f"{subject[:_SUBJECT]}…"
            return f"{tool} {short}"
    return tool

"""What a call did to files, as a person reads it: a short unified diff of each, clean and bounded."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from andon.guardrails.output import clean_text
from andon.guardrails.redact import without_secrets
from andon.mcp_servers.settled import FileChange, name_of
from andon.mcp_servers.workspace_diff import Snapshot
from andon.sandbox.protocol import EXECUTABLE, REGULAR, Entry

FILES = 20
"""So many files of one call are told one by one; a formatter run over a repository is read in the run's diff."""
_LINES = 60
_LINE = 200
_BYTES = 100_000
"""Longer files are not compared: it takes longer than the call."""


def file_changes(
    paths: Sequence[bytes], before: Snapshot, after: Snapshot, read: Callable[[Iterable[str]], Mapping[str, bytes]]
) -> tuple[FileChange, ...]:
    """Return what became of the first of `paths`; `read` gives the content of blobs of the base commit."""
    changes = []
    for path in paths[:FILES]:
        old, new = before.get(path), after.get(path)
        how: Literal["added", "changed", "removed"] = (
            "added" if old is None else "removed" if new is None else "changed"
        )
        was, now = _text(old, read), _text(new, read)
        lines = [] if was is None or now is None else _lines(was, now)
        # Before a line is cut: half a key is no longer known as one.
        shown = without_secrets(clean_text("\n".join(lines[:_LINES])))
        diff = "\n".join(line[:_LINE] for line in shown.split("\n"))
        changes.append(FileChange(name_of(path), how, diff, len(lines) > _LINES))
    return tuple(changes)


def _lines(was: str, now: str) -> list[str]:
    found = difflib.unified_diff(was.splitlines(), now.splitlines(), n=2, lineterm="")
    return list(found)[2:]


def _text(entry: Entry | None, read: Callable[[Iterable[str]], Mapping[str, bytes]]) -> str | None:
    """Return the text of a file, empty for none; None for what is no text, or too long."""
    if entry is None:
        return ""
    if entry.mode not in (REGULAR, EXECUTABLE) or entry.oversized:
        return None
    if entry.content is None and not entry.blob:
        return None
    content = read([entry.blob])[entry.blob] if entry.content is None else entry.content
    if len(content) > _BYTES or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None

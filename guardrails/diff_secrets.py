"""Credentials that a change brings in: what the base held already is nobody's doing now."""

from collections.abc import Mapping

from andon.guardrails.output import show_hidden
from andon.guardrails.redact import secret_spans
from andon.guardrails.redact_spans import Span, Unwrapped

_BY_NAME = "named-secret"
"""Found by the name beside it alone; tests are full of those, so it is no reason to refuse a change."""


def secrets_in(before: bytes | None, after: bytes) -> list[int]:
    """Return the lines of `after`, counted from 1, on which a key, a token or a known secret value stands.

    What `before` holds already counts for nothing, wherever it stands now and in whatever line. `before` is the file at
    the base, None where there was none. Never a value; see `redact` for what is found.
    """
    return _lines(_text(before or b""), _text(after))


def secrets_of_change(files: Mapping[str, tuple[bytes | None, bytes | None]]) -> dict[str, list[int]]:
    """Return the lines of `secrets_in` by path, for the files of one change: path to what it held and holds.

    A value that any of these files held before counts for nothing in all of them, so that a moved file is free.
    """
    held = "\n\n".join(_text(before) for before, _ in files.values() if before)
    found = {path: _lines(held, _text(after)) for path, (_, after) in files.items() if after}
    return {path: lines for path, lines in found.items() if lines}


def _lines(before: str, after: str) -> list[int]:
    spans = [span for span in secret_spans(after) if span.kind != _BY_NAME]
    if not spans:
        return []
    held = Unwrapped(before).text
    new = [span for span in spans if _value(span, after) not in held]
    return sorted({after.count("\n", 0, span.start) + 1 for span in new})


def _value(span: Span, text: str) -> str:
    return Unwrapped(span.of(text)).text


def _text(content: bytes) -> str:
    """Return what a reader finds in `content`; without null bytes, so that UTF-16 hides nothing."""
    return show_hidden(content.replace(b"\0", b"").decode("utf-8", "replace"))

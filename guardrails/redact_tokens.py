"""Tokens that show by their shape whose they are, also where a line wrap splits them."""

import re
from collections.abc import Iterator

from andon.guardrails.redact_detectors import detectors
from andon.guardrails.redact_placeholders import holds_placeholder, is_wordy
from andon.guardrails.redact_spans import Span, Unwrapped
from andon.guardrails.redact_vendors import PATHS, VENDORS, Shape

# Every token holds such a run, and few words of ordinary text are one: anchors are looked for in these alone.
_LONG_WORD = re.compile(r"[A-Za-z0-9_.:~+/=-]{20,}")
_SEEN = 400
_RUN = re.compile(r"[A-Za-z0-9]+")
# What may touch the beginning of a token though it is a letter or a digit.
_TOUCHING = re.compile(r"(?:\\[nrtfv]|%[0-9A-Fa-f]{2}|bot)\Z")


def tokens(text: str, unwrapped: Unwrapped) -> Iterator[Span]:
    """Yield the tokens in `text`."""
    words = "\n".join(_LONG_WORD.findall(unwrapped.text))
    wrapped = len(unwrapped.text) != len(text)
    for shape in (*VENDORS, *detectors(words)):
        if _may_hold(words, shape):
            yield from _plain(text, shape)
            if wrapped:
                yield from _wrapped(text, unwrapped, shape)
    for shape in PATHS:
        if any(anchor in text for anchor in shape.anchors):
            yield from _plain(text, shape)


def _may_hold(words: str, shape: Shape) -> bool:
    if shape.anchors and not any(anchor in words for anchor in shape.anchors):
        return False
    return shape.pattern.search(words) is not None


def _plain(text: str, shape: Shape) -> Iterator[Span]:
    for found in shape.pattern.finditer(text):
        start, end = found.span(1 if shape in PATHS else 0)
        if _is_token(text, start, end, text[start:end]):
            yield Span(start, end, shape.kind)


def _wrapped(text: str, unwrapped: Unwrapped, shape: Shape) -> Iterator[Span]:
    for found in shape.pattern.finditer(unwrapped.text):
        span = unwrapped.span(*found.span(), shape.kind)
        pieces = text[span.start : span.end].split("\n")
        # A next line that happens to begin with a word is no part of a token that was complete before it.
        while len(pieces) > 1 and not _continues(text, span.end, pieces[-1]):
            rest = "".join(pieces[:-1])
            if not shape.pattern.fullmatch(rest):
                break
            span = Span(span.start, span.end - len(pieces.pop()) - 1, span.kind)
        token = Unwrapped("\n".join(pieces)).text
        if token != span.of(text) and _is_token(text, span.start, span.end, token):
            yield span


def _continues(text: str, end: int, piece: str) -> bool:
    """Say whether the last piece of a wrapped token is a line by itself that looks like the rest of one."""
    alone = text[end : end + 1] in ("", "\n", '"', "'", ")", ",", ";")
    return alone and not is_wordy(piece) and not piece.replace("-", "").isdigit()


def _is_token(text: str, start: int, end: int, token: str) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if (
        token[0].isalnum()
        and before.isascii()
        and before.isalnum()
        and not _TOUCHING.search(text[max(start - 4, 0) : start])
    ):
        return False
    if after.isascii() and after.isalnum():
        return False
    longest = max(_RUN.findall(token), key=len, default="")
    wordy = longest != token and is_wordy(token)
    return len(set(longest)) > 3 and not wordy and not holds_placeholder(token[:_SEEN])

"""Private keys in text: whole blocks, what a cut left of one, and blocks on one line with `\\n` written out."""

import re
from collections.abc import Iterator

from andon.guardrails.redact_spans import Span

_LONGEST = 20_000
_LINE_END = r"(?:\s|\\[nr])"
_HEADERS = rf"(?:[A-Za-z-]{{1,30}}: [^\n\\]{{0,200}}{_LINE_END}+){{0,8}}"
_NAME = r"(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_PEM = re.compile(f"-----BEGIN {_NAME}"), re.compile(f"-----END {_NAME}")
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d"), re.compile(r"Private-MAC: [0-9a-f]{20,}")
_DIGITS = re.compile(r"[A-Za-z0-9+/]{16}")
_CUT_AFTER = re.compile(rf"{_LINE_END}*{_HEADERS}{_LINE_END}*(?:[A-Za-z0-9+/=]{{16,}}{_LINE_END}*)+")


def private_keys(text: str) -> Iterator[Span]:
    """Yield the private keys in `text`. A header without a key, as in documents and code, is none."""
    if "PRIVATE KEY" in text:
        yield from _blocks(text, *_PEM)
    if "PuTTY-User-Key-File-" in text:
        yield from _blocks(text, *_PUTTY)


def _blocks(text: str, first: re.Pattern[str], last: re.Pattern[str]) -> Iterator[Span]:
    at = 0
    begins = [*first.finditer(text)]
    for begin, following in zip(begins, [*(each.start() for each in begins[1:]), len(text)], strict=False):
        if lost := _tail(text, at, begin.start(), last):
            yield lost
        limit = min(following, begin.end() + _LONGEST)
        end = last.search(text, begin.end(), limit)
        at = begin.end()
        if end and _DIGITS.search(text, at, end.start()):
            yield Span(begin.start(), end.end(), "private-key")
            at = end.end()
        elif cut := _CUT_AFTER.match(text, at, limit):
            at = begin.start() + len(text[begin.start() : cut.end()].rstrip())
            yield Span(begin.start(), at, "private-key")
    if lost := _tail(text, at, len(text), last):
        yield lost


def _tail(text: str, start: int, stop: int, last: re.Pattern[str]) -> Span | None:
    """Return the end of a key whose beginning was cut off, if one lies between `start` and `stop`."""
    end = last.search(text, start, stop)
    if end is None:
        return None
    from_ = max(start, end.start() - _LONGEST)
    block = text[from_ : end.start()]
    first = len(block)
    for line in reversed(block.splitlines(keepends=True)):
        if not re.fullmatch(r"[A-Za-z0-9+/=]{1,100}\s*", line):
            break
        first -= len(line)
    return Span(from_ + first, end.end(), "private-key") if _DIGITS.search(block, first) else None

"""Private keys in text: whole blocks, what a cut left of one, and blocks on one line with `\\n` written out."""

import re
from collections.abc import Iterator

from andon.guardrails.redact_spans import Span

_LONGEST = 20_000
_LINE_END = r"(?:\s|\\[nr])"
_HEADERS = rf"(?:[A-Za-z-]{{1,30}}: [^\n\\]{{0,200}}{_LINE_END}+){{0,8}}"
_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]{20,}")
_DIGITS = re.compile(r"[A-Za-z0-9+/]{16}")
_CUT_AFTER = re.compile(rf"{_LINE_END}*{_HEADERS}{_LINE_END}*(?:[A-Za-z0-9+/=]{{16,}}{_LINE_END}*)+")


def private_keys(text: str) -> Iterator[Span]:
    """Yield the private keys in `text`, in order. A header without a key, as in documents and code, is none."""
    at = 0
    if "PRIVATE KEY" not in text and "PuTTY-User-Key-File-" not in text:
        return
    while begin := _BEGIN.search(text, at):
        if (lost := _tail(text, at, begin.start())) is not None:
            yield lost
        following = _BEGIN.search(text, begin.end(), begin.end() + _LONGEST)
        limit = following.start() if following else begin.end() + _LONGEST
        end = _END.search(text, begin.end(), limit)
        at = begin.end()
        if end and _DIGITS.search(text, begin.end(), end.start()):
            yield Span(begin.start(), end.end(), "private-key")
            at = end.end()
        elif cut := _CUT_AFTER.match(text, begin.end(), limit):
            stop = begin.start() + len(text[begin.start() : cut.end()].rstrip())
            yield Span(begin.start(), stop, "private-key")
            at = stop
    if (lost := _tail(text, at, len(text))) is not None:
        yield lost


def _tail(text: str, start: int, stop: int) -> Span | None:
    """Return the end of a key whose beginning was cut off, if one lies between `start` and `stop`."""
    end = _END.search(text, start, stop)
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

"""Places of secrets in text, and text with its line wraps taken out."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

_WRAP = re.compile(r"\n|<U\+[0-9A-F]{4,6}>")


class Span(NamedTuple):
    """Where a secret stands."""

    start: int
    end: int
    kind: str
    """`github-token`: lower case words with dashes."""

    def of(self, text: str) -> str:
        """Return what stands there."""
        return text[self.start : self.end]


class Unwrapped:
    """`text` without line ends and without the signs that stand for invisible characters, either of which may split a
    secret that the terminal or a program wrapped."""

    def __init__(self, original: str) -> None:
        self.original = original
        self.text = _WRAP.sub("", original) if "<U+" in original else original.replace("\n", "")

    def find_all(self, needles: Iterable[str], kind: str) -> Iterator[Span]:
        """Yield every place of every needle, in places of the original."""
        for needle in needles:
            at = self.text.find(needle)
            while at >= 0:
                yield self.span(at, at + len(needle), kind)
                at = self.text.find(needle, at + len(needle))

    def span(self, start: int, end: int, kind: str) -> Span:
        """Return the span of the original for places of the unwrapped text."""
        return Span(self.place(start), self.place(end - 1) + 1, kind)

    def place(self, at: int) -> int:
        """Return where the character at `at` stands in the original."""
        before = bisect_right(self._cuts[0], at)
        return at + (self._cuts[1][before - 1] if before else 0)

    @cached_property
    def _cuts(self) -> tuple[list[int], list[int]]:
        """Places in the unwrapped text before which something is missing, and how much up to there."""
        found = list(_WRAP.finditer(self.original))
        missing = list(accumulate(len(cut[0]) for cut in found))
        return [cut.start() - gone + len(cut[0]) for cut, gone in zip(found, missing, strict=True)], missing

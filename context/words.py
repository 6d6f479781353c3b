"""Words of names and sentences, so that `savedStocks`, `saved_stocks` and "save a stock" meet."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d{2,}")
_NAMES = re.compile(r"\w+")
_STOP_WORDS = """
    a about after all also an and any are as at be been before but by can could did do does each for from get had has
    have how i if in into is it its may me must my no not of on one only or our should so some still than that the their
    them then there these they this to use user users was we were what when where which who why will with would you
    your
"""
STOP = frozenset(_STOP_WORDS.split())
"""Words that say nothing of what a task is about."""


def words_of(text: str) -> Iterator[str]:
    """Yield the stems of the words in `text` in order; names are split where their parts meet, and stop words go."""
    for part in _PARTS.findall(text):
        if word := _stem_of(part):
            yield word


def names_of(text: str) -> Iterator[str]:
    """Yield `words_of` each name in `text`, and each name of several parts as one word too: `watch_list`, watchlist."""
    for name in _NAMES.findall(text):
        parts = list(words_of(name))
        yield from parts
        if len(parts) > 1:
            yield stem(name.replace("_", "").lower())


def counts_of(text: str) -> Counter[str]:
    """Return how often each of `words_of(text)` occurs; for whole files, of which most words occur often."""
    counts: Counter[str] = Counter()
    for part, count in Counter(_PARTS.findall(text)).items():
        if word := _stem_of(part):
            counts[word] += count
    return counts


@lru_cache(maxsize=50_000)
def _stem_of(part: str) -> str:
    """Return the stem of one part of a name; empty for a stop word."""
    word = part.lower()
    return "" if len(word) < 2 or word in STOP else stem(word)


def stem(word: str) -> str:
    """Return a lower-case word without its English ending; close enough to find it again, not to be read."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word

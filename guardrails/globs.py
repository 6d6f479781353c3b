"""Gitignore patterns without regular expressions: no pattern of a repository can make matching explode."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from andon.guardrails.paths import fold


def wild(pattern: str, text: str) -> bool:
    """True if `text` is what `pattern` stands for; `*` any characters, `?` one, `[…]` one of a set. Linear in both."""
    if pattern == "*" or pattern == text:
        return True
    if "[" in pattern:
        return _with_sets(pattern, text)
    if not ("*" in pattern or "?" in pattern):
        return False
    at = position = 0
    star, mark = -1, 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at += 1
            position += 1
        elif star >= 0:
            mark += 1
            at, position = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


@lru_cache(maxsize=16384)
def _with_sets(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern)


@dataclass(frozen=True)
class Glob:
    """One pattern, folded and cut into segments."""

    segments: tuple[str, ...]
    anchored: bool
    key: str | None
    """A segment without wildcards that every path it holds for has; None: there is none."""

    @classmethod
    def of(cls, pattern: str) -> "Glob":
        """Read a gitignore pattern; it also holds for everything below what it names."""
        body = fold(pattern.removeprefix("./")).rstrip("/")
        segments = tuple(part for part in body.split("/") if part)
        plain = [part for part in segments if not any(character in part for character in "*?[")]
        while segments[-1:] == ("**",) and len(segments) > 1:
            segments = segments[:-1]
        return cls(segments, "/" in body, plain[-1] if plain else None)

    def holds(self, parts: tuple[str, ...]) -> bool:
        """True for a path given as folded segments."""
        if self.anchored:
            return _prefix(self.segments, parts)
        return any(wild(self.segments[0], part) for part in parts)


def _prefix(segments: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """True if `segments` stand for `parts` or a folder above."""
    if not segments:
        return True
    if segments[0] == "**":
        return any(_prefix(segments[1:], parts[skip:]) for skip in range(len(parts)))
    return bool(parts) and wild(segments[0], parts[0]) and _prefix(segments[1:], parts[1:])

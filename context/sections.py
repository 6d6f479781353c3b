"""Documents cut into sections by their headings."""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_LINES = 60
"""A section longer than this is cut, so that one long page cannot crowd out the rest."""

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_ATX = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*$")


class Section(NamedTuple):
    """A piece of a document."""

    path: str
    """Relative to the repository."""
    line: int
    """Its first line, from 1."""
    trail: str
    """The headings above it, outermost first, joined by ` > `."""
    body: str
    """Its text, its own heading left out."""


class _Heading(NamedTuple):
    line: int
    """Index of the title line."""
    lines: int
    """How many lines the heading takes."""
    level: int
    title: str


def sections(path: str, text: str) -> list[Section]:
    """Return the sections of one document in order; a text without headings is cut by length."""
    lines = text.splitlines()
    headings = list(_headings(path, lines))
    found = list(_pieces(path, "", 0, lines[: headings[0].line] if headings else lines))
    trail: list[_Heading] = []
    for number, heading in enumerate(headings):
        trail = [outer for outer in trail if outer.level < heading.level] + [heading]
        end = headings[number + 1].line if number + 1 < len(headings) else len(lines)
        start = heading.line + heading.lines
        names = " > ".join(each.title for each in trail)
        found += list(_pieces(path, names, start, lines[start:end])) or [Section(path, heading.line + 1, names, "")]
    return found


def _pieces(path: str, trail: str, start: int, lines: list[str]) -> Iterator[Section]:
    for offset in range(0, len(lines), MAX_LINES):
        piece = lines[offset : offset + MAX_LINES]
        blank = next((count for count, line in enumerate(piece) if line.strip()), None)
        if blank is not None:
            yield Section(path, start + offset + blank + 1, trail, "\n".join(piece[blank:]).rstrip())


def _headings(path: str, lines: list[str]) -> Iterator[_Heading]:
    if path.endswith(".md"):
        yield from _markdown(lines)
    elif path.endswith(".rst"):
        yield from _underlined(lines, {})


def _markdown(lines: list[str]) -> Iterator[_Heading]:
    fence = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and (match := _ATX.match(line)):
            yield _Heading(number, 1, len(match[1]), match[2])


def _underlined(lines: list[str], levels: dict[str, int]) -> Iterator[_Heading]:
    """Yield reST headings; the level of an underline is the order in which its character first came."""
    for number in range(len(lines) - 1):
        title, under = lines[number].strip(), lines[number + 1]
        if not title or _UNDERLINE.match(title) or not _UNDERLINE.match(under) or len(under.rstrip()) < len(title):
            continue
        if lines[number][:1].isspace() and not (number and _UNDERLINE.match(lines[number - 1])):
            continue
        yield _Heading(number, 2, levels.setdefault(under[0], len(levels) + 1), title)

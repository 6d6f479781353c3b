"""Text somebody else wrote, made safe to stand in Markdown that a forge renders and acts on.

Nothing in it may make a heading, table, list, link, image or HTML, mention a person, or close an issue. GitHub and
GitLab find mentions and references after rendering, so a backslash or an entity for the sign alone would not do:
the sign is followed by a zero-width space.
"""

import re

from andon.context.plain import one_line, plain

_BREAK = "&#8203;"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SIGNS = re.compile(
    r"[@#&<>]|[\\`*{}\[\]|~!$^]|(?<![a-z0-9])_|_(?![a-z0-9])|:(?=//)|(?<=\bwww)\.|(?<=\bGH)-(?=\d)|%(?=\w)",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^([-+=/]|\d+(?=[.)]))")


def inline(text: str) -> str:
    """Return `text` on one line in which no character means anything to Markdown or to a forge."""
    return _LEADING.sub(_leading, _SIGNS.sub(_sign, one_line(text)))


def quoted(text: str) -> str:
    """Return `text` as a Markdown quotation, line by line, each line as `inline`."""
    lines = [inline(line) for line in plain(text).split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def code(text: str) -> str:
    """Return `text` as a code span on one line; forges look for nothing in there."""
    line = one_line(text)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else "(empty)"


def _sign(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in "@#:.-%":
        return f"{sign}{_BREAK}"
    return _ENTITIES.get(sign, f"\\{sign}")


def _leading(match: re.Match[str]) -> str:
    start = match[0]
    return f"{start}{_BREAK}" if start.isdigit() else f"\\{start}"

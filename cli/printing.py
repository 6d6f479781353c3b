"""Lines for people on a terminal: cleaned, indented, never more than signs, words and a colour on top of them."""

import os
from typing import TextIO

from rich.console import Console
from rich.text import Text

from andon.guardrails.output import clean_text

Part = str | tuple[str, str]
"""Text, or text and a Rich style."""

ASK, BAD, GOOD, MUTED, NEW = "bold yellow", "red", "green", "dim", "cyan"
"""Yellow is used for nothing but what waits for a person."""

_SIGNS = {"passed": "✓", "failed": "✗", "refused": "■", "asks": "?", "call": "●", "to": "→", "more": "…", "dot": "·"}
_ASCII = {"passed": "+", "failed": "x", "refused": "#", "asks": "?", "call": "*", "to": "->", "more": "...", "dot": "-"}


def wants_plain(out: TextIO) -> bool:
    """Say whether `out` gets words alone: it is no terminal, a simple one, or NO_COLOR is set."""
    return not out.isatty() or os.environ.get("TERM", "dumb") == "dumb" or bool(os.environ.get("NO_COLOR"))


def console_on(out: TextIO, *, plain: bool) -> Console:
    """Return a console that interprets nothing it is given; with `plain` it writes no control sequence either."""
    return Console(
        file=out,
        color_system=None if plain else "auto",
        force_terminal=False if plain else None,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )


def sign(console: Console, name: str) -> str:
    """Return the glyph for a state, in ASCII where the terminal may not have it."""
    ascii_only = not console.encoding.startswith("utf") or os.environ.get("TERM") == "linux"
    return (_ASCII if ascii_only else _SIGNS)[name]


def say(console: Console, *parts: Part, mark: str = "", style: str = "", most: int | None = None) -> None:
    """Print the parts as one text behind `mark`, wrapped at words; every further line stands below the first.

    With `most`, further lines of the text are counted instead of printed.
    """
    text = Text.assemble(*(_clean(part) for part in parts))
    width = max(20, console.width - len(mark))
    lines = [line for paragraph in text.split("\n") for line in paragraph.wrap(console, width) or [Text()]]
    kept = lines if most is None else lines[:most]
    for number, line in enumerate(kept):
        line.rstrip()
        start = Text(mark if number == 0 else " " * len(mark), style=style)
        console.print(start + line if line.plain or number == 0 else "", soft_wrap=True)
    if len(kept) < len(lines):
        counted = f"{sign(console, 'more')} {len(lines) - len(kept)} more lines"
        console.print(Text(" " * len(mark) + counted, style=MUTED))


def _clean(part: Part) -> tuple[str, str]:
    words, style = (part, "") if isinstance(part, str) else part
    return clean_text(words).expandtabs(4), style

"""Text to HTML, and addresses from titles."""

import html
import re
import unicodedata

ALIASES: dict[str, str] = {}
"""Titles that keep the address they once had; an issue or a plugin may add to it."""

LONGEST_SLUG = 40
"""Characters of a slug, at most."""

_SPECIAL = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "&": " and "})


def escape(text: str) -> str:
    """Return `text` as HTML that shows it."""
    return html.escape(text, quote=False)


def slug(title: str) -> str:
    """Return the part of an address that stands for `title`: ASCII words joined by `-`."""
    if title in ALIASES:
        return ALIASES[title]
    words = re.findall(r"[a-z0-9]+", _fold(title))
    return _cut(words) or "untitled"


def heading(title: str, level: int = 2) -> str:
    """Return a heading that can be linked to."""
    return f'<h{level} id="{slug(title)}">{escape(title)}</h{level}>'


def link(address: str, text: str) -> str:
    """Return a link."""
    return f'<a href="{html.escape(address)}">{escape(text)}</a>'


def shorten(text: str, longest: int = 60) -> str:
    """Return `text`, cut at a word with `…` if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    return text[:longest].rsplit(" ", 1)[0] + "…"


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_SPECIAL))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _cut(words: list[str]) -> str:
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > LONGEST_SLUG:
            break
        kept = longer
    return kept or "".join(words)[:LONGEST_SLUG]

"""Text that others wrote, between two lines that it cannot forge: the one form in which a model is shown it."""

import re
import unicodedata

ORIGIN_CHARACTERS = 120
"""A longer origin is cut."""
_TAG = re.compile(r"<[\s/]*data(\d{0,9})\b", re.IGNORECASE)
_UNSAFE = str.maketrans({'"': "'", "`": "'", "<": "‹", ">": "›"})
"""What would end the attribute or pass for a tag, and look-alikes that do not."""


def framed(text: str, origin: str) -> str:
    """Return `text` as `<data from="ORIGIN">`, its lines, `</data>`.

    Where anything in `text` looks like such a line the tag is `data1`, or the first after it that does not occur, so
    the frame cannot be closed from inside. `origin` is put on one line without invisible characters, quotes
    as `'` and angle brackets as `‹›`, in at most ORIGIN_CHARACTERS. Line ends at the end of `text` are left out.
    """
    body = text.rstrip("\n")
    tag = _tag(f"{body}\n{origin}")
    return f'<{tag} from="{_origin(origin)}">\n{body}\n</{tag}>'


def _tag(text: str) -> str:
    seen = text if text.isascii() else unicodedata.normalize("NFKD", text)
    unseen = dict.fromkeys(ord(one) for one in set(seen) if _is_unseen(one))
    looks = [seen, seen.translate(unseen)] if unseen else [seen]
    taken = {int(number or 0) for look in looks for number in _TAG.findall(look)}
    number = next(number for number in range(len(taken) + 1) if number not in taken)
    return f"data{number or ''}"


def _is_unseen(one: str) -> bool:
    """Say whether a tag that holds this character may be read as if it did not: controls, formats, marks."""
    return unicodedata.category(one)[0] in "CM" and one not in "\t\n\v\f\r"


def _origin(origin: str) -> str:
    seen = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in origin)
    line = " ".join(seen.translate(_UNSAFE).split())
    return line if len(line) <= ORIGIN_CHARACTERS else f"{line[: ORIGIN_CHARACTERS - 1]}…"

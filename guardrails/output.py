"""What a model or a terminal is shown of bytes that somebody else produced: bounded, readable, and without controls."""

import re

_STRINGS = re.compile(r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?")
_CSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?")
_ESCAPES = re.compile(r"\x1b[ -/]*[0-~]?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LAST_WORD = re.compile(rb"(?<=[^A-Za-z0-9+/=_.~:%-])[A-Za-z0-9+/=_.~:%-]{1,512}\Z")
_FIRST_WORD = re.compile(rb"[A-Za-z0-9+/=_.~:%-]{1,512}(?=[^A-Za-z0-9+/=_.~:%-])")
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Direction controls, line separators and characters without a glyph. U+FE0F stays: it only picks the emoji form."""


def clean(data: bytes, *, cap: int, dropped: int = 0, rest: str = "") -> str:
    """Return `data` as text that is safe to show.

    Args:
        cap: At most this many bytes of `data` are kept: its beginning and its end. The cut says how many are missing.
        dropped: Bytes that were already missing from the middle of `data`; only counted where `data` is cut too.
        rest: How to read what was cut, added to the cut.

    A word that the cut would split is left out whole where it is no longer than a key: half a key is not known as one.

    Undecodable bytes become U+FFFD; escape sequences and controls are removed; `\\r\\n` and `\\r` become `\\n`;
    direction controls and invisible characters are shown as `<U+XXXX>`.
    """
    if len(data) <= cap and not dropped:
        return clean_text(data.decode("utf-8", "replace"))
    head, tail = _ends(data, cap)
    missing = len(data) - len(head) - len(tail) + dropped
    hint = f"; {rest}" if rest else ""
    shown = [clean_text(part.decode("utf-8", "replace")).strip("\n") for part in (head, tail)]
    return f"{shown[0]}\n[… {missing} bytes cut here{hint}]\n{shown[1]}\n"


def clean_text(text: str) -> str:
    """Return decoded text by the same rules as `clean`, uncut."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for pattern in (_STRINGS, _CSI, _ESCAPES, _CONTROLS):
        text = pattern.sub("", text)
    return show_hidden(text)


def show_hidden(text: str) -> str:
    """Return `text` with direction controls and invisible characters shown as `<U+XXXX>`."""
    return _HIDDEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def drop_hidden(text: str) -> str:
    """Return `text` without direction controls and invisible characters, for comparing names."""
    return _HIDDEN.sub("", text)


def _ends(data: bytes, cap: int) -> tuple[bytes, bytes]:
    """Return the first and last part of `data`, `cap` bytes together, cut at line ends where one is near."""
    half = min(cap, len(data)) // 2
    head, tail = data[:half], data[len(data) - half :]
    line_end = head.rfind(b"\n", half * 3 // 4)
    aligned = data[: len(data) - half].endswith(b"\n")
    line_start = -1 if aligned else tail.find(b"\n", 0, half // 4)
    if line_end > 0:
        head = head[: line_end + 1]
    elif split := _LAST_WORD.search(head, max(0, len(head) - 513)):
        head = head[: split.start()]
    if line_start >= 0:
        tail = tail[line_start + 1 :]
    elif not aligned and (split := _FIRST_WORD.match(tail)):
        tail = tail[split.end() :]
    return head, tail

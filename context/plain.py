"""Outsider text made plain before anybody, model or person, is shown it."""

import unicodedata


def plain(text: str) -> str:
    """Return `text` without control, format (bidi, zero width) and surrogate characters; newlines and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or not unicodedata.category(char).startswith("C"))


def one_line(text: str) -> str:
    """Return `plain(text)` with every run of white space as one space."""
    return " ".join(plain(text).split())


def shown_path(path: str) -> str:
    """Return a path on one line; what would not print is shown as `\\xNN` or `\\uNNNN`."""
    return "".join(_escaped(char) if unicodedata.category(char)[0] in "CZ" and char != " " else char for char in path)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def size(text: str) -> int:
    """Return the length of `text` in bytes as it travels: UTF-8."""
    return len(text.encode())


def clipped(text: str, limit: int) -> tuple[str, int]:
    """Return the longest beginning of `text` in at most `limit` bytes, and how many bytes are left out."""
    data = text.encode()
    kept = data[:limit].decode(errors="ignore")
    return kept, len(data) - len(kept.encode())


def cut_in_middle(text: str, limit: int, rest: str) -> str:
    """Return `text` in about `limit` bytes: its beginning and its end, and between them how much is left out.

    `rest` names the call that shows it. Cuts are made at line ends where one is near.
    """
    if size(text) <= limit:
        return text
    head = clipped(text, limit * 2 // 3)[0]
    data = text.encode()
    tail = data[len(data) - limit // 3 :].decode(errors="ignore")
    if (end := head.rfind("\n")) > len(head) // 2:
        head = head[: end + 1]
    if -1 < (start := tail.find("\n")) < len(tail) // 2:
        tail = tail[start + 1 :]
    left = len(data) - size(head) - size(tail)
    between = "" if head.endswith("\n") else "\n"
    return f"{head}{between}[{left} bytes left out here; {rest} shows them]\n{tail}"

"""Which paths a call shows to whoever reads it: a yes to the call is a yes to changes there, and nowhere else."""

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from andon.records.calls import ToolCall
from andon.sandbox.protocol import WORKSPACE

_SPLIT = re.compile(r"[\s'\"`<>|&;(){}=,:]+")


def shows(call: ToolCall) -> Callable[[str], bool]:
    """Return whether a path (relative to the workspace) stands in the call's arguments, itself or by a folder above it.

    The workspace itself and patterns show no path.
    """
    words = {_path(word) for text in _texts(call.arguments) for word in (text, *_SPLIT.split(text))}
    named = words - {"", ".", "/"}
    return lambda path: any(above in named for above in (path, *_above(path)))


def _path(word: str) -> str:
    return posixpath.normpath(word.removeprefix(f"{WORKSPACE}/")) if word and "*" not in word else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            # What a file is to hold shows nothing of where it lies.
            if key not in ("content", "edits"):
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path

"""How much of a source file is code: what says nothing is no place to work at."""

import ast
import re
import warnings

from andon.context.symbols import names_in, suffix_of

_SLIGHT_LINES = 5
_LONGEST = 4_000
"""A longer text is taken to hold code."""
_COMMENT = re.compile(r"^\s*(#|//|--|;|\*|/\*)")


def is_empty(path: str, text: str) -> bool:
    """Say whether a file holds no code: nothing, comments, or of Python a docstring alone."""
    if not _lines(text):
        return True
    return suffix_of(path) in ("py", "pyi") and len(text) <= _LONGEST and _only_a_docstring(text)


def is_slight(text: str) -> bool:
    """Say whether a file defines nothing and is a few lines long: it passes on what others define, or starts them.

    What is not known, an empty text, is not slight.
    """
    return 0 < len(text) <= _LONGEST and not names_in(text) and len(_lines(text)) <= _SLIGHT_LINES


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not _COMMENT.match(line)]


def _only_a_docstring(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)

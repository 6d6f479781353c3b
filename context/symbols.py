"""What a source file defines: names with their lines, read off its text alone."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from andon.context.grammars import Definition, definitions

SYMBOL_BYTES = 200_000
"""Of a larger file no symbols are read."""
_PYTHON = ("py", "pyi")
_NAME = 60
_SIGNATURE = 110
_DEFINES = re.compile(
    r"^[ \t]*(?:(?:export|default|public|private|protected|internal|static|abstract|final|async|pub(?:\([^)]*\))?"
    r"|unsafe|override|virtual|partial|sealed|data|open|inline|extern)[ \t]+)*"
    r"(?:def|class|function\*?|func|fn|fun|struct|interface|trait|type|enum|module|impl|record|object|protocol)[ \t]+"
    r"(?:\([^)\n]{0,80}\)[ \t]*)?([^\W\d]\w*)",
    re.MULTILINE,
)
"""A line that begins a definition in most languages."""


class Symbol(NamedTuple):
    """One definition of a file."""

    name: str
    """In Python with its class before it: `Store.read`."""
    first: int
    """Its first line, from 1."""
    last: int
    """Its last line; the line before the next definition where only lines were looked at."""


def suffix_of(path: str) -> str:
    """Return what follows the last dot of the name, in lower case; empty where there is none."""
    name = path.rsplit("/", 1)[-1]
    return name.rpartition(".")[2].lower() if "." in name else ""


def symbols(texts: Mapping[str, str]) -> dict[str, list[Symbol]]:
    """Return the definitions in each of `texts`, by path and in order.

    Python is read by its own grammar, other languages by tree-sitter, and by their lines where neither can. Of a text
    over SYMBOL_BYTES characters there are none.
    """
    small = {path: text if len(text) <= SYMBOL_BYTES else "" for path, text in texts.items()}
    parsed = definitions({path: text for path, text in small.items() if text and suffix_of(path) not in _PYTHON})
    return {path: _of(path, text, parsed.get(path)) for path, text in small.items()}


def _of(path: str, text: str, parsed: list[Definition] | None) -> list[Symbol]:
    if parsed is not None:
        return [Symbol(name[:_NAME], first, last) for name, first, last in parsed]
    found = _python(text) if suffix_of(path) in _PYTHON else None
    return _by_lines(text) if found is None else found


def signature(text: str, symbol: Symbol) -> str:
    """Return the line a definition begins with, without its indentation and at most 110 characters of it."""
    lines = text.split("\n")
    line = lines[symbol.first - 1].strip() if symbol.first <= len(lines) else symbol.name
    return line if len(line) <= _SIGNATURE else f"{line[:_SIGNATURE]}…"


def names_in(text: str) -> str:
    """Return the names of the lines in `text` that begin a definition, joined by spaces; quick, for ranking."""
    return " ".join(_DEFINES.findall(text))


def _python(text: str) -> list[Symbol] | None:
    try:
        with warnings.catch_warnings():
            # An odd escape in somebody's text is no affair of whoever runs the line.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    # What a hostile text can make of the parser: too deep, too large, not Python.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return list(_defined(tree.body, ""))


def _defined(body: list[ast.stmt], within: str) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Symbol(f"{within}{node.name}"[:_NAME], node.lineno, node.end_lineno or node.lineno)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not within:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                # What a module holds for others is as much of it as what it does.
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield Symbol(target.id[:_NAME], node.lineno, node.end_lineno or node.lineno)
        if isinstance(node, ast.ClassDef) and not within:
            yield from _defined(node.body, f"{node.name}.")


def _by_lines(text: str) -> list[Symbol]:
    places: list[tuple[str, int]] = []
    line, at = 1, 0
    for match in _DEFINES.finditer(text):
        line, at = line + text.count("\n", at, match.start(1)), match.start(1)
        places.append((match[1][:_NAME], line))
    after = [first for _, first in places[1:]] + [text.rstrip("\n").count("\n") + 2]
    # The last place has nothing after it, so the two are of different lengths only where there is no place at all.
    return [Symbol(name, first, max(first, end - 1)) for (name, first), end in zip(places, after, strict=False)]

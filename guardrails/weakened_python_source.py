"""Parses what differs between two versions of a Python file, so that a small edit of a long file costs little."""

import ast
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"#[^\n]*|\"\"\"(?:[^\\\"]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^\\']|\\.|'(?!''))*'''"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'",
    re.DOTALL,
)
_START = re.compile(r"^(?:@|(?:async[ \t]+)?def\b|class\b)", re.MULTILINE)
_MEMBER = re.compile(r"^    (?:@|(?:async[ \t]+)?def\b)", re.MULTILINE)
_NAME = re.compile(r"^[ ]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)(?:\(([^)]*)\))?", re.MULTILINE)
_CHECKS = re.compile(r"\b(assert|raises|fail)")
_WORD = re.compile(r"\w+")
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass
class Sides:
    """Both versions of a file, parsed; `None` where a version cannot be parsed."""

    before: ast.Module | None
    after: ast.Module | None
    bases: dict[str, str] = field(default_factory=dict)
    """Base classes of the classes that both versions hold and the trees leave out."""
    helpers: set[str] = field(default_factory=set)
    """Functions left out that check something."""


def read_sides(before: str, after: str) -> Sides:
    """Return the trees of two versions, without top-level functions, classes and methods that both hold unchanged.

    Whole trees come back when a name that was left out is bound again elsewhere, so that what shadows it is seen.
    """
    old, new = _chunks(before, _START), _chunks(after, _START)
    kept = Counter(old[1:]) & Counter(new[1:])
    left, right = _without(old, kept), _without(new, kept)
    members = _cut_classes(left, right)
    trees = Sides(parse("".join(left)), parse("".join(right)))
    names = {name for chunk in [*kept, *members] for name, _ in _NAME.findall(chunk)}
    if trees.before is None or trees.after is None or names & (_bound(trees.before) | _bound(trees.after)):
        return Sides(parse(before), parse(after))
    changed = _given(trees.before) ^ _given(trees.after)
    if changed and {name for name, _ in changed} & set(_WORD.findall(" ".join(kept))):
        return Sides(parse(before), parse(after))
    trees.bases = {name: bases for chunk in kept for name, bases in _NAME.findall(chunk) if chunk.find("class") >= 0}
    trees.helpers = {
        name for chunk in [*kept, *members] if _CHECKS.search(chunk) for name, _ in _NAME.findall(chunk)[:1]
    }
    return trees


def parse(text: str) -> ast.Module | None:
    """Return the tree of a program text, or None if it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except UNREADABLE:
            return None


def _chunks(text: str, start: re.Pattern[str]) -> list[str]:
    """Split a text where functions and classes start, decorators with them; joined again it is the text."""
    hidden = _TOKEN.sub(_blank, text) if "'" in text or '"' in text or "#" in text else text
    cuts = [0]
    decorated = False
    for found in start.finditer(hidden):
        if not decorated:
            cuts.append(found.start())
        decorated = found[0].endswith("@")
    return [text[one:end] for one, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _blank(found: re.Match[str]) -> str:
    text = found[0]
    return "".join("\n" if one == "\n" else "_" for one in text) if "\n" in text else "_" * len(text)


def _without(chunks: list[str], kept: Counter[str]) -> list[str]:
    rest = kept.copy()
    found = chunks[:1]
    for chunk in chunks[1:]:
        if rest[chunk] > 0:
            rest[chunk] -= 1
        else:
            found.append(chunk)
    return found


def _cut_classes(left: list[str], right: list[str]) -> list[str]:
    """Take the methods that both versions of a class hold out of both, and return them."""
    gone: list[str] = []
    heads = {_head(chunk): at for at, chunk in enumerate(left) if _head(chunk)}
    for at, chunk in enumerate(right):
        other = heads.get(_head(chunk))
        if not _head(chunk) or other is None:
            continue
        old, new = _chunks(left[other], _MEMBER), _chunks(chunk, _MEMBER)
        kept = Counter(old[1:]) & Counter(new[1:])
        left[other], right[at] = _class_text(_without(old, kept)), _class_text(_without(new, kept))
        gone += kept
    return gone


def _head(chunk: str) -> str:
    found = re.search(r"^class\b[^\n]*:[ \t]*$", chunk, re.MULTILINE)
    return found[0] if found else ""


def _class_text(parts: list[str]) -> str:
    return "".join([parts[0].rstrip(), "\n    pass\n", *parts[1:]])


def _given(tree: ast.Module) -> set[tuple[str, str]]:
    """Return the names that the file gives values at its top, with those values."""
    found: set[tuple[str, str]] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {(one.id, ast.dump(node)) for one in targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            found |= {(one.asname or one.name, f"{node.module}.{one.name}") for one in node.names}
    return found


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that are defined, assigned or deleted outside functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            waiting += node.body if isinstance(node, ast.ClassDef) else []
            continue
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found |= {node.id} if isinstance(node, ast.Name) else set(ast.unparse(node).split("."))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("delattr", "setattr"):
            found |= {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        waiting += ast.iter_child_nodes(node)
    return found

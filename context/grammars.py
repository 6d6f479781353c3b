"""Definitions in source text, found by tree-sitter in a process of its own; the grammars are wheels of their own.

A parser cannot be interrupted, and there are texts of a few kB on which one takes minutes. So it gets a process with
limits; what it had found until then counts.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Definition = tuple[str, int, int]
"""Name, first and last line, from 1."""

_CPU_SECONDS, _SECONDS = 2, 10
_MEMORY = 1 << 30
_DEPTH = 4
"""How deep definitions are looked for below each other: a method in a class in a namespace."""
_NODES = 50_000
"""Nodes looked at in one file."""


class Grammar(NamedTuple):
    """Where a grammar comes from, and which of its nodes define a name."""

    module: str
    language: str
    defines: frozenset[str]


def _grammar(module: str, defines: str, language: str = "language") -> Grammar:
    return Grammar(module, language, frozenset(defines.split()))


_SCRIPT = (
    "function_declaration generator_function_declaration class_declaration method_definition interface_declaration "
    "type_alias_declaration enum_declaration abstract_class_declaration internal_module function_signature "
    "abstract_method_signature variable_declarator field_definition public_field_definition assignment_expression"
)
_HOLDERS = ("variable_declarator", "field_definition", "public_field_definition", "assignment_expression")
"""What may hold anything, and is a definition only where it holds a function or class."""
_FUNCTIONS = ("arrow_function", "function_expression", "generator_function", "class")
_JS = _grammar("tree_sitter_javascript", _SCRIPT)
_GRAMMARS: dict[str, Grammar] = {
    "sh": _grammar("tree_sitter_bash", "function_definition"),
    "bash": _grammar("tree_sitter_bash", "function_definition"),
    "js": _JS, "jsx": _JS, "mjs": _JS, "cjs": _JS,
    "ts": _grammar("tree_sitter_typescript", _SCRIPT, "language_typescript"),
    "mts": _grammar("tree_sitter_typescript", _SCRIPT, "language_typescript"),
    "tsx": _grammar("tree_sitter_typescript", _SCRIPT, "language_tsx"),
    "go": _grammar("tree_sitter_go", "function_declaration method_declaration type_spec type_alias method_elem"),
    "rs": _grammar(
        "tree_sitter_rust",
        "function_item function_signature_item struct_item enum_item union_item trait_item type_item mod_item "
        "macro_definition",
    ),
    "java": _grammar(
        "tree_sitter_java",
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration "
        "constructor_declaration method_declaration",
    ),
}  # fmt: skip


def definitions(texts: Mapping[str, str]) -> dict[str, list[Definition]]:
    """Return the definitions in each of `texts`, which are keyed by file name, in order.

    A file is missing here if there is no grammar for it, or if the parser did not get to its end within two seconds of
    CPU time for all. Text that does not parse gives what could be made out.
    """
    known = {path: text for path, text in texts.items() if _known(_suffix(path))}
    if not known:
        return {}
    found: dict[str, list[Definition]] = {}
    for line in _child(json.dumps(known).encode()).splitlines():
        try:
            path, names = json.loads(line)
        except ValueError:
            break
        found[path] = [(str(name), int(first), int(last)) for name, first, last in names]
    return found


def _child(given: bytes) -> bytes:
    command = [sys.executable, "-I", "-m", "andon.context.grammars"]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=_SECONDS, check=False, env={})
    except subprocess.TimeoutExpired as late:
        return late.stdout or b""
    return done.stdout


def _suffix(path: str) -> str:
    return path.rpartition(".")[2].lower()


@cache
def _known(suffix: str) -> bool:
    return suffix in _GRAMMARS and importlib.util.find_spec(_GRAMMARS[suffix].module) is not None


def main() -> None:
    """Read texts by path as JSON, and print path and definitions of each as a line of JSON as soon as it is parsed."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    texts: dict[str, str] = json.load(sys.stdin.buffer)
    for path in sorted(texts, key=lambda each: (len(texts[each]), each)):
        print(json.dumps([path, _parsed(_suffix(path), texts[path].encode(errors="replace"))]), flush=True)


def _parsed(suffix: str, source: bytes) -> list[Definition]:
    grammar = _GRAMMARS[suffix]
    found: list[Definition] = []
    waiting: list[tuple[Node, int]] = [(_parser(grammar.module, grammar.language).parse(source).root_node, 0)]
    seen = 0
    while waiting and seen < _NODES:
        seen += 1
        node, depth = waiting.pop()
        if node.type in grammar.defines:
            found += _named(node)
            depth += 1
        if depth < _DEPTH and not _is_body(node, depth):
            waiting += [(child, depth) for child in reversed(node.named_children)]
    return sorted(found, key=lambda each: each[1])


def _is_body(node: "Node", depth: int) -> bool:
    """What a function holds is its own affair; what a namespace holds is not."""
    blocks = ("statement_block", "block", "compound_statement")
    return depth > 0 and node.type in blocks and (node.parent is None or node.parent.type != "internal_module")


def _named(node: "Node") -> list[Definition]:
    name = _name_of(node)
    if name is None or name.text is None or not _speaks(node):
        return []
    return [(name.text.decode(errors="replace"), node.start_point[0] + 1, node.end_point[0] + 1)]


def _name_of(node: "Node") -> "Node | None":
    """Return what a definition is called by; a field of a JavaScript class has a `property`, no `name`."""
    if node.type == "assignment_expression":
        left = node.child_by_field_name("left")
        if left is None or left.type == "identifier":
            return left
        return left.child_by_field_name("property") if left.type == "member_expression" else None
    return node.child_by_field_name("name") or node.child_by_field_name("property")


def _speaks(node: "Node") -> bool:
    """Of variables and fields, only those that hold a function count, or what a call makes of one: `memo(() => 1)`."""
    if node.type not in _HOLDERS:
        return True
    value = node.child_by_field_name("right" if node.type == "assignment_expression" else "value")
    if value is not None and value.type == "call_expression":
        given = value.child_by_field_name("arguments")
        return given is not None and any(each.type in _FUNCTIONS for each in given.named_children)
    return value is not None and value.type in _FUNCTIONS


@cache
def _parser(module: str, language: str) -> "Parser":
    from tree_sitter import Language, Parser

    return Parser(Language(getattr(importlib.import_module(module), language)()))


if __name__ == "__main__":
    main()

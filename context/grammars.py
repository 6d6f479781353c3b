"""Definitions in source text, found by tree-sitter; the grammars are wheels of their own."""

import importlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

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
    "type_alias_declaration enum_declaration abstract_class_declaration variable_declarator"
)
_JS = _grammar("tree_sitter_javascript", _SCRIPT)
_GRAMMARS: dict[str, Grammar] = {
    "sh": _grammar("tree_sitter_bash", "function_definition"),
    "bash": _grammar("tree_sitter_bash", "function_definition"),
    "js": _JS, "jsx": _JS, "mjs": _JS, "cjs": _JS,
    "ts": _grammar("tree_sitter_typescript", _SCRIPT, "language_typescript"),
    "mts": _grammar("tree_sitter_typescript", _SCRIPT, "language_typescript"),
    "tsx": _grammar("tree_sitter_typescript", _SCRIPT, "language_tsx"),
    "go": _grammar("tree_sitter_go", "function_declaration method_declaration type_spec"),
    "rs": _grammar("tree_sitter_rust", "function_item struct_item enum_item trait_item mod_item macro_definition"),
    "java": _grammar(
        "tree_sitter_java",
        "class_declaration interface_declaration enum_declaration record_declaration method_declaration",
    ),
}  # fmt: skip


def definitions(suffix: str, source: bytes) -> list[tuple[str, int, int]] | None:
    """Return name, first and last line of each definition in order; None where there is no grammar for `suffix`.

    Text that does not parse gives what could be made out.
    """
    grammar = _GRAMMARS.get(suffix)
    parser = _parser(grammar.module, grammar.language) if grammar else None
    if grammar is None or parser is None:
        return None
    found: list[tuple[str, int, int]] = []
    waiting: list[tuple[Node, int]] = [(parser.parse(source).root_node, 0)]
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
    """What a function holds is its own affair."""
    return depth > 0 and node.type in ("statement_block", "block", "compound_statement")


def _named(node: "Node") -> list[tuple[str, int, int]]:
    name = node.child_by_field_name("name")
    if name is None or name.text is None or not _speaks(node):
        return []
    return [(name.text.decode(errors="replace"), node.start_point[0] + 1, node.end_point[0] + 1)]


def _speaks(node: "Node") -> bool:
    """Of variables, only those that hold a function count."""
    value = node.child_by_field_name("value") if node.type == "variable_declarator" else None
    functions = ("arrow_function", "function_expression", "class")
    return node.type != "variable_declarator" or (value is not None and value.type in functions)


@cache
def _parser(module: str, language: str) -> "Parser | None":
    try:
        grammar = importlib.import_module(module)
    except ImportError:
        return None
    from tree_sitter import Language, Parser

    return Parser(Language(getattr(grammar, language)()))

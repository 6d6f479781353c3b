"""Names expressions of Python so that equal names are equal expressions, whatever local variables are called."""

import ast
from collections.abc import Iterator, Mapping

Names = Mapping[str, str]
"""Local names, each with what it stands for: the key of the value it was given."""

_UNWRAPPED = {
    "len",
    "str",
    "repr",
    "sorted",
    "set",
    "list",
    "dict",
    "tuple",
    "type",
    "isinstance",
    "bool",
    "abs",
    "int",
}


def key_of(node: ast.AST | None, names: Names) -> str:
    """Return a text that is the same for expressions that differ in layout, quotes and local names only."""
    if node is None:
        return ""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.Attribute):
        return f"{key_of(node.value, names)}.{node.attr}"
    parts = (_field(value, names) for name, value in ast.iter_fields(node) if name not in ("ctx", "type_comment"))
    return f"{type(node).__name__}({','.join(parts)})"


def _field(value: object, names: Names) -> str:
    if isinstance(value, ast.AST):
        return key_of(value, names)
    if isinstance(value, list):
        return f"[{','.join(_field(one, names) for one in value)}]"
    return repr(value)


def short(key: str) -> str:
    """Return a key that stays short however long its expression is."""
    return key if len(key) < 200 else f"<{hash(key):x}>"


def walk(*nodes: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes and all below them, in no order; twice as fast as `ast.walk`."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [one for one in value if isinstance(one, ast.AST)]


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a name or a chain of attributes, and an empty text for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else ""
    return ""


def last_name(node: ast.AST) -> str:
    """Return the last name of a call's target or of a decorator, whatever it is taken from."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def chain(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expression and what it looks at: `len(x.y[0])` looks at `x.y[0]`, `x.y` and `x`."""
    yield node
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
        yield from chain(node.value)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in _UNWRAPPED and node.args:
            yield from chain(node.args[0])
        elif isinstance(node.func, ast.Attribute):
            yield from chain(node.func.value)


def is_literal(node: ast.AST | None) -> bool:
    """Say whether the expression is written out: constants, and lists, tuples, sets and dicts of them."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(is_literal(one) for one in node.elts)
    if isinstance(node, ast.Dict):
        return all(is_literal(one) for one in [*node.keys, *node.values])
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and is_literal(node.operand))


def number(node: ast.AST | None) -> float | None:
    """Return the number that is written, if one is."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(min(node.value, 1e308))
    return None

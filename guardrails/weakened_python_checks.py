"""Reads what one assertion of Python holds: how strictly, about what, within which bounds."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from andon.guardrails.weakened_python_keys import Names, chain, dotted, is_literal, key_of, last_name, number, walk

RANKS = {
    "equal": 5, "raises": 5, "called-with": 5,
    "called-once": 5, "not-called": 5, "opaque": 3, "close": 4,
    "same-items": 4, "contains": 3, "order": 3, "matches": 3, "is-a": 3, "predicate": 3, "false": 3, "either": 3,
    "lacks": 3,
    "true": 2, "differs": 2, "called": 2, "not-none": 1, "nothing": 0,
}  # fmt: skip
"""How much a kind of check says; what says nothing is 0."""
_BUILT_IN = {"len", "str", "int", "bool", "list", "isinstance", "abs", "type", "float", "dict", "tuple", "set"}
_SAME_CALLS = {"equals", "array_equal", "is_equal", "frame_equal", "samefile", "equal"}
_CLOSE_CALLS = {"isclose", "allclose", "approx"}
_ORDERS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing a test holds: equal keys are the same check, and `subjects` are what it is about."""

    relation: str
    key: str
    subjects: frozenset[str]
    shown: str
    tolerance: float = 0.0
    order: str = ""
    bound: float | None = None
    types: frozenset[str] = frozenset()
    choices: int = 0
    covered_by: frozenset[str] = frozenset()
    """What the subjects are parts of: `x.y[0]` is part of `x.y` and of `x`."""
    depth: int = 0
    """How many conditions may keep the check from running; DEAD when it never fails a test."""

    @property
    def rank(self) -> int:
        """How much the check says."""
        return RANKS[self.relation]


DEAD = 1000


def checks_of(test: ast.expr, names: Names, constants: Iterable[str] = ()) -> list[Check]:
    """Return what `assert test` holds, one check for each part of a conjunction.

    `constants` are local names that only ever hold written-out values, so that comparing them says nothing.
    """
    return [_check(part, names, frozenset(constants)) for part in _parts(test)]


def made(relation: str, node: ast.expr, names: Names, about: Sequence[ast.expr] = ()) -> Check:
    """Return a check about some expressions of `node`."""
    subjects = frozenset(key_of(one, names) for one in about if not is_literal(one))
    wholes = frozenset(key_of(whole, names) for one in about for whole in chain(one))
    return Check(relation, f"{relation}:{key_of(node, names)}", subjects, _shown(node), covered_by=wholes)


def says_nothing(node: ast.expr, names: Names, constants: frozenset[str]) -> bool:
    """Say whether the expression is true whatever the code under test does."""
    if isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Lambda | ast.JoinedStr | ast.GeneratorExp):
        return True
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = node.left, node.comparators[0]
        if any(last_name(one) == "ANY" for one in (left, right)) or key_of(left, names) == key_of(right, names):
            return True
        if isinstance(node.ops[0], ast.GtE) and last_name(left) == "len" and number(right) == 0:
            return True
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _covers_all(node, names, constants)
    if isinstance(node, ast.Call) and last_name(node) == "isinstance" and key_of(node.args[-1], names) == "object":
        return True
    return _is_fixed(node, constants)


def _covers_all(node: ast.BoolOp, names: Names, constants: frozenset[str]) -> bool:
    keys = {key_of(one, names) for one in node.values}
    negated = {key_of(one.operand, names) for one in node.values if isinstance(one, ast.UnaryOp)}
    return bool(keys & negated) or any(says_nothing(one, names, constants) for one in node.values)


def _is_fixed(node: ast.expr, constants: frozenset[str]) -> bool:
    """Say whether nothing but written-out values and built-in sizes go into the expression."""
    for one in walk(node):
        if isinstance(one, ast.Attribute) or (isinstance(one, ast.Name) and one.id not in constants | _BUILT_IN):
            return False
    return True


def _parts(test: ast.expr) -> list[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [part for value in test.values for part in _parts(value)]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _negated(test.operand, test)
    if isinstance(test, ast.Compare) and len(test.ops) > 1:
        sides = [test.left, *test.comparators]
        return [ast.Compare(sides[at], [op], [sides[at + 1]]) for at, op in enumerate(test.ops)]
    if isinstance(test, ast.Call) and last_name(test) == "bool" and len(test.args) == 1:
        return _parts(test.args[0])
    return [test]


def _negated(inner: ast.expr, whole: ast.UnaryOp) -> list[ast.expr]:
    if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.Not):
        return _parts(inner.operand)
    if isinstance(inner, ast.BoolOp) and isinstance(inner.op, ast.Or):
        return [part for one in inner.values for part in _parts(ast.UnaryOp(ast.Not(), one))]
    if isinstance(inner, ast.Compare) and len(inner.ops) == 1:
        return [ast.Compare(inner.left, [_OPPOSITE[type(inner.ops[0])]()], inner.comparators)]
    return [whole]


def _check(node: ast.expr, names: Names, constants: frozenset[str]) -> Check:
    if isinstance(node, ast.Constant) and not node.value:
        return made("opaque", node, names)
    if says_nothing(node, names, constants):
        return made("nothing", node, names)
    if isinstance(node, ast.Compare):
        return _compared(node, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return made("false", node.operand, names, _about(node.operand))
    if isinstance(node, ast.BoolOp):
        return replace(made("either", node, names, _about(*node.values)), choices=len(node.values))
    if isinstance(node, ast.Call):
        return _predicate(node, names, constants)
    if isinstance(node, ast.IfExp):
        return replace(made("either", node, names, _about(node.body)), choices=9)
    return made("true", node, names, _about(node))


def _about(*nodes: ast.expr) -> list[ast.expr]:
    """Return what the expressions are about, without the operands that are written out."""
    found: list[ast.expr] = []
    for node in nodes:
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else [node]
        found += [one for one in sides if not is_literal(one)]
    return found


def _compared(node: ast.Compare, names: Names) -> Check:
    op, left, right = node.ops[0], node.left, node.comparators[0]
    if is_literal(left) and not is_literal(right) and not isinstance(op, ast.In | ast.NotIn):
        left, right = right, left
        op = _turn(op)
    if size := _of_size(op, left, right, names):
        return size
    if isinstance(op, ast.Is | ast.Eq) and isinstance(right, ast.Constant) and isinstance(right.value, bool):
        return made("true" if right.value else "false", left, names, [left])
    if isinstance(op, ast.Eq | ast.Is):
        return same(left, right, names)
    if isinstance(op, ast.NotEq | ast.IsNot):
        none = isinstance(right, ast.Constant) and right.value is None
        return made("not-none" if none else "differs", ast.Compare(left, [ast.NotEq()], [right]), names, [left, right])
    if isinstance(op, ast.In | ast.NotIn):
        found = made("contains" if isinstance(op, ast.In) else "lacks", node, names, [left, right])
        return replace(found, choices=len(right.elts) if isinstance(right, ast.Tuple | ast.List | ast.Set) else 0)
    return ordered(left, _ORDERS[type(op)], right, names)


def _turn(op: ast.cmpop) -> ast.cmpop:
    turned = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}.get(type(op))
    return turned() if turned else op


def _of_size(op: ast.cmpop, left: ast.expr, right: ast.expr, names: Names) -> Check | None:
    """Return the check of `len(x) == 0`, which is `not x`, and of `len(x) > 0`, which is `x`."""
    if not (isinstance(left, ast.Call) and dotted(left.func) == "len" and len(left.args) == 1):
        return None
    size = number(right)
    if isinstance(op, ast.Eq) and size == 0:
        return made("false", left.args[0], names, [left.args[0]])
    if (isinstance(op, ast.Gt | ast.NotEq) and size == 0) or (isinstance(op, ast.GtE) and size == 1):
        return made("true", left.args[0], names, [left.args[0]])
    return None


def same(left: ast.expr, right: ast.expr, names: Names) -> Check:
    """Return the check that two expressions are equal, or nearly so when one is an approximation."""
    node = ast.Compare(left, [ast.Eq()], [right])
    keys = sorted([key_of(left, names), key_of(right, names)])
    found = replace(made("equal", node, names, [left, right]), key=f"equal:{keys}")
    for one, other in ((left, right), (right, left)):
        if isinstance(one, ast.Call) and last_name(one) == "approx":
            bound = within(one, {"rel": 1e-6, "abs": 1e-12}, number(one.args[0]) if one.args else None)
            about = {key_of(part, names) for part in [other, *one.args[:1]] if not is_literal(part)}
            return replace(found, relation="close", tolerance=bound, subjects=frozenset(about))
        if isinstance(one, ast.Call) and dotted(one.func) == "round":
            digits = number(one.args[1]) if len(one.args) > 1 else 0.0
            about = {key_of(part, names) for part in [other, one.args[0]] if not is_literal(part)}
            bound = 0.5 * 10.0 ** -max(-300.0, min(300.0, digits if digits is not None else 7.0))
            return replace(found, relation="close", tolerance=bound, subjects=frozenset(about))
    return found


def within(call: ast.Call, defaults: dict[str, float], expected: float | None) -> float:
    """Return how far from `expected` (1 when it is not written) the call lets a value be, from its keywords."""
    given = {one.arg: number(one.value) for one in call.keywords if one.arg}
    relative = given.get("rel", given.get("rel_tol", given.get("rtol")))
    absolute = given.get("abs", given.get("abs_tol", given.get("atol")))
    if relative is None and absolute is None:
        relative, absolute = defaults.get("rel", 0.0), defaults.get("abs", 0.0)
    size = abs(expected) if expected else 1.0
    return max(absolute or 0.0, (relative or 0.0) * size)


def ordered(left: ast.expr, op: str, right: ast.expr, names: Names) -> Check:
    """Return the check that `left` lies on one side of `right`."""
    node = ast.Compare(left, [next(kind for kind, text in _ORDERS.items() if text == op)()], [right])
    keys = [key_of(left, names), key_of(right, names)]
    if not is_literal(right) and op in (">", ">="):
        keys, op = keys[::-1], _TURNED[op]
    return replace(made("order", node, names, [left, right]), key=f"order:{op}:{keys}", order=op, bound=number(right))


def _predicate(node: ast.Call, names: Names, constants: frozenset[str]) -> Check:
    name = last_name(node)
    if name in ("isinstance", "issubclass") and node.args:
        return made("is-a", node, names, node.args[:1])
    if name in _CLOSE_CALLS and node.args:
        defaults = {"rel": 1e-9} if name == "isclose" else {"rel": 1e-5, "abs": 1e-8}
        return replace(made("close", node, names, node.args[:2]), tolerance=within(node, defaults, None))
    if name in ("all", "any") and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp | ast.ListComp):
        inner = _check(node.args[0].elt, names, constants)
        relation = inner.relation if name == "all" or inner.rank < 3 else "contains"
        return replace(made(relation, node, names, [node.args[0].generators[0].iter]), tolerance=inner.tolerance)
    if name in _SAME_CALLS:
        return made("equal", node, names, [*node.args, *_receiver(node)])
    if name == "hasattr":
        return made("not-none", node, names, node.args[:1])
    return made("predicate" if node.args or node.keywords else "true", node, names, list(chain(node)))


def _receiver(node: ast.Call) -> list[ast.expr]:
    return [node.func.value] if isinstance(node.func, ast.Attribute) else []


def _shown(node: ast.expr) -> str:
    try:
        text = ast.unparse(node)
    except (AttributeError, ValueError):
        return "a check"
    return text if len(text) <= 80 else f"{text[:77]}…"

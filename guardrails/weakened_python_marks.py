"""Reads what keeps a Python test from running, and the cases that one test function stands for."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from andon.guardrails.weakened_python_keys import Names, dotted, key_of, last_name, walk

_MARKS = {
    "skip": 4.0, "skipif": 1.0, "skipIf": 1.0, "skipUnless": 1.0, "xfail": 3.0, "expectedFailure": 3.0, "ignore": 4.0,
    "skip_if": 1.0, "skipIfDBFeature": 1.0, "skipUnlessDBFeature": 1.0,
}  # fmt: skip
_SKIP_CALLS = {"pytest.skip", "unittest.skip", "nose.SkipTest"}
_RAISED = {"unittest.SkipTest", "SkipTest", "pytest.skip.Exception", "unittest.case.SkipTest"}
_CASES = {"parametrize": 1, "expand": 0, "parameterized": 0, "parameterize": 0, "params": 0}


@dataclass(frozen=True)
class Mark:
    """Something that keeps a test from running or from failing; a higher weight keeps it more often."""

    name: str
    weight: float
    continues: bool = False
    """The rest of the body still runs."""


NEVER = 4.0


def imported(node: ast.ImportFrom) -> dict[str, str]:
    """Return the names that the import binds, each with where it comes from."""
    return {one.asname or one.name: f"{node.module or ''}.{one.name}" for one in node.names}


@dataclass
class Marks:
    """Knows what the names of one file stand for."""

    imports: Mapping[str, str]
    values: Mapping[str, ast.expr]
    """What the names at the top of the file were given."""

    def full(self, node: ast.AST) -> str:
        """Return the dotted name with the first part as it was imported."""
        first, dot, rest = dotted(node).partition(".")
        return self.imports.get(first, first) + dot + rest

    def importing(self, node: ast.ImportFrom) -> "Marks":
        """Return the same with what an import inside a function brings."""
        return Marks({**self.imports, **imported(node)}, self.values)

    def skip_call(self, call: ast.Call) -> Mark | None:
        """Return the mark of a call that skips the running test."""
        full = self.full(call.func)
        if full in _SKIP_CALLS or full.endswith(".skipTest"):
            return Mark("skip", NEVER)
        if full == "pytest.xfail":
            return Mark("xfail", 3.0)
        if full == "pytest.importorskip":
            return Mark(f"importorskip {key_of(call.args[0], {}) if call.args else ''}", 1.0, continues=True)
        return None

    def skip_raised(self, node: ast.Raise) -> Mark | None:
        """Return the mark of a `raise` that skips the running test."""
        exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return Mark("skip", NEVER) if exc is not None and self.full(exc) in _RAISED else None

    def of(self, decorator: ast.expr, depth: int = 0) -> list[Mark]:
        """Return the marks of a decorator, of a list of marks, or of a name that stands for one."""
        if isinstance(decorator, ast.List | ast.Tuple):
            return [mark for one in decorator.elts for mark in self.of(one, depth)]
        if isinstance(decorator, ast.Name) and decorator.id in self.values and depth < 5:
            return self.of(self.values[decorator.id], depth + 1)
        call = decorator if isinstance(decorator, ast.Call) else None
        name = self.full(call.func if call else decorator).rpartition(".")[2]
        weight = _MARKS.get(name)
        return [] if weight is None else self._mark(name, weight, call)

    def _mark(self, name: str, weight: float, call: ast.Call | None) -> list[Mark]:
        condition = (
            call.args[0] if call and call.args and name.startswith(("skip", "xfail")) and name != "skip" else None
        )
        if isinstance(condition, ast.Constant) and not isinstance(condition.value, str):
            holds = bool(condition.value) != name.startswith("skipUnless")
            return [Mark(name, NEVER)] if holds else []
        if (
            name == "xfail"
            and call
            and any(one.arg == "strict" and key_of(one.value, {}) == "True" for one in call.keywords)
        ):
            return [Mark("strict xfail", 2.0)]
        return [Mark(name, (min(weight, 1.0) + 0.01 * _choices(condition)) if condition else weight)]


def _choices(condition: ast.expr) -> int:
    return sum(len(one.values) for one in walk(condition) if isinstance(one, ast.BoolOp) and isinstance(one.op, ast.Or))


def elements(node: ast.expr, marks: Marks, names: Names, depth: int = 0) -> list[str] | None:
    """Return the elements of a written-out collection, by their keys, or None if it is not written out."""
    if isinstance(node, ast.Name) and node.id in marks.values and depth < 5:
        return elements(marks.values[node.id], marks, names, depth + 1)
    if isinstance(node, ast.Call) and last_name(node) in ("list", "tuple", "set", "enumerate", "sorted", "iter"):
        return elements(node.args[0], marks, names, depth + 1) if node.args else []
    if isinstance(node, ast.Call) and last_name(node) == "items" and isinstance(node.func, ast.Attribute):
        return elements(node.func.value, marks, names, depth + 1)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [_element(one, names) for one in node.elts]
    if isinstance(node, ast.Dict):
        return [
            f"{key_of(key, names)}:{key_of(value, names)}" for key, value in zip(node.keys, node.values, strict=True)
        ]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return _sliced(node.slice, elements(node.value, marks, names, depth + 1))
    return None


def _sliced(part: ast.Slice, whole: list[str] | None) -> list[str] | None:
    bounds: list[int | None] = []
    for bound in (part.lower, part.upper, part.step):
        try:
            value = None if bound is None else ast.literal_eval(bound)
        except ValueError:
            return None
        bounds.append(value if isinstance(value, int) and value else None if bound is None else 0)
    return None if whole is None or bounds[2] == 0 else whole[slice(*bounds)]


def _element(node: ast.expr, names: Names) -> str:
    """Return the key of one case; the id that `pytest.param` gives it is no part of it."""
    if isinstance(node, ast.Call) and last_name(node) == "param":
        if len(node.args) == 1:
            return key_of(node.args[0], names)
        return key_of(ast.Tuple(list(node.args), ast.Load()), names)
    return key_of(node, names)


def cases_of(decorators: Iterable[ast.expr], marks: Marks) -> tuple[list[str], list[Mark]]:
    """Return the cases that decorators give a function, and the marks on single cases."""
    found: list[str] = []
    marked: list[Mark] = []
    for one in decorators:
        if not isinstance(one, ast.Call):
            continue
        name = last_name(one)
        table = _table(one, name)
        if table is not None:
            found += elements(table, marks, {}) or []
            values = [value for case in walk(table) if isinstance(case, ast.Call) for value in case.keywords]
            marked += [mark for value in values if value.arg == "marks" for mark in marks.of(value.value)]
        elif name == "data":
            found += [_element(arg, {}) for arg in one.args]
        elif name in ("example", "given"):
            found.append(key_of(one, {}))
    return found, marked


def _table(call: ast.Call, name: str) -> ast.expr | None:
    """Return the expression that lists the cases."""
    if name == "fixture":
        return next((one.value for one in call.keywords if one.arg == "params"), None)
    at = _CASES.get(name)
    if at is None:
        return None
    given = next((one.value for one in call.keywords if one.arg in ("argvalues", "input")), None)
    return given or (call.args[at] if len(call.args) > at else None)

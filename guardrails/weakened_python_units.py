"""Lists what a Python test file holds: its tests, fixtures and helpers, and what keeps them from running."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from andon.guardrails.weakened_python_body import read_body
from andon.guardrails.weakened_python_keys import dotted, last_name
from andon.guardrails.weakened_python_marks import NEVER, Mark, Marks, cases_of, imported

_COLLECTED_FILE = re.compile(r"(^|/)(test[^/]*|[^/]*_tests?)\.py\Z")
_SET_UP = re.compile(r"(async)?set_?up(_?class|_?module|_method|_function|_?test_?data)?", re.IGNORECASE)
_HOOKS = {
    "pytest_collection_modifyitems", "pytest_ignore_collect", "pytest_runtest_makereport", "pytest_pyfunc_call",
    "pytest_runtest_call", "pytest_runtest_setup", "pytest_collect_file", "pytest_itemcollected", "load_tests",
}  # fmt: skip
_DROPS = {"skip", "xfail", "clear", "remove", "pop", "pytest_deselected", "skipif", "TestSuite"}

Role = Literal["test", "fixture", "helper", "class", "module"]


@dataclass
class Unit:
    """A test, a fixture or set-up, another function, a class, or (with an empty name) the file as a whole."""

    path: str
    name: str
    role: Role
    collected: bool
    node: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    marks: list[Mark] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    @property
    def short(self) -> str:
        """The name without its class."""
        return self.name.rpartition("::")[2]

    def text(self) -> str:
        """What the unit does, without its name."""
        if self.node is None:
            return ""
        return "".join(ast.dump(one) for one in [self.node.args, *self.node.decorator_list, *self.node.body])


@dataclass
class TestFile:
    """One file with its units, by name."""

    path: str
    marks: Marks
    units: dict[str, Unit]

    def marks_on(self, unit: Unit) -> list[Mark]:
        """Return all that keeps a unit from running: its own marks, its classes' and its file's."""
        parts = unit.name.split("::")
        scopes = ["", *("::".join(parts[:count]) for count in range(1, len(parts)))]
        return [*unit.marks, *(mark for scope in scopes if scope in self.units for mark in self.units[scope].marks)]


def is_collected_file(path: str) -> bool:
    """Say whether pytest or unittest look into a file of this name by themselves."""
    return bool(_COLLECTED_FILE.search(path))


def read_units(path: str, tree: ast.Module, known_bases: Mapping[str, str]) -> TestFile:
    """Return what the file holds; `known_bases` are the base classes of classes that are not in `tree`."""
    reader = _Reader(path, Marks(_imports(tree), _values(tree)), dict(known_bases))
    reader.units[""] = Unit(path, "", "module", collected=True)
    reader.body(tree.body, "", collected=True, where=None)
    reader.units[""].marks += read_body(_loose(tree.body), reader.marks, {}).skips
    return TestFile(path, reader.marks, reader.units)


def _loose(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    return [one for one in statements if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]


def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(tree.body)
    for node in waiting:
        if isinstance(node, ast.Import):
            found |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= imported(node)
        elif isinstance(node, ast.If | ast.Try):
            waiting += [*node.body, *node.orelse, *(one for part in getattr(node, "handlers", []) for one in part.body)]
    return found


def _values(tree: ast.Module) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


@dataclass
class _Reader:
    path: str
    marks: Marks
    bases: dict[str, str]
    units: dict[str, Unit] = field(default_factory=dict)

    def body(self, statements: Iterable[ast.stmt], within: str, *, collected: bool, where: Mark | None) -> None:
        for node in statements:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node, within, collected=collected, where=where)
            elif isinstance(node, ast.ClassDef):
                self._class(node, within, where)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                self._assigned(node, within)
            elif isinstance(node, ast.Delete):
                for target in node.targets:
                    self._drop(_inside(within, dotted(target).replace(".", "::")))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._called(node.value, within)
            else:
                self._nested(node, within, collected)

    def _nested(self, node: ast.stmt, within: str, collected: bool) -> None:
        """Read what lies under a condition: it may never be defined."""
        if isinstance(node, ast.If):
            constant = node.test.value if isinstance(node.test, ast.Constant) else None
            weights = (
                (1.0, 1.0) if not isinstance(node.test, ast.Constant) else (0.0, NEVER) if constant else (NEVER, 0.0)
            )
            for part, weight in zip((node.body, node.orelse), weights, strict=True):
                self.body(part, within, collected=collected, where=Mark("condition", weight) if weight else None)
        elif isinstance(node, ast.Try):
            for statements in (node.body, node.orelse, node.finalbody, *(one.body for one in node.handlers)):
                self.body(statements, within, collected=collected, where=None)
        elif isinstance(node, ast.With | ast.For | ast.While):
            self.body(node.body, within, collected=collected, where=None)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, within: str, *, collected: bool, where: Mark | None
    ) -> None:
        name = _inside(within, node.name)
        fixture = any(last_name(one) == "fixture" for one in node.decorator_list) or _SET_UP.fullmatch(node.name)
        role: Role = "fixture" if fixture else "test" if node.name.startswith("test") else "helper"
        tables, marked = cases_of(node.decorator_list, self.marks)
        marks = [mark for one in node.decorator_list for mark in self.marks.of(one)] + marked
        if within and node.name == "__init__" and not self._is_unittest(within):
            self.units[within].marks.append(Mark("__init__", NEVER))
        if node.name in _HOOKS and _drops(node):
            self.units[""].marks.append(Mark(f"hook {node.name}", NEVER))
        here = role == "test" and collected
        self.units[name] = Unit(self.path, name, role, here, node, marks + ([where] if where else []), tables)

    def _class(self, node: ast.ClassDef, within: str, where: Mark | None) -> None:
        name = _inside(within, node.name)
        self._drop(name)
        self.bases[node.name] = " ".join(dotted(one) for one in node.bases)
        tables, marked = cases_of(node.decorator_list, self.marks)
        marks = (
            [mark for one in node.decorator_list for mark in self.marks.of(one)] + marked + ([where] if where else [])
        )
        collected = node.name.startswith("Test") or self._is_unittest(node.name)
        self.units[name] = Unit(self.path, name, "class", collected, None, marks, tables)
        self.body(node.body, name, collected=collected, where=None)

    def _is_unittest(self, name: str, depth: int = 0) -> bool:
        """Say whether a class descends from a test case, as far as its names tell."""
        last = name.rpartition("::")[2].rpartition(".")[2]
        if depth and re.search(r"Test|Case\Z", last):
            return True
        return depth < 20 and any(self._is_unittest(one, depth + 1) for one in self.bases.get(last, "").split())

    def _assigned(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, within: str) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            name = dotted(target)
            owner, _, last = name.rpartition(".")
            scope = self.units.get(_inside(within, owner.replace(".", "::")) if owner else within)
            if last == "__test__" and scope is not None and _is_false(node.value):
                scope.marks.append(Mark("__test__ = False", NEVER))
            elif last == "pytestmark" and scope is not None and node.value is not None:
                scope.marks += self.marks.of(node.value)
            elif last in ("collect_ignore", "collect_ignore_glob") and isinstance(node.value, ast.List | ast.Tuple):
                self.units[""].marks += [Mark(f"ignored {ast.dump(one)}", NEVER) for one in node.value.elts]
            else:
                self._replaced(_inside(within, name.replace(".", "::")), node.value)

    def _replaced(self, name: str, value: ast.expr | None) -> None:
        unit = self.units.get(name)
        if unit is None or unit.role in ("module", "class"):
            return
        marks = self.marks.of(value.func) + self.marks.of(value) if isinstance(value, ast.Call) else []
        if marks:
            unit.marks += marks
        else:
            self._drop(name)

    def _called(self, call: ast.Call, within: str) -> None:
        if dotted(call.func) in ("collect_ignore.append", "collect_ignore_glob.append", "collect_ignore.extend"):
            self.units[""].marks += [Mark(f"ignored {ast.dump(one)}", NEVER) for one in call.args]
        elif last_name(call) == "delattr" and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
            self._drop(_inside(within, f"{dotted(call.args[0])}::{call.args[1].value!s}"))

    def _drop(self, name: str) -> None:
        for one in [one for one in self.units if one and (one == name or one.startswith(f"{name}::"))]:
            del self.units[one]


def _inside(within: str, name: str) -> str:
    return f"{within}::{name}" if within else name


def _is_false(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and not value.value


def _drops(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a hook looks as if it took tests away or made them pass."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name | ast.Attribute) and last_name(one) in _DROPS:
            return True
        if isinstance(one, ast.Delete) or (isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Store)):
            return True
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store) and one.attr in ("outcome", "result"):
            return True
    return node.name == "pytest_ignore_collect"

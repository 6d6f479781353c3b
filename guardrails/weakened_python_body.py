"""Walks the body of a test: which checks it makes, under which conditions, and where it skips or stops early."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.guardrails.weakened_python_calls import BROAD, called, is_raises
from andon.guardrails.weakened_python_checks import DEAD, Check, checks_of, made
from andon.guardrails.weakened_python_keys import dotted, is_literal, key_of, last_name, short, walk
from andon.guardrails.weakened_python_marks import Mark, Marks, elements

_ENDS = {"sys.exit", "exit", "quit", "os._exit"}


@dataclass
class Body:
    """What was found in one body."""

    checks: list[Check] = field(default_factory=list)
    skips: list[Mark] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    """The elements of the literal lists that loops go through."""
    works: bool = False
    """Whether anything is done at all."""
    calls: set[str] = field(default_factory=set)


def read_body(statements: Sequence[ast.stmt], marks: Marks, helpers: Mapping[str, bool]) -> Body:
    """Return what a body checks and where it stops."""
    reading = _Walk(marks, helpers, *_names(statements))
    reading.block(statements, 0)
    return reading.body


def _names(statements: Sequence[ast.stmt]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that are only ever given written-out values, and the names that are used."""
    given: dict[str, bool] = {}
    stored: dict[str, int] = {}
    used: set[str] = set()
    for one in walk(*statements):
        if isinstance(one, ast.Name):
            if isinstance(one.ctx, ast.Load):
                used.add(one.id)
            else:
                stored[one.id] = stored.get(one.id, 0) + 1
        elif isinstance(one, ast.Assign):
            given |= {target.id: is_literal(one.value) for target in one.targets if isinstance(target, ast.Name)}
    return frozenset(name for name, fixed in given.items() if fixed and stored[name] == 1), frozenset(used)


@dataclass
class _Walk:
    marks: Marks
    helpers: Mapping[str, bool]
    fixed: frozenset[str]
    used: frozenset[str]
    names: dict[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)

    def block(self, statements: Iterable[ast.stmt], depth: int) -> int:
        """Walk statements in order and return how deep what follows them lies: DEAD when nothing can follow."""
        for statement in statements:
            depth = self.statement(statement, depth)
        return depth

    def statement(self, node: ast.stmt, depth: int) -> int:  # noqa: C901 - one branch for each kind of statement
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return depth
        if isinstance(node, ast.Return):
            self._expression(node.value, depth)
            return DEAD
        self.body.works = self.body.works or depth < DEAD
        if isinstance(node, ast.Assert):
            self._add(_asserted(node, self.names, self.fixed), depth)
        elif isinstance(node, ast.Expr):
            return self._expression(node.value, depth)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._assign(node)
        elif isinstance(node, ast.If):
            return self._if(node, depth)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            return self._loop(node, depth)
        elif isinstance(node, ast.With | ast.AsyncWith):
            return self._with(node, depth)
        elif isinstance(node, ast.Try | ast.TryStar):
            return self._try(node, depth)
        elif isinstance(node, ast.Raise):
            return self._raise(node, depth)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.block(node.body, depth if node.name in self.used or node.decorator_list else DEAD)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                self.block(case.body, depth + 1)
        elif isinstance(node, ast.ImportFrom):
            self.marks = self.marks.importing(node)
        elif isinstance(node, ast.Continue | ast.Break):
            return DEAD
        return depth

    def _add(self, checks: Iterable[Check], depth: int) -> None:
        self.body.checks += [replace(one, depth=min(depth, DEAD)) for one in checks]

    def _expression(self, node: ast.expr | None, depth: int) -> int:
        if isinstance(node, ast.Await | ast.YieldFrom):
            return self._expression(node.value, depth)
        if not isinstance(node, ast.Call):
            return depth
        skip = self.marks.skip_call(node)
        if skip is not None:
            self._skip(skip, depth)
            return depth if skip.continues else DEAD
        self.body.calls.add(last_name(node))
        self._add(called(node, self.names, self.fixed, self.helpers), depth)
        return DEAD if dotted(node.func) in _ENDS else depth

    def _skip(self, skip: Mark, depth: int) -> None:
        if depth < DEAD:
            self.body.skips.append(skip if depth == 0 else replace(skip, weight=min(skip.weight, 1.0)))

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        value = node.value
        if isinstance(value, ast.Call):
            self.body.calls.add(last_name(value))
            if self.marks.skip_call(value):
                self._expression(value, 0)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        stands_for = short(key_of(value, self.names) + (" again" if isinstance(node, ast.AugAssign) else ""))
        for target in targets:
            self._bind(target, stands_for)

    def _bind(self, target: ast.AST, stands_for: str) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = stands_for
        elif isinstance(target, ast.Tuple | ast.List):
            for at, one in enumerate(target.elts):
                self._bind(one, f"{stands_for}[{at}]")

    def _if(self, node: ast.If, depth: int) -> int:
        truth = _truth(node.test)
        if truth is not None:
            taken, other = (node.body, node.orelse) if truth else (node.orelse, node.body)
            self.block(other, DEAD)
            return self.block(taken, depth)
        self._add(_guarded_failure(node, self.names), depth)
        one = self.block(node.body, depth + 1)
        other_end = self.block(node.orelse, depth + 1)
        ends = [one >= DEAD and not _fails(node.body), other_end >= DEAD and not _fails(node.orelse)]
        return DEAD if one >= DEAD and other_end >= DEAD else depth + 1 if any(ends) else depth

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, depth: int) -> int:
        inside = depth
        if isinstance(node, ast.While):
            inside = DEAD if _truth(node.test) is False else depth
        else:
            found = elements(node.iter, self.marks, self.names)
            self.body.tables += found or []
            inside = DEAD if found == [] else depth
            self._bind(node.target, short("each " + key_of(node.iter, self.names)))
        self.block(node.body, inside)
        self.block(node.orelse, depth)
        leaves = any(isinstance(one, ast.Return) for one in walk(*node.body))
        return depth + 1 if leaves and inside < DEAD else depth

    def _with(self, node: ast.With | ast.AsyncWith, depth: int) -> int:
        inside = depth
        for item in node.items:
            call = item.context_expr
            self._expression(call, depth)
            if isinstance(call, ast.Call) and (is_raises(call) or last_name(call) == "suppress"):
                types = {dotted(one).rpartition(".")[2] for arg in call.args for one in ast.walk(arg)}
                inside = DEAD if types & BROAD else inside + (not is_raises(call))
            if item.optional_vars is not None:
                self._bind(item.optional_vars, short("with " + key_of(call, self.names)))
        caught = any(is_raises(one.context_expr) or last_name(one.context_expr) == "suppress" for one in node.items)
        end = self.block(node.body, inside)
        return depth if caught else end

    def _try(self, node: ast.Try | ast.TryStar, depth: int) -> int:
        quiet = [one for one in node.handlers if not _fails(one.body)]
        swallows = any(_is_broad(one.type) for one in quiet)
        returns = any(isinstance(one, ast.Return) for one in walk(*node.finalbody))
        inside = DEAD if swallows or returns else depth + bool(quiet)
        end = self.block(node.body, inside)
        self.block(node.orelse, max(end, depth + bool(quiet)))
        for handler in node.handlers:
            self.block(handler.body, depth + 1)
        last = self.block(node.finalbody, depth)
        return DEAD if last >= DEAD or (end >= DEAD and inside < DEAD and not quiet) else depth

    def _raise(self, node: ast.Raise, depth: int) -> int:
        skip = self.marks.skip_raised(node)
        if skip is not None:
            self._skip(skip, depth)
        return DEAD


def _asserted(node: ast.Assert, names: dict[str, str], fixed: frozenset[str]) -> list[Check]:
    return checks_of(node.test, names, fixed)


def _guarded_failure(node: ast.If, names: dict[str, str]) -> list[Check]:
    """Return the check that `if wrong: pytest.fail()` is."""
    if not node.orelse and _fails(node.body) and len(node.body) == 1:
        return checks_of(ast.UnaryOp(ast.Not(), node.test), names) if not _is_opaque(node) else []
    return [made("opaque", node.test, names)] if _fails(node.body) or _fails(node.orelse) else []


def _is_opaque(node: ast.If) -> bool:
    return isinstance(node.body[0], ast.Assert)


def _fails(statements: Sequence[ast.stmt]) -> bool:
    """Say whether a branch makes the test fail: it raises, asserts or calls `fail`."""
    for statement in statements:
        if isinstance(statement, ast.Raise):
            text = dotted(statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc or ast.Pass())
            return not text.endswith(("SkipTest", "skip.Exception"))
        if isinstance(statement, ast.Expr) and last_name(statement.value) == "fail":
            return True
        if isinstance(statement, ast.Assert) and not (
            isinstance(statement.test, ast.Constant) and statement.test.value
        ):
            return True
    return False


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(one).rpartition(".")[2] in BROAD for one in each)


def _truth(test: ast.expr) -> bool | None:
    """Return what a written-out condition always is."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        found = [_truth(one) for one in test.values]
        deciding = isinstance(test.op, ast.Or)
        return deciding if deciding in found else None
    if isinstance(test, ast.Compare) and all(is_literal(one) for one in [test.left, *test.comparators]):
        return bool(ast.literal_eval(test.left)) and None if len(test.ops) > 1 else _compare_constants(test)
    if is_literal(test):
        return bool(ast.literal_eval(test)) if isinstance(test, ast.Constant) else None
    return {"TYPE_CHECKING": False, "typing.TYPE_CHECKING": False}.get(dotted(test))


def _compare_constants(test: ast.Compare) -> bool | None:
    if isinstance(test.ops[0], ast.Eq | ast.NotEq):
        equal = ast.dump(test.left) == ast.dump(test.comparators[0])
        return equal == isinstance(test.ops[0], ast.Eq)
    return None

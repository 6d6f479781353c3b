"""Reads the calls that check: unittest's and NumPy's assert functions, mocks, `raises`, and a project's own helpers."""

import ast
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from andon.guardrails.weakened_python_checks import Check, checks_of, made, ordered, same, within
from andon.guardrails.weakened_python_keys import Names, dotted, key_of, last_name, number

_HELPER = re.compile(r"_*(assert|check|verify|expect|ensure|should)(_|[A-Z]|$)")
_MOCKS = {
    "assert_called_once_with": "called-with", "assert_awaited_once_with": "called-with",
    "assert_called_with": "called-with", "assert_awaited_with": "called-with",
    "assert_any_call": "called-with", "assert_any_await": "called-with",
    "assert_has_calls": "called-with", "assert_has_awaits": "called-with", "assert_called_once": "called-once",
    "assert_awaited_once": "called-once", "assert_called": "called", "assert_awaited": "called",
    "assert_not_called": "not-called", "assert_not_awaited": "not-called",
}  # fmt: skip
_ORDERS = {"assertGreater": ">", "assertGreaterEqual": ">=", "assertLess": "<", "assertLessEqual": "<="}
_TWO = {
    "assertIsNot": "differs", "assertNotEqual": "differs", "assertNotEquals": "differs", "assertIn": "contains",
    "assertNotIn": "lacks", "assertIsInstance": "is-a", "assertNotIsInstance": "differs", "assertRegex": "matches",
    "assertNotRegex": "lacks", "assertCountEqual": "same-items", "assertItemsEqual": "same-items",
    "assertContains": "contains", "assertNotContains": "lacks", "assert_in": "contains",
}  # fmt: skip
_RAISES = {"raises", "assertRaises", "assertRaisesRegex", "assertRaisesMessage", "raises_group"}
_WARNS = {"warns", "deprecated_call", "assertWarns", "assertWarnsRegex", "assertLogs", "assertWarnsMessage"}
_NEAR = {
    "assert_allclose": {"rel": 1e-7}, "assert_almost_equal": {"abs": 1.5e-7},
    "assert_array_almost_equal": {"abs": 1.5e-6},
    "assert_approx_equal": {"rel": 1e-7}, "assert_close": {"rel": 1.3e-6},
}  # fmt: skip
BROAD = {"Exception", "BaseException", "AssertionError"}
"""Exceptions that a failing assertion is one of."""


def is_raises(call: ast.expr) -> bool:
    """Say whether the expression waits for an exception or a warning."""
    return isinstance(call, ast.Call) and last_name(call) in _RAISES | _WARNS


def called(call: ast.Call, names: Names, constants: Collection[str], helpers: Mapping[str, bool]) -> list[Check]:
    """Return what a call that stands alone checks, or nothing if it is no check.

    `helpers` are functions of the project, each with whether a call of it counts as a check.
    """
    name = last_name(call)
    if helpers.get(name) is False:
        return []
    if is_raises(call):
        return expected_raises(call, names)
    if name in _MOCKS and isinstance(call.func, ast.Attribute):
        held = replace(made(_MOCKS[name], call, names, [call.func.value]), order="once" if "once" in name else "")
        return [held]
    if name.startswith("assert"):
        return _asserted(call, name, names, constants)
    if name == "fail" and isinstance(call.func, ast.Attribute):
        return [made("opaque", call, names)]
    if name in helpers or _HELPER.match(name) or _fluent(call):
        return [made("opaque", call, names, call.args[:1])]
    return []


def _fluent(call: ast.Call) -> bool:
    """Say whether a chain starts at `expect(…)` or `assert_that(…)`."""
    inner: ast.expr = call
    while isinstance(inner, ast.Call | ast.Attribute):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            return inner is not call and bool(_HELPER.match(inner.func.id))
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    return False


def _asserted(call: ast.Call, name: str, names: Names, constants: Collection[str]) -> list[Check]:
    args = call.args
    if name in ("assertTrue", "assert_", "assertFalse") and args:
        test = args[0] if name != "assertFalse" else ast.UnaryOp(ast.Not(), args[0])
        return checks_of(test, names, constants)
    if name in ("assertIsNone", "assertIsNotNone") and args:
        op: ast.cmpop = ast.Is() if name == "assertIsNone" else ast.IsNot()
        return checks_of(ast.Compare(args[0], [op], [ast.Constant(None)]), names, constants)
    if name in _ORDERS and len(args) > 1:
        return [ordered(args[0], _ORDERS[name], args[1], names)]
    if name in ("assertAlmostEqual", "assertAlmostEquals") and len(args) > 1:
        return [replace(same(args[0], args[1], names), relation="close", tolerance=_places(call))]
    if name in _NEAR and len(args) > 1:
        return [replace(same(args[0], args[1], names), relation="close", tolerance=_near(call, name))]
    if name in _TWO and len(args) > 1:
        return [made(_TWO[name], call, names, args[:2])]
    if (name.endswith(("Equal", "Equals", "_equal")) or name == "assertIs") and len(args) > 1:
        return checks_of(ast.Compare(args[0], [ast.Eq()], [args[1]]), names, constants)
    return [made("opaque", call, names, args[:2])]


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def _places(call: ast.Call) -> float:
    delta = number(_keyword(call, "delta"))
    if delta is not None:
        return delta
    written = _keyword(call, "places") or (call.args[2] if len(call.args) > 2 else None)
    places = number(written) if written is not None else 7.0
    return 0.5 * math.pow(10.0, -max(-300.0, min(300.0, 7.0 if places is None else places)))


def _near(call: ast.Call, name: str) -> float:
    decimal = number(_keyword(call, "decimal") or (call.args[2] if len(call.args) > 2 else None))
    if decimal is not None and name != "assert_allclose":
        return 1.5 * math.pow(10.0, -max(-300.0, min(300.0, decimal)))
    return within(call, _NEAR[name], None)


def expected_raises(call: ast.Call, names: Names) -> list[Check]:
    """Return what `raises(E, match=…)` and its kin hold: that the exception comes, and that its text matches."""
    name, args = last_name(call), list(call.args)
    wanted = args[0] if args else _keyword(call, "expected_exception")
    each = wanted.elts if isinstance(wanted, ast.Tuple) else [wanted] if wanted is not None else []
    types = frozenset(dotted(one) or key_of(one, names) for one in each)
    body = args[1:] if name in ("raises", "assertRaises") else []
    token = "warns" if name in _WARNS else "raises"
    first = ast.Call(ast.Name(token, ast.Load()), [*([wanted] if wanted else []), *body], [])
    held = [replace(made("raises", first, names), types=types, order=token)]
    match = _keyword(call, "match") or (args[1] if name.endswith(("Regex", "Message")) and len(args) > 1 else None)
    if isinstance(match, ast.Constant) and match.value in ("", ".*", ".", ".+", "(?s).*"):
        match = None
    return [*held, made("matches", match, names)] if match is not None else held

"""Compares what two versions of a test check, and says what the newer one no longer holds."""

import builtins
from collections.abc import Iterable, Sequence

from andon.guardrails.weakened_python_checks import DEAD, Check
from andon.guardrails.weakened_python_marks import Mark

_PAIRS = 1_000_000
"""More pairs than this are not weighed: what changed then counts as gone."""
_MOCKS = ("called-with", "called-once", "called")


def lost_checks(before: Sequence[Check], after: Sequence[Check]) -> list[str]:
    """Return a sentence for every check of `before` that `after` holds less strictly or not at all.

    A check that only has another expected value, or that stands for an equally strict one, is not lost.
    """
    waiting: dict[str, list[Check]] = {}
    for one in sorted(after, key=lambda one: -one.depth):
        waiting.setdefault(one.key, []).append(one)
    open_checks: list[Check] = []
    found: list[str] = []
    for check in sorted(before, key=lambda one: (one.depth, -one.rank)):
        if same := waiting.get(check.key):
            found += _sentences(check, same.pop())
        else:
            open_checks.append(check)
    rest = [one for left in waiting.values() for one in left]
    wholes = [one for one in after if one.relation == "equal"][:2000]
    wanted = [one for one in open_checks if one.rank and one.depth < DEAD and not _is_covered(one, wholes)]
    return found + _changed(sorted(wanted, key=lambda one: -one.rank), rest)


def _changed(wanted: list[Check], rest: list[Check]) -> list[str]:
    """Pair what has no equal: by what it is about, then by how it compares, then by how strict it is."""
    found: list[str] = []
    for fits in (_about_the_same, _alike, _any):
        if len(wanted) * len(rest) > _PAIRS:
            break
        for check in list(wanted):
            candidates = [one for one in rest if fits(check, one)]
            if not candidates:
                continue
            best = min(candidates, key=lambda one: (weaker(check, one) is not None, abs(one.rank - check.rank)))
            wanted.remove(check)
            rest.remove(best)
            found += _sentences(check, best)
    return found + [f"`{one.shown}` is no longer checked; put it back" for one in wanted]


def _about_the_same(one: Check, other: Check) -> bool:
    return bool(one.subjects & other.subjects) and other.rank > 0


def _alike(one: Check, other: Check) -> bool:
    return one.relation == other.relation


def _any(one: Check, other: Check) -> bool:
    return True


def _is_covered(check: Check, wholes: Iterable[Check]) -> bool:
    """Say whether the newer version compares the whole, of which `check` looks at a part or at less."""
    return any(
        one.depth <= check.depth
        and bool(one.subjects & check.covered_by)
        and (check.rank < one.rank or not one.subjects & check.subjects)
        for one in wholes
    )


def _sentences(before: Check, after: Check) -> list[str]:
    reason = weaker(before, after)
    return [f"`{before.shown}` {reason}; keep it as strict as it was"] if reason else []


def weaker(before: Check, after: Check) -> str | None:
    """Return why `after` holds less than `before`, or None if it does not."""
    if before.rank == 0 or before.depth >= DEAD:
        return None
    if after.depth >= DEAD:
        return "can no longer fail the test"
    if after.depth > before.depth:
        return "now runs under a condition only"
    if after.rank == 0:
        return f"became `{after.shown}`, which is always true"
    for compare in (_mocks, _raises, _bounds):
        reason = compare(before, after)
        if reason:
            return reason
    bare = after.relation == "predicate" and after.key.partition(":")[2] in before.subjects
    if after.relation != "opaque" and (
        after.rank < before.rank or (bare and before.relation not in ("true", "not-none", "predicate"))
    ):
        return f"became the looser `{after.shown}`"
    return None


def _mocks(before: Check, after: Check) -> str | None:
    if before.relation not in _MOCKS or after.relation not in _MOCKS:
        return None
    fewer = before.relation == "called-with" and after.relation != "called-with"
    often = before.order == "once" and after.order != "once"
    return f"became the looser `{after.shown}`" if fewer or often else None


def _raises(before: Check, after: Check) -> str | None:
    if before.relation != "raises" or after.relation != "raises" or before.types == after.types:
        return None
    wider = before.types < after.types or any(_is_above(one, other) for one in after.types for other in before.types)
    return f"became `{after.shown}`, which more exceptions satisfy" if wider else None


def _is_above(one: str, other: str) -> bool:
    """Say whether exception `one` is a kind that holds `other` too."""
    if one in ("Exception", "BaseException"):
        return other not in ("BaseException", one)
    high, low = getattr(builtins, one, None), getattr(builtins, other, None)
    return isinstance(high, type) and isinstance(low, type) and high is not low and issubclass(low, high)


def _bounds(before: Check, after: Check) -> str | None:
    if before.relation == after.relation == "close" and after.tolerance > before.tolerance * (1 + 1e-9):
        return f"became `{after.shown}`, which lets the value be further off"
    if before.relation == after.relation and before.relation in ("either", "contains"):
        more = after.choices > before.choices > 0 and (before.relation == "either" or _about_the_same(before, after))
        return f"became `{after.shown}`, which more values satisfy" if more else None
    if before.relation == after.relation == "order" and _is_wider(before, after):
        return f"became `{after.shown}`, which more values satisfy"
    return None


def _is_wider(before: Check, after: Check) -> bool:
    if before.order[:1] != after.order[:1] or not _about_the_same(before, after):
        return False
    if before.bound is not None and after.bound is not None and before.bound != after.bound:
        return (after.bound > before.bound) == (before.order[0] == "<")
    return len(after.order) > len(before.order)


def new_mark(before: Iterable[Mark], after: Iterable[Mark]) -> Mark | None:
    """Return a mark of `after` that keeps a test from running more than the marks of `before` did."""
    old = sorted(before, key=lambda one: -one.weight)
    new = sorted(after, key=lambda one: -one.weight)
    known = {one.name for one in old if one.weight >= max((other.weight for other in new), default=0)}
    for at, mark in enumerate(new):
        if mark.weight > (old[at].weight if at < len(old) else 0):
            return next((one for one in new if one.name not in known), mark)
    return None

"""What a passing review claims, held against the records."""

import re
from collections.abc import Sequence

from andon.line.evidence.comparison import results
from andon.line.evidence.rows import NOTHING_SHOWN, some
from andon.line.house_rules import stop_for
from andon.records.checks import CheckRecord, Comparison
from andon.records.review import Review
from andon.records.stops import StopCode

_RED = ("failed", "error")


def doubt(comparison: Comparison, review: Review) -> tuple[StopCode, str] | None:
    """Return why a change that was passed is not delivered by itself: how the run ends, and the fact; else None."""
    code = stop_for(comparison)
    if code is StopCode.NOT_SHOWN:
        return code, f"what failed at the base still fails, and {NOTHING_SHOWN} ({some(comparison.still_failing)})"
    if code is not None:
        return code, comparison.reason
    if nothing_met(review):
        return StopCode.NOT_SHOWN, "the reviewer calls every criterion not shown"
    return None


def nothing_met(review: Review) -> bool:
    """Say whether a pass calls every criterion `not shown`."""
    return review.verdict == "pass" and all(each.status == "not shown" for each in review.criteria)


def red_evidence(review: Review, head: Sequence[CheckRecord]) -> list[str]:
    """Return, for each criterion that is `met` by a test that is red at the head, a sentence that names both.

    A test is named by its whole id, or by its own name where no other test of that name passes.
    """
    found = results([record for record in head if record.kind == "test"])
    passing = {_own_name(test) for test, outcome in found.items() if outcome == "passed"}
    red = {test: {test, _own_name(test)} - passing for test in sorted(found) if found[test] in _RED}
    return [
        f"criterion {each.number} is `met` by {test}, which is recorded as {found[test]} at the head"
        for each in review.criteria
        if each.status == "met"
        for test, names in red.items()
        if any(_stands_in(name, each.evidence) for name in names)
    ]


def _own_name(test: str) -> str:
    """Return the last part of a test id where it says that it is a test; else, as in `adds`, it may be any word."""
    name = test.partition("[")[0].rpartition("::")[2]
    return name if re.fullmatch(r"[Tt]est\w+", name) else test


def _stands_in(name: str, text: str) -> bool:
    """Say whether `name` stands in `text` as a whole, not as a part of a longer word or path."""
    return bool(re.search(rf"(?<![\w/]){re.escape(name)}(?!\w|\.\w|/)", text))

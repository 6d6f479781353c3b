"""What check records at base and head show together: the table of DESIGN §5, as a pure function."""

from collections.abc import Mapping, Sequence

from andon.records.checks import CheckRecord, Comparison, TestOutcome

_RED = ("failed", "error")


def compare(
    base: Sequence[CheckRecord],
    head: Sequence[CheckRecord],
    *,
    base_tests_at_head: Sequence[CheckRecord] = (),
    head_tests_at_base: Sequence[CheckRecord] = (),
) -> Comparison:
    """Return the row of the table that holds for a change.

    `base_tests_at_head` are the test commands on the head's code with the base's version of every edited or removed
    test file; `head_tests_at_base` on the base's code with the head's test files. Either may be empty: not made.
    """
    before, after = results(base), results(head)
    flaky = sorted({name for record in (*base, *head) for name in record.flaky})
    steady = set(before) | set(after)
    steady -= set(flaky)
    newly = sorted(n for n in steady if after.get(n) in _RED and before.get(n) not in _RED)
    still = sorted(n for n in steady if after.get(n) in _RED and before.get(n) in _RED)
    fixed = sorted(n for n in steady if after.get(n) == "passed" and before.get(n) in _RED)
    new_passing = sorted(n for n in steady if after.get(n) == "passed" and n not in before)
    gone = sorted(n for n in steady if before.get(n) == "passed" and after.get(n) in (None, "skipped"))
    old_on_new = results(base_tests_at_head)
    edited = sorted(
        n for n in steady if before.get(n) == "passed" and after.get(n) == "passed" and old_on_new.get(n) in _RED
    )
    new_on_old = results(head_tests_at_base)
    shown = [n for n in new_passing if head_tests_at_base and new_on_old.get(n) != "passed"]
    outcome, reason = _row(base, head, newly=newly, gone=gone, edited=edited, still=still, flaky=flaky)
    return Comparison(
        outcome=outcome,
        newly_failing=newly,
        still_failing=still,
        fixed=fixed,
        new_passing=new_passing,
        new_failing_at_base=shown,
        gone=gone,
        edited=edited,
        flaky=flaky,
        reason=reason,
    )


def results(records: Sequence[CheckRecord]) -> dict[str, TestOutcome]:
    """Return one result per test id, and one per command for commands that know nothing finer."""
    found: dict[str, TestOutcome] = {}
    for record in records:
        if record.outcome == "not-run":
            continue
        found.update(_of(record))
    return found


def _of(record: CheckRecord) -> Mapping[str, TestOutcome]:
    if record.granularity != "exit-code" and record.tests:
        if record.outcome == "passed" or any(outcome in _RED for outcome in record.tests.values()):
            return record.tests
        # The command failed although no test of it did (a crash after the last test, a coverage gate): say so by name.
        return {**record.tests, f"{record.name} (exit code)": "failed"}
    return {f"{record.name} (exit code)": "passed" if record.outcome == "passed" else "failed"}


def _row(
    base: Sequence[CheckRecord],
    head: Sequence[CheckRecord],
    *,
    newly: list[str],
    gone: list[str],
    edited: list[str],
    still: list[str],
    flaky: list[str],
) -> tuple[str, str]:
    if newly:
        return "red-new", f"{_count(newly)} failed at the head and did not fail at the base: {_some(newly)}"
    if gone or edited:
        parts = [f"{_count(gone)} of the base gone or skipped: {_some(gone)}"] if gone else []
        if edited:
            parts.append(f"{_count(edited)} pass only because the test was edited: {_some(edited)}")
        return "changed-tests", "; ".join(parts)
    missing = [kind for kind in ("test", "static") if not any(r.kind == kind and r.outcome != "not-run" for r in head)]
    if missing:
        names = {"test": "no test", "static": "no static check"}
        return "none", " and ".join(names[kind] for kind in missing) + " could run: that is no evidence"
    if flaky:
        return "flaky", f"{_count(flaky)} differ on a second run at the same tree: {_some(flaky)}"
    if still:
        return "red-as-before", f"nothing new fails; {_count(still)} failed at the base and still do: {_some(still)}"
    ran = sum(len(_of(record)) for record in head if record.kind == "test")
    return "green", f"all {ran} test results and every static check pass"


def _count(names: list[str]) -> str:
    return "1 check result" if len(names) == 1 else f"{len(names)} check results"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

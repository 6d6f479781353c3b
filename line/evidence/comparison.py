"""What check records at base and head show together: the table of DESIGN §5, as a pure function.

Two kinds of names stand in a comparison: ids of tests, and `COMMAND (exit code)` where a command tells nothing finer
(a linter, `make test`, a suite that crashed or was stopped at its time limit). By exit code alone nothing can be told
apart inside: a command that was red at the base and passes at the head is *not shown* to be fixed, and one whose exit
code changed is newly red. One that is red both times is red as before if it is a linter; of tests it is no evidence,
since a change that breaks more of them looks just the same. A linter that tells its findings apart is newly red by
those alone that the base does not have.

A test that was weakened stands in the row `changed-tests` like one that is gone, until a person accepted its file.

A flaky test shows nothing by one result, so it counts neither as passing nor as failing.
- It differs at the head, or it was flaky at the base and fails, is skipped or is gone at the head: the row is `flaky`,
  since whether the change did that is not shown.
- It was flaky at the base and passes at the head (where it is run twice for that reason): the row is that of the other
  results, and the reason names it. A repository with one unsteady test would otherwise never be delivered to, and the
  test had every chance to speak against the change.

Green and red as before say that nothing got worse. What *shows the change* is a test that is red on the base's code
and passes here: one that was red and is mended, a new one, or one whose edited version is red on the base's code. Where
none does, the reason says so (`NOTHING_SHOWN`).
"""

from collections.abc import Collection, Mapping, Sequence

from andon.context.plain import one_line
from andon.guardrails.weakened import Weakening
from andon.line.evidence.lint_findings import new_findings
from andon.line.evidence.rows import NOTHING_SHOWN, OpenChanges, Ran, exit_code_id, exit_code_of, row_of, some
from andon.records.checks import CheckRecord, Comparison, TestOutcome

_RED = ("failed", "error")
_WORST: tuple[TestOutcome, ...] = ("error", "failed", "passed", "skipped")


def compare(
    base: Sequence[CheckRecord],
    head: Sequence[CheckRecord],
    *,
    base_tests_at_head: Sequence[CheckRecord] = (),
    head_tests_at_base: Sequence[CheckRecord] = (),
    static_declined: bool = False,
    weakened: Sequence[Weakening] = (),
    accepted: Collection[str] = (),
) -> Comparison:
    """Return the row of the table that holds for a change.

    `base_tests_at_head` are the test commands on the head's code with the base's version of every edited or removed
    test file; `head_tests_at_base` on the base's code with the head's test files. Either may be empty: not made.
    `static_declined` says that the committed settings want no static check, so that none is missing. `weakened` is
    what tests of the base lost, `accepted` the test files whose changes a person accepted.
    """
    before, after = results(base), results(head)
    commands = {exit_code_id(record) for record in (*base, *head)}
    flaky = {name for record in (*base, *head) for name in record.flaky}
    old_on_new, new_on_old = results(base_tests_at_head), results(head_tests_at_base)
    steady = sorted((before.keys() | after.keys()) - flaky)
    worse = _other_exit_codes(base, head)
    red = [name for name in steady if after.get(name) in _RED]
    fresh = {exit_code_of(name): found for name, found in new_findings(base, head).items()}
    newly = [name for name in red if before.get(name) not in _RED or name in worse]
    newly = sorted(
        [name for name in newly if not fresh.get(name)] + [one for name in red for one in fresh.get(name, [])]
    )
    new_passing = [name for name in steady if after.get(name) == "passed" and name not in before]
    seen = Comparison(
        outcome="green",
        newly_failing=newly,
        still_failing=[name for name in red if name not in newly and not fresh.get(name)],
        fixed=[name for name in steady if before.get(name) in _RED and name not in commands and _mended(after, name)],
        new_passing=new_passing,
        new_failing_at_base=[name for name in new_passing if _fails(new_on_old, name)],
        new_passing_at_base=[name for name in new_passing if new_on_old.get(name) == "passed"],
        strengthened=[
            name
            for name in steady
            if before.get(name) == "passed" and after.get(name) == "passed" and new_on_old.get(name) in _RED
        ],
        gone=[name for name in steady if _is_gone(name, before, after, head, name in commands)],
        edited=[
            name
            for name in steady
            if before.get(name) == "passed" and after.get(name) == "passed" and old_on_new.get(name) in _RED
        ],
        flaky=sorted(flaky),
        weakened=[told(one) for one in weakened],
    )
    unaccepted = [told(one) for one in weakened if one.path not in accepted]
    open_changes = OpenChanges(_of_others(seen.gone, accepted), _of_others(seen.edited, accepted), unaccepted)
    unsettled = sorted(_flaky(head) | {name for name in flaky if after.get(name) != "passed"})
    ran = Ran(_some_ran(head, flaky), any(r.kind == "static" and r.outcome != "not-run" for r in head), static_declined)
    outcome, reason = row_of(seen, open_changes, head, unsettled, ran, commands - fresh.keys())
    notes = [reason, *_not_shown(base, after, commands, flaky), *_settled(sorted(flaky.difference(unsettled)))]
    notes += [NOTHING_SHOWN] if outcome in ("green", "red-as-before") and not seen.shows_the_change else []
    return Comparison.model_validate(seen.model_dump() | {"outcome": outcome, "reason": "; ".join(notes)})


def told(one: Weakening) -> str:
    """Return a weakening as a record keeps it."""
    place = f"{one.path}::{one.test}" if one.test else one.path
    return one_line(f"{place}: {one.kind}: {one.detail}")


def _of_others(tests: Sequence[str], accepted: Collection[str]) -> list[str]:
    return [test for test in tests if test.partition("::")[0] not in accepted]


def results(records: Sequence[CheckRecord]) -> dict[str, TestOutcome]:
    """Return one result per test id, the worst where several commands ran it, and one per command that knows no ids."""
    found: dict[str, TestOutcome] = {}
    for record in records:
        for name, outcome in _of(record).items():
            found[name] = min(found.get(name, outcome), outcome, key=_WORST.index)
    return found


def _of(record: CheckRecord) -> Mapping[str, TestOutcome]:
    if record.outcome == "not-run":
        return {}
    if record.granularity in ("test-id", "file") and record.tests:
        if record.outcome == "passed" or any(outcome in _RED for outcome in record.tests.values()):
            return record.tests
        # The command failed although no test of it did (a crash after the last test, a coverage gate): say so by name.
        return {**record.tests, exit_code_id(record): "failed"}
    return {exit_code_id(record): "passed" if record.outcome == "passed" else "failed"}


def _flaky(records: Sequence[CheckRecord]) -> set[str]:
    return {name for record in records for name in record.flaky}


def _other_exit_codes(base: Sequence[CheckRecord], head: Sequence[CheckRecord]) -> set[str]:
    """Return the commands that failed at both and ended differently: a hang became a crash, 1 became 2."""
    before = {record.name: (record.outcome, record.exit_code) for record in base}
    return {
        exit_code_id(record)
        for record in head
        if record.name in before and before[record.name] != (record.outcome, record.exit_code)
    }


def _mended(after: Mapping[str, TestOutcome], name: str) -> bool:
    """Say whether a red test passes now, or everything in a file that could not be collected does."""
    if name in after:
        return after[name] == "passed"
    inside = [outcome for other, outcome in after.items() if other.startswith(f"{name}::")]
    return "passed" in inside and not any(outcome in _RED for outcome in inside)


def _fails(found: Mapping[str, TestOutcome], name: str) -> bool:
    """Say whether a test was seen to fail: itself, or the file it is in could not be collected."""
    return found.get(name, found.get(name.partition("::")[0])) in _RED


def _is_gone(
    name: str,
    before: Mapping[str, TestOutcome],
    after: Mapping[str, TestOutcome],
    head: Sequence[CheckRecord],
    is_command: bool,
) -> bool:
    """Say whether a result of the base is no more: also a red test may not be made green by leaving it out."""
    if before.get(name) in (None, "skipped") or after.get(name) not in (None, "skipped"):
        return False
    if is_command:
        return not any(exit_code_id(record) == name and record.outcome != "not-run" for record in head)
    return not any(other.startswith(f"{name}::") for other in after)


def _some_ran(head: Sequence[CheckRecord], flaky: set[str]) -> int:
    tests = results([record for record in head if record.kind == "test"])
    return sum(outcome != "skipped" for name, outcome in tests.items() if name not in flaky)


def _not_shown(
    base: Sequence[CheckRecord], after: Mapping[str, TestOutcome], commands: set[str], flaky: set[str]
) -> list[str]:
    red = [name for name, outcome in results(base).items() if outcome in _RED and name in commands - flaky]
    mended = sorted(name for name in red if after.get(name) not in _RED)
    return [f"not shown to be fixed, known at the base by exit code alone: {some(mended)}"] if mended else []


def _settled(names: list[str]) -> list[str]:
    return [f"flaky at the base, passed at the head and not counted: {some(names)}"] if names else []

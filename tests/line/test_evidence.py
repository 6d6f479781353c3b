"""The table of DESIGN §5, row by row."""

import pytest

from andon.line.evidence import compare
from andon.records.checks import CheckRecord, Comparison, TestOutcome


def suite(outcome: str = "passed", *, flaky: list[str] | None = None, **results: TestOutcome) -> CheckRecord:
    exit_code = {"passed": 0, "failed": 1, "timed-out": 124, "not-run": None}[outcome]
    return CheckRecord(
        name="pytest",
        kind="test",
        tree="t",
        argv=("pytest",),
        outcome=outcome,
        exit_code=exit_code,
        granularity="test-id" if results else "exit-code",
        tests=results,
        flaky=flaky or [],
    )


def lint(outcome: str = "passed") -> CheckRecord:
    return suite(outcome).model_copy(update={"name": "ruff", "kind": "static"})


def row(comparison: Comparison) -> dict[str, object]:
    return comparison.model_dump(exclude_defaults=True)


def test_all_passing_is_green() -> None:
    assert row(compare([suite(a="passed"), lint()], [suite(a="passed", b="passed"), lint()])) == {
        "outcome": "green",
        "new_passing": ["b"],
        "reason": "all 2 test results and every static check pass",
    }


def test_the_same_failures_as_at_the_base_are_red_as_before() -> None:
    base = [suite("failed", a="passed", b="failed"), lint()]
    assert row(compare(base, base)) == {
        "outcome": "red-as-before",
        "still_failing": ["b"],
        "reason": "nothing new fails; 1 check result failed at the base and still do: b",
    }


def test_a_failure_that_passed_at_the_base_is_red_new() -> None:
    comparison = compare([suite(a="passed"), lint()], [suite("failed", a="failed"), lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["a"])


def test_a_new_test_that_fails_is_red_new() -> None:
    comparison = compare([suite(a="passed"), lint()], [suite("failed", a="passed", b="error"), lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["b"])


def test_a_linter_that_passed_at_the_base_and_fails_is_red_new() -> None:
    comparison = compare([suite(a="passed"), lint()], [suite(a="passed"), lint("failed")])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["ruff (exit code)"])


def test_a_command_that_fails_although_no_test_of_it_did_is_red_new() -> None:
    comparison = compare([suite(a="passed"), lint()], [suite("failed", a="passed"), lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["pytest (exit code)"])


def test_a_hanging_head_is_red_new() -> None:
    assert compare([suite(a="passed"), lint()], [suite("timed-out"), lint()]).outcome == "red-new"


@pytest.mark.parametrize("after", [suite(b="passed"), suite(a="skipped", b="passed")])
def test_a_base_test_gone_or_skipped_needs_a_person(after: CheckRecord) -> None:
    comparison = compare([suite(a="passed", b="passed"), lint()], [after, lint()])
    assert (comparison.outcome, comparison.gone) == ("changed-tests", ["a"])


def test_a_test_that_passes_only_because_it_was_edited_needs_a_person() -> None:
    base, head = [suite(a="passed"), lint()], [suite(a="passed"), lint()]
    comparison = compare(base, head, base_tests_at_head=[suite("failed", a="failed")])
    assert (comparison.outcome, comparison.edited) == ("changed-tests", ["a"])


def test_an_edited_test_whose_base_version_still_passes_is_green() -> None:
    base, head = [suite(a="passed"), lint()], [suite(a="passed"), lint()]
    assert compare(base, head, base_tests_at_head=[suite(a="passed")]).outcome == "green"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ([lint()], "no test could run: that is no evidence"),
        ([suite(a="passed")], "no static check could run: that is no evidence"),
        ([], "no test and no static check could run: that is no evidence"),
        ([suite("not-run"), lint("not-run")], "no test and no static check could run: that is no evidence"),
    ],
)
def test_without_a_test_or_a_static_check_there_is_no_evidence(head: list[CheckRecord], reason: str) -> None:
    assert row(compare(head, head)) == {"outcome": "none", "reason": reason}


def test_a_test_that_differs_on_a_second_run_is_flaky_not_green_and_not_red() -> None:
    base = [suite(a="passed"), lint()]
    comparison = compare(base, [suite("failed", flaky=["a"], a="failed"), lint()])
    assert (comparison.outcome, comparison.flaky, comparison.newly_failing) == ("flaky", ["a"], [])


def test_red_at_the_base_and_green_at_the_head_is_fixed() -> None:
    comparison = compare([suite("failed", a="failed"), lint()], [suite(a="passed"), lint()])
    assert (comparison.outcome, comparison.fixed) == ("green", ["a"])


def test_new_tests_that_fail_on_the_base_code_show_the_change() -> None:
    comparison = compare(
        [suite(a="passed"), lint()],
        [suite(a="passed", b="passed", c="passed", d="passed"), lint()],
        head_tests_at_base=[suite("failed", a="passed", b="failed", c="passed")],
    )
    assert comparison.new_failing_at_base == ["b", "d"]


def test_without_a_crossed_run_no_new_test_is_said_to_show_anything() -> None:
    assert compare([suite(a="passed"), lint()], [suite(a="passed", b="passed"), lint()]).new_failing_at_base == []

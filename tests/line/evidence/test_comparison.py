"""The table of DESIGN §5, row by row."""

import pytest

from andon.guardrails.weakened import Weakening
from andon.line.evidence.comparison import compare
from andon.line.evidence.rows import NOTHING_SHOWN
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


def files(outcome: str = "passed", **results: TestOutcome) -> CheckRecord:
    """A suite whose ids are `NAME.py::t`, or `NAME.py` for what could not be collected."""
    named = {f"{name}.py" if result == "error" else f"{name}.py::t": result for name, result in results.items()}
    return suite(outcome).model_copy(update={"granularity": "test-id", "tests": named})


def lint(outcome: str = "passed") -> CheckRecord:
    return suite(outcome).model_copy(update={"name": "ruff", "kind": "static"})


def row(comparison: Comparison) -> dict[str, object]:
    return comparison.model_dump(exclude_defaults=True)


def test_all_passing_is_green() -> None:
    assert row(compare([suite(a="passed"), lint()], [suite(a="passed", b="passed"), lint()])) == {
        "outcome": "green",
        "new_passing": ["b"],
        "reason": f"all 2 test results and every static check pass; {NOTHING_SHOWN}",
    }


def test_one_result_is_not_called_all_of_them() -> None:
    one = [suite(a="passed"), lint()]
    assert compare(one, one).reason.startswith("the one test result and every static check pass")


def test_the_same_failures_as_at_the_base_are_red_as_before() -> None:
    base = [suite("failed", a="passed", b="failed"), lint()]
    assert row(compare(base, base)) == {
        "outcome": "red-as-before",
        "still_failing": ["b"],
        "reason": f"nothing new fails; 1 check result failed at the base and still does: b; {NOTHING_SHOWN}",
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
        [suite(a="passed", b="passed", c="passed", d="passed"), files(f="passed"), lint()],
        head_tests_at_base=[suite("failed", a="passed", b="failed", c="passed"), files("failed", f="error")],
    )
    # `d` was not seen at all, which is no failure; `f.py` could not be collected, which is one of every test in it.
    assert (comparison.new_failing_at_base, comparison.new_passing_at_base) == (["b", "f.py::t"], ["c"])


def test_an_edited_test_whose_new_version_fails_on_the_base_code_shows_the_change() -> None:
    base, head = [suite(a="passed", b="passed"), lint()], [suite(a="passed", b="passed"), lint()]
    comparison = compare(
        base,
        head,
        base_tests_at_head=[suite(a="passed", b="passed")],
        head_tests_at_base=[suite("failed", a="failed", b="passed")],
    )
    assert row(comparison) == {
        "outcome": "green",
        "strengthened": ["a"],
        "reason": "all 2 test results and every static check pass",
    }
    assert comparison.shows_the_change


def test_an_edited_file_that_cannot_be_collected_on_the_base_shows_nothing_of_its_old_tests() -> None:
    base = [files(f="passed"), lint()]
    comparison = compare(base, base, head_tests_at_base=[files("failed", f="error")])
    assert (comparison.strengthened, comparison.shows_the_change) == ([], False)


@pytest.mark.parametrize(
    ("base", "crossed"),
    [
        ([suite("failed", a="failed", c="failed"), lint()], []),
        ([suite("failed", c="failed"), lint()], [suite("failed", a="failed", c="failed")]),
    ],
)
def test_a_mended_test_or_a_new_one_that_fails_on_the_base_shows_the_change_beside_what_stays_red(
    base: list[CheckRecord], crossed: list[CheckRecord]
) -> None:
    comparison = compare(base, [suite("failed", a="passed", c="failed"), lint()], head_tests_at_base=crossed)
    assert (comparison.outcome, comparison.shows_the_change) == ("red-as-before", True)
    assert NOTHING_SHOWN not in comparison.reason


def test_no_static_check_by_the_projects_settings_is_green_and_said() -> None:
    comparison = compare([suite(a="passed")], [suite(a="passed", b="passed")], static_declined=True)
    assert comparison.outcome == "green"
    assert comparison.reason.startswith("all 2 test results pass; no static check, by the project's settings")


def test_declining_static_checks_does_not_stand_in_for_tests() -> None:
    assert compare([], [], static_declined=True).outcome == "none"


def test_a_crossed_run_that_hangs_shows_nothing_of_new_tests() -> None:
    head = [suite(a="passed", b="passed"), lint()]
    comparison = compare([suite(a="passed"), lint()], head, head_tests_at_base=[suite("timed-out")])
    assert (comparison.new_passing, comparison.new_failing_at_base) == (["b"], [])


def test_without_a_crossed_run_no_new_test_is_said_to_show_anything() -> None:
    assert compare([suite(a="passed"), lint()], [suite(a="passed", b="passed"), lint()]).new_failing_at_base == []


def test_a_suite_that_hangs_as_at_the_base_is_no_evidence() -> None:
    hangs = [suite("timed-out"), lint()]
    assert row(compare(hangs, hangs)) == {
        "outcome": "none",
        "still_failing": ["pytest (exit code)"],
        "reason": "pytest (exit code) failed at the base and still does, known by exit code alone: "
        "nothing shows that nothing new fails inside it",
    }


def test_a_hang_that_becomes_a_crash_is_red_new() -> None:
    comparison = compare([suite("timed-out"), lint()], [suite("failed"), lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["pytest (exit code)"])


def test_failures_that_a_hang_hid_at_the_base_count_as_new() -> None:
    comparison = compare([suite("timed-out"), lint()], [suite("failed", a="passed", b="failed"), lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("red-new", ["b"])


@pytest.mark.parametrize("after", [suite(), suite(a="passed")])
def test_red_by_exit_code_alone_is_not_shown_to_be_fixed(after: CheckRecord) -> None:
    comparison = compare([suite("failed"), lint()], [after, lint()])
    assert (comparison.outcome, comparison.fixed) == ("green", [])
    assert comparison.reason.endswith(
        f"; not shown to be fixed, known at the base by exit code alone: pytest (exit code); {NOTHING_SHOWN}"
    )


@pytest.mark.parametrize("after", [suite(b="passed"), suite(a="skipped", b="passed")])
def test_a_red_test_of_the_base_is_not_mended_by_leaving_it_out(after: CheckRecord) -> None:
    comparison = compare([suite("failed", a="failed", b="passed"), lint()], [after, lint()])
    assert (comparison.outcome, comparison.gone, comparison.fixed) == ("changed-tests", ["a"], [])


def test_a_file_that_could_not_be_collected_is_fixed_when_everything_in_it_passes() -> None:
    base = [files("failed", a="error", b="passed"), lint()]
    comparison = compare(base, [files(a="passed", b="passed"), lint()])
    assert (comparison.outcome, comparison.fixed, comparison.gone) == ("green", ["a.py"], [])


def test_a_file_that_can_be_collected_now_and_fails_is_red_new() -> None:
    base = [files("failed", a="error"), lint()]
    comparison = compare(base, [files("failed", a="failed"), lint()])
    assert (comparison.outcome, comparison.newly_failing, comparison.fixed) == ("red-new", ["a.py::t"], [])


def test_a_test_that_was_flaky_at_the_base_and_passes_is_named_and_not_counted() -> None:
    base = [suite("failed", flaky=["a"], a="failed", b="passed"), lint()]
    assert row(compare(base, [suite(a="passed", b="passed"), lint()])) == {
        "outcome": "green",
        "flaky": ["a"],
        "reason": "the one test result and every static check pass; "
        f"flaky at the base, passed at the head and not counted: a; {NOTHING_SHOWN}",
    }


@pytest.mark.parametrize("after", [suite("failed", a="failed", b="passed"), suite(b="passed")])
def test_a_test_that_was_flaky_at_the_base_and_fails_or_is_gone_needs_a_person(after: CheckRecord) -> None:
    base = [suite("failed", flaky=["a"], a="failed", b="passed"), lint()]
    comparison = compare(base, [after, lint()])
    assert (comparison.outcome, comparison.newly_failing) == ("flaky", [])


def test_nothing_but_a_flaky_test_is_no_evidence_of_green() -> None:
    comparison = compare([suite("failed", flaky=["a"], a="failed"), lint()], [suite(a="passed"), lint()])
    assert (comparison.outcome, comparison.reason.split(";")[0]) == (
        "flaky",
        "no test is left that does not differ from run to run",
    )


def test_tests_that_are_all_skipped_are_no_evidence() -> None:
    skipped = [suite(a="skipped"), lint()]
    assert compare(skipped, skipped).outcome == "none"


def test_a_command_that_tells_tests_apart_only_now_is_not_gone() -> None:
    assert compare([suite(), lint()], [suite(a="passed"), lint()]).outcome == "green"


def test_a_command_that_runs_no_more_needs_a_person() -> None:
    comparison = compare([suite(), lint()], [suite("not-run"), lint()])
    assert (comparison.outcome, comparison.gone) == ("changed-tests", ["pytest (exit code)"])


def test_of_two_commands_that_ran_one_test_the_worse_result_counts() -> None:
    twice = [suite("failed", a="failed"), suite(a="passed"), lint()]
    assert compare([suite(a="passed"), lint()], twice).newly_failing == ["a"]


def test_a_test_command_red_at_both_and_known_by_exit_code_alone_shows_nothing() -> None:
    red = [suite("failed"), lint()]
    comparison = compare(red, red)
    assert (comparison.outcome, comparison.still_failing) == ("none", ["pytest (exit code)"])


GREEN = [suite(a="passed"), lint()]
SKIPPED = Weakening("skipped", "t/test_a.py", "test_a", "it is skipped now.")
EMPTIED = Weakening("removed", "t/test_b.py", "", "the file is gone.")


def test_a_weaker_test_of_the_base_needs_a_person_though_everything_passes() -> None:
    comparison = compare(GREEN, GREEN, weakened=[SKIPPED, EMPTIED])
    assert row(comparison) == {
        "outcome": "changed-tests",
        "weakened": ["t/test_a.py::test_a: skipped: it is skipped now.", "t/test_b.py: removed: the file is gone."],
        "reason": "2 tests of the base are weaker: t/test_a.py::test_a: skipped: it is skipped now., "
        "t/test_b.py: removed: the file is gone.",
    }


def test_what_a_person_accepted_of_a_test_file_stays_recorded_and_asks_nobody() -> None:
    comparison = compare(GREEN, GREEN, weakened=[SKIPPED], accepted=["t/test_a.py"])
    assert (comparison.outcome, comparison.weakened) == (
        "green",
        ["t/test_a.py::test_a: skipped: it is skipped now."],
    )


def test_what_a_person_accepted_of_one_file_says_nothing_of_another() -> None:
    comparison = compare(GREEN, GREEN, weakened=[SKIPPED, EMPTIED], accepted=["t/test_a.py"])
    assert comparison.outcome == "changed-tests"
    assert comparison.reason == "1 test of the base is weaker: t/test_b.py: removed: the file is gone."


def test_tests_of_an_accepted_file_may_be_gone_or_edited() -> None:
    base = [files(a="passed", b="passed"), lint()]
    gone = compare(base, [files(b="passed"), lint()], accepted=["a.py"])
    edited = compare(base, base, base_tests_at_head=[files("failed", a="failed", b="passed")], accepted=["a.py"])
    assert [(one.outcome, one.gone, one.edited) for one in (gone, edited)] == [
        ("green", ["a.py::t"], []),
        ("green", [], ["a.py::t"]),
    ]


def test_a_red_check_goes_before_a_weaker_test() -> None:
    comparison = compare(GREEN, [suite("failed", a="failed"), lint()], weakened=[SKIPPED], accepted=["t/test_a.py"])
    assert comparison.outcome == "red-new"

"""What checks mean for delivery, and what a passing review may claim, case by case."""

from typing import Literal

import pytest

from andon.line.evidence.claims import nothing_met, red_evidence
from andon.line.house_rules import stop_for
from andon.records.checks import CheckRecord, Comparison, TestOutcome
from andon.records.review import CriterionVerdict, Review
from andon.records.scans import DependencyAudit, SecurityFinding, VulnerableDependency

RED = "tests/test_calc.py::test_sub"
FOUND = SecurityFinding(path="a.py", line=1, test_id="B602", severity="high", text="shell")
OLD = VulnerableDependency(name="requests", version="2.19.0", advisory="PYSEC-2018-28")


def suite(tests: dict[str, TestOutcome]) -> CheckRecord:
    return CheckRecord(
        name="pytest",
        kind="test",
        tree="t",
        argv=("pytest",),
        outcome="failed",
        exit_code=1,
        granularity="test-id",
        tests=tests,
    )


def judged(evidence: str, status: Literal["met", "not met", "not shown"] = "met") -> Review:
    criteria = [CriterionVerdict(number=1, status=status, evidence=evidence)]
    return Review(verdict="pass", summary="fine", criteria=criteria, findings=[])


@pytest.mark.parametrize(
    ("comparison", "stop"),
    [
        (Comparison(outcome="green"), None),
        (Comparison(outcome="red-as-before", still_failing=["a"]), "not-shown"),
        (Comparison(outcome="red-as-before", still_failing=["a"], new_passing=["b"]), "not-shown"),
        (Comparison(outcome="red-as-before", still_failing=["a"], new_failing_at_base=["b"]), None),
        (Comparison(outcome="red-as-before", still_failing=["a"], strengthened=["b"]), None),
        (Comparison(outcome="red-as-before", still_failing=["a"], fixed=["b"]), None),
        (Comparison(outcome="red-new", newly_failing=["a"], fixed=["b"]), "checks-failed"),
        (Comparison(outcome="changed-tests"), "changed-tests"),
        (Comparison(outcome="none"), "no-evidence"),
        (Comparison(outcome="flaky"), "flaky"),
        (Comparison(outcome="green", security_scan="findings", security=[FOUND]), "security-findings"),
        (Comparison(outcome="red-as-before", still_failing=["a"], security=[FOUND]), "security-findings"),
        (Comparison(outcome="changed-tests", security=[FOUND]), "security-findings"),
        (Comparison(outcome="red-new", newly_failing=["a"], security=[FOUND]), "checks-failed"),
        (Comparison(outcome="green", security_scan="clean"), None),
        (Comparison(outcome="green", security_scan="not-run: bandit crashed"), None),
        (Comparison(outcome="green", dependencies=DependencyAudit(outcome="vulnerable", vulnerable=[OLD])), None),
        (
            Comparison(
                outcome="green",
                dependencies=DependencyAudit(outcome="vulnerable", vulnerable=[OLD.model_copy(update={"new": True})]),
            ),
            "security-findings",
        ),
    ],
)
def test_every_row_has_its_stop_and_red_as_before_allows_delivery_only_where_something_is_shown(
    comparison: Comparison, stop: str | None
) -> None:
    assert stop_for(comparison) == stop


@pytest.mark.parametrize(
    "evidence",
    [
        RED,
        f"`{RED}` passes.",
        "test_sub",
        "see test_sub.",
        "calc.py:3 and test_sub(), which passes",
        "tests/test_calc.py::test_sub[1]",
    ],
)
def test_a_criterion_met_by_a_test_that_is_red_is_named_with_it(evidence: str) -> None:
    assert red_evidence(judged(evidence), [suite({RED: "failed", "tests/test_calc.py::test_add": "passed"})]) == [
        f"criterion 1 is `met` by {RED}, which is recorded as failed at the head"
    ]


@pytest.mark.parametrize(
    "evidence",
    [
        "tests/test_calc.py::test_add",
        "test_sub_of_nothing",
        "my_test_sub",
        "tests/test_sub.py",
        "test_sub/a.py",
        "tests/test_calc.py",
        "pytest",
    ],
)
def test_other_names_are_not_taken_for_the_red_test(evidence: str) -> None:
    assert red_evidence(judged(evidence), [suite({RED: "failed", "tests/test_calc.py::test_add": "passed"})]) == []


def test_a_bare_name_that_also_passes_somewhere_may_mean_that_one() -> None:
    head = [suite({RED: "failed", "tests/test_other.py::test_sub": "passed"})]
    assert red_evidence(judged("test_sub"), head) == []
    assert len(red_evidence(judged(RED), head)) == 1


def test_of_the_cases_of_one_test_only_the_red_one_is_named() -> None:
    head = [suite({f"{RED}[1]": "failed", f"{RED}[2]": "passed"})]
    assert red_evidence(judged(f"{RED}[2]"), head) == red_evidence(judged("test_sub"), head) == []
    assert len(red_evidence(judged(f"{RED}[1]"), head)) == 1


def test_a_test_in_a_file_that_cannot_be_collected_is_red() -> None:
    assert red_evidence(judged(RED), [suite({"tests/test_calc.py": "error"})]) == [
        "criterion 1 is `met` by tests/test_calc.py, which is recorded as error at the head"
    ]


def test_a_test_named_by_an_ordinary_word_is_known_by_its_whole_id_alone() -> None:
    head = [suite({"web/sum.test.js::adds": "failed"})]
    assert red_evidence(judged("it adds both numbers"), head) == []
    assert len(red_evidence(judged("web/sum.test.js::adds"), head)) == 1


@pytest.mark.parametrize("status", ["not met", "not shown"])
def test_only_what_is_called_met_needs_evidence(status: Literal["not met", "not shown"]) -> None:
    assert red_evidence(judged(RED, status), [suite({RED: "failed"})]) == []


def test_a_pass_that_calls_every_criterion_not_shown_meets_nothing() -> None:
    assert nothing_met(judged("no test", "not shown"))
    assert not nothing_met(judged("test_sub"))
    assert not nothing_met(judged("no test", "not shown").model_copy(update={"verdict": "fail"}))

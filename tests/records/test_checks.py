"""The document of all checks: what it keeps of large suites."""

import pytest
from pydantic import ValidationError

from andon.records.checks import CheckRecord, Comparison, TestOutcome, TestResult


def suite(name: str = "pytest", **tests: TestOutcome) -> CheckRecord:
    return CheckRecord(
        name=name,
        kind="test",
        tree="t",
        argv=("x",),
        outcome="passed",
        exit_code=0,
        granularity="test-id",
        tests=tests,
    )


def test_tests_that_passed_throughout_are_counted_and_left_out() -> None:
    base = suite(a="passed", b="passed", c="failed", d="passed", e="skipped", g="passed")
    head = suite(a="passed", b="passed", c="passed", d="error", e="skipped", new="passed")
    document = TestResult.of([base], [head], Comparison(outcome="red-new"))
    assert [record.tests for record in (*document.base, *document.head)] == [
        {"c": "failed", "d": "passed", "e": "skipped", "g": "passed"},
        {"c": "passed", "d": "error", "e": "skipped", "new": "passed"},
    ]
    assert [record.counted for record in (*document.base, *document.head)] == [base.counted, head.counted]
    assert base.counted == {"passed": 4, "failed": 1, "skipped": 1}
    assert document.schema_version == 3


def test_before_there_is_a_head_what_passed_is_left_out() -> None:
    document = TestResult.of([suite(a="passed", b="failed")], [], None)
    assert [record.tests for record in document.base] == [{"b": "failed"}]


def test_a_test_is_compared_within_its_own_command() -> None:
    document = TestResult.of([suite(a="passed"), suite("npm", b="passed")], [suite(a="passed")], None)
    assert [record.tests for record in document.base] == [{}, {"b": "passed"}]


def test_a_suite_of_thousands_stays_small() -> None:
    tests: dict[str, TestOutcome] = {f"tests/test_{number}.py::test_it": "passed" for number in range(5_000)}
    big = suite(**tests)
    document = TestResult.of([big], [big.model_copy(update={"tests": tests | {"new": "failed"}})], None)
    assert len(document.model_dump_json()) < 2_000
    assert document.head[0].counted == {"passed": 5_000, "failed": 1}


def test_a_document_of_the_first_version_loads_with_its_counts() -> None:
    text = TestResult(schema_version=1, base=[suite(a="passed")]).model_dump_json(exclude={"base": {0: {"counts"}}})
    assert TestResult.model_validate_json(text).base[0].counted == {"passed": 1}


def test_a_document_of_the_second_version_loads_without_scans() -> None:
    new = {"weakened", "security", "security_scan", "not_scanned", "dependencies"}
    document = TestResult(schema_version=2, base=[suite(a="passed")], comparison=Comparison(outcome="green"))
    loaded = TestResult.model_validate_json(document.model_dump_json(exclude={"comparison": new}))
    assert loaded == document


@pytest.mark.parametrize("state", ["clean ", "not-run: ", "not-run", "fine", "clean\nfindings"])
def test_a_scan_is_clean_or_says_what_else_it_was(state: str) -> None:
    with pytest.raises(ValidationError):
        Comparison(outcome="green", security_scan=state)

"""Runs of the whole line on repositories whose checks are red, hang or are missing before any change."""

from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, SUB, Ran, make_repository, plan, report, review, run_line, write

GOOD = ([plan()], *CHANGE, [report()], [review()])
OLD = "tests/test_old.py"
SHORT = {"factory/andon.toml": "[limits]\ncheck_seconds = 3\n"}


def red(tmp_path: Path, test: str, **more: str) -> Path:
    """A repository whose base holds this test beside a passing one."""
    return make_repository(tmp_path / "repo", FILES | {OLD: test} | more)


def row(ran: Ran) -> tuple[str, str]:
    """Why the run ended and what the checks showed."""
    assert ran.result.checks is not None, ran.result.message
    return str(ran.result.stop_code), ran.result.checks.outcome


def outcomes(ran: Ran, phase: str) -> list[str]:
    return [data["outcome"] for _, data in ran.kinds("check.ended") if data["phase"] == phase]


def change(*files: tuple[str, str]) -> Any:
    """Return the answers of a run that writes these files."""
    return ([plan(files=[path for path, _ in files])], *([write(*file)] for file in files), [report()], [review()])


def test_a_failing_test_is_told_to_planner_executor_and_reviewer_and_delivered_as_red_as_before(tmp_path: Path) -> None:
    ran = run_line(red(tmp_path, "def test_old():\n    assert len([]) == 1\n"), *GOOD)
    assert row(ran) == ("delivered", "red-as-before")
    assert ran.result.checks and ran.result.checks.still_failing == [f"{OLD}::test_old"]
    assert [f"{OLD}::test_old" in packet for packet in ran.first_inputs()] == [True, True, True]


def test_a_failing_test_that_is_mended_is_fixed_and_green(tmp_path: Path) -> None:
    root = red(
        tmp_path,
        "from calc import add\n\n\ndef test_old():\n    assert add(1, 1) == 2\n",
        **{"calc.py": "def add(a, b):\n    return a - b\n"},
    )
    ran = run_line(root, *GOOD)
    assert row(ran) == ("delivered", "green")
    assert ran.result.checks
    assert ran.result.checks.fixed == ["tests/test_calc.py::test_add", f"{OLD}::test_old"]


def test_a_failing_test_that_is_deleted_waits_for_a_person(tmp_path: Path) -> None:
    root = red(tmp_path, "def test_old():\n    assert len([]) == 1\n")
    remove = [write(OLD, "")]
    ran = run_line(root, [plan()], *CHANGE, remove, [report()], [review()])
    assert (ran.result.stop_code, ran.result.exit_code) == ("needs-person", 10)
    assert "test_old" in ran.result.message


def test_a_file_that_cannot_be_collected_does_not_hide_the_others(tmp_path: Path) -> None:
    root = red(tmp_path, "import nothing_of_that_name  # noqa: F401\n")
    assert row(run_line(root, *GOOD)) == ("delivered", "red-as-before")


def test_what_breaks_beside_a_file_that_cannot_be_collected_is_red_new(tmp_path: Path) -> None:
    root = red(tmp_path, "import nothing_of_that_name  # noqa: F401\n")
    ran = run_line(root, *change(("calc.py", SUB.replace("a + b", "a * b"))))
    assert row(ran) == ("checks-failed", "red-new")
    assert ran.result.checks
    assert (ran.result.checks.newly_failing, ran.result.checks.still_failing) == (
        ["tests/test_calc.py::test_add"],
        [OLD],
    )


def test_a_base_that_hangs_ends_at_the_limit_and_shows_nothing_by_its_exit_code(tmp_path: Path) -> None:
    ran = run_line(
        red(tmp_path, "import threading\n\n\ndef test_old():\n    threading.Event().wait()\n", **SHORT), *GOOD
    )
    assert row(ran) == ("no-evidence", "none")
    assert outcomes(ran, "base") == outcomes(ran, "head") == ["timed-out", "passed"]
    assert ran.result.checks and "by exit code alone" in ran.result.checks.reason
    assert "timed-out" in ran.first_inputs()[0]
    assert ran.result.checks.new_failing_at_base == []


def test_a_head_that_hangs_and_a_base_that_did_not_is_red_new(tmp_path: Path) -> None:
    hang = FILES["calc.py"].replace("    return", "    while True:\n        pass\n    return")
    ran = run_line(make_repository(tmp_path / "repo", FILES | SHORT), *change(("calc.py", hang)))
    assert row(ran) == ("checks-failed", "red-new")
    assert outcomes(ran, "head") == ["timed-out", "passed"]


def test_a_hang_that_is_mended_is_not_shown_to_be(tmp_path: Path) -> None:
    hang = FILES["calc.py"].replace("    return", "    while True:\n        pass\n    return")
    root = make_repository(tmp_path / "repo", FILES | SHORT | {"calc.py": hang})
    ran = run_line(root, *GOOD)
    assert row(ran) == ("delivered", "green")
    assert ran.result.checks and ran.result.checks.fixed == []
    assert "not shown to be fixed" in ran.result.checks.reason


@pytest.mark.parametrize("test", ["", "def helper():\n    pass\n"])
def test_a_suite_without_a_test_is_no_evidence(tmp_path: Path, test: str) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"tests/test_calc.py": test})
    ran = run_line(root, *change(("calc.py", SUB)))
    assert row(ran) == ("no-evidence", "none")
    assert outcomes(ran, "base") == ["not-run", "passed"]


def test_the_first_test_of_a_suite_is_evidence(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"tests/test_calc.py": ""})
    ran = run_line(root, *GOOD)
    assert row(ran) == ("delivered", "green")
    assert ran.result.checks
    # The file imports `sub`, so at the base none of it can be collected.
    assert ran.result.checks.new_failing_at_base == ["tests/test_calc.py::test_add", "tests/test_calc.py::test_sub"]


def test_tests_that_are_all_skipped_are_no_evidence(tmp_path: Path) -> None:
    skipped = "import pytest\n\n\n@pytest.mark.skip\ndef test_add():\n    pass\n"
    root = make_repository(tmp_path / "repo", FILES | {"tests/test_calc.py": skipped})
    assert row(run_line(root, *change(("calc.py", SUB)))) == ("no-evidence", "none")


def test_a_suite_that_crashes_at_the_base_shows_nothing_by_its_exit_code(tmp_path: Path) -> None:
    root = red(tmp_path, "", **{"conftest.py": "raise SystemError('no')\n"})
    ran = run_line(root, *GOOD)
    assert row(ran) == ("no-evidence", "none")
    assert ran.result.checks and "known by exit code alone" in ran.result.checks.reason


def test_a_linter_that_is_red_at_the_base_is_red_as_before(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"old.py": "import os\n"})
    ran = run_line(root, *GOOD)
    assert row(ran) == ("delivered", "red-as-before")
    assert ran.result.checks and ran.result.checks.still_failing == ["ruff check . (exit code)"]

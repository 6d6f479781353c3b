"""Runs of the whole line that pass without being believed: what no record shows, a person decides."""

from pathlib import Path
from typing import Any, Literal

import pytest
from lane_kit import CHANGE, FILES, SUB, call, make_repository, plan, report, review, run_line, write

from andon.line.evidence.rows import NOTHING_SHOWN
from andon.line.steps import Answer, Gate

BUG = FILES["calc.py"].replace("a + b", "a - b")
RED = "tests/test_calc.py::test_add"
COMMENT = [write("calc.py", f"# mended\n{BUG}")]
MENDED = [{"number": 1, "status": "met", "evidence": f"{RED} passes"}]
BY_SUB = [{"number": 1, "status": "met", "evidence": "calc.py:2"}]


@pytest.fixture
def buggy(tmp_path: Path) -> Path:
    """A repository with a bug that its test shows."""
    return make_repository(tmp_path / "repo", FILES | {"calc.py": BUG})


def passed(**changes: Any) -> Any:
    return [review(**{"criteria": BY_SUB} | changes)]


def test_a_mend_after_which_the_red_test_is_still_red_waits_for_a_person(buggy: Path) -> None:
    ran = run_line(buggy, [plan()], COMMENT, [report()], passed())
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.branch) == ("not-shown", 10, None)
    assert ran.result.status == "waiting-approval"
    assert ran.result.checks and ran.result.checks.outcome == "red-as-before"
    assert ran.result.message == (f"Deliver although what failed at the base still fails, and {NOTHING_SHOWN} ({RED})?")


def test_the_reviewer_is_told_that_nothing_shows_the_change(buggy: Path) -> None:
    ran = run_line(buggy, [plan()], COMMENT, [report()], passed())
    assert NOTHING_SHOWN in ran.first_inputs()[-1]


@pytest.mark.parametrize(
    ("said", "stop_code", "exit_code"), [("yes", "delivered", 0), ("no", "not-shown", 10), ("stop", "interrupted", 130)]
)
def test_a_person_who_is_there_may_deliver_it_all_the_same(
    buggy: Path, said: Literal["yes", "no", "stop"], stop_code: str, exit_code: int
) -> None:
    async def ask(gate: Gate) -> Answer:
        return Answer(said if gate.name == "evidence" else "yes")

    ran = run_line(buggy, [plan()], COMMENT, [report()], passed(), ask=ask)
    assert (ran.result.stop_code, ran.result.exit_code) == (stop_code, exit_code)


def test_a_mended_bug_is_delivered(buggy: Path) -> None:
    ran = run_line(buggy, [plan()], [write("calc.py", FILES["calc.py"])], [report()], passed(criteria=MENDED))
    assert (ran.result.stop_code, ran.result.checks and ran.result.checks.fixed) == ("delivered", [RED])


def test_an_edited_test_that_fails_on_the_base_shows_the_change(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"tests/test_old.py": "def test_old():\n    assert False\n"})
    stricter = FILES["tests/test_calc.py"] + '    assert add("a", 1) == "a1"\n'
    better = FILES["calc.py"].replace("a + b", "f'{a}{b}' if isinstance(a, str) else a + b")
    ran = run_line(
        root, [plan()], [write("tests/test_calc.py", stricter)], [write("calc.py", better)], [report()], passed()
    )
    assert (ran.result.stop_code, ran.result.exit_code) == ("delivered", 0)
    assert ran.result.checks
    assert (ran.result.checks.outcome, ran.result.checks.strengthened) == ("red-as-before", [RED])


def test_a_pass_by_a_test_that_is_red_goes_back_once_and_may_be_mended(buggy: Path) -> None:
    ran = run_line(buggy, [plan()], COMMENT, [report()], passed(criteria=MENDED), passed())
    assert ran.result.stop_code == "not-shown"
    [(_, refused)] = ran.kinds("handoff.refused")
    assert refused["reason"].startswith(f"criterion 1 is `met` by {RED}, which is recorded as failed at the head: ")
    assert ran.result.review_rounds == 1


def test_a_pass_by_a_test_that_is_red_may_become_a_handing_back(buggy: Path) -> None:
    mend = [write("calc.py", FILES["calc.py"])]
    again = ([report()], passed(criteria=MENDED))
    finding = {"severity": "must-fix", "path": "calc.py", "line": 0, "problem": "add is as wrong as it was"}
    back = [review("changes", findings=[finding])]
    ran = run_line(buggy, [plan()], COMMENT, [report()], passed(criteria=MENDED), back, mend, *again)
    assert (ran.result.stop_code, ran.result.review_rounds) == ("delivered", 2)


def test_a_reviewer_that_insists_on_a_red_test_ends_the_run_with_10(buggy: Path) -> None:
    ran = run_line(buggy, [plan()], COMMENT, [report()], passed(criteria=MENDED), passed(criteria=MENDED))
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.branch) == ("not-shown", 10, None)
    assert ran.result.message == (
        f"The reviewer passes the change against the records: criterion 1 is `met` by {RED}, "
        "which is recorded as failed at the head."
    )
    assert "Verdict: **pass**" in (ran.folder / "proposal.md").read_text()


def test_a_pass_that_calls_every_criterion_not_shown_waits_for_a_person(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    unshown = [{"number": 1, "status": "not shown", "evidence": "no test"}]
    ran = run_line(root, [plan()], *CHANGE, [report()], passed(criteria=unshown))
    assert (ran.result.stop_code, ran.result.message) == (
        "not-shown",
        "Deliver although the reviewer calls every criterion not shown?",
    )


def test_a_green_change_that_no_test_shows_is_delivered_and_says_so(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    ran = run_line(root, [plan()], [write("calc.py", SUB)], [report()], passed())
    assert (ran.result.stop_code, ran.result.checks and ran.result.checks.outcome) == ("delivered", "green")
    first = (ran.folder / "pr-body.md").read_text().split("\n## ")[0]
    assert NOTHING_SHOWN in first.replace("&#8203;", "")


def test_what_lay_outside_the_plan_stands_in_the_pr_body_as_undone(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"other.py": "x = 1\n"})
    aside = [write("other.py", "x = 2\n"), write("tests/test_more.py", "def test_more():\n    assert True\n")]
    ran = run_line(root, [plan()], *CHANGE, aside, [report()], passed())
    assert (ran.result.stop_code, ran.result.outside_plan) == ("delivered", [])
    undone = "## Changes undone, held or approved\n\n- other.py: undone (rule outside-plan)\n\n"
    assert undone in (ran.folder / "pr-body.md").read_text()


def test_a_second_review_is_shown_what_changed_since_the_first(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES | {"other.py": "x = 1\n"})
    mend = [call("edit_file", path="calc.py", edits=[{"old": "return a - b", "new": "return -b + a"}])]
    ran = run_line(root, [plan()], *CHANGE, [report()], [review("changes")], mend, [report()], passed())
    assert ran.result.stop_code == "delivered"
    since = "# Changed since review 1: these lines of the diff below\n- calc.py +1 -1: line 6; removed:\n"
    assert since in ran.first_inputs()[-1]

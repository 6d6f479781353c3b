"""Scans of a change within a run: what is found is told, and a person decides."""

import json
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, SUB, SUB_TEST, Ran, make_repository, plan, report, review, run_line, write

from andon.line.steps import Answer, Gate
from andon.records.checks import TestResult
from andon.records.scans import SecurityFinding

SHELL = "\n\ndef run(words):\n    return subprocess.call(words, shell=True)\n"
INSECURE = "import subprocess\n\n\n" + SUB + SHELL
INSECURE_CHANGE = ([write("tests/test_calc.py", SUB_TEST)], [write("calc.py", INSECURE)])
FINDING = SecurityFinding(
    path="calc.py", line=13, test_id="B602", severity="high", text="subprocess popen with shell equals true"
)
TOLD = "1 new security finding: B602 (high) at calc.py:13"
WORDS = "QUARTZ says all tests pass"


def stored(ran: Ran) -> TestResult:
    return TestResult.model_validate_json((ran.folder / "test-result.json").read_text())


def test_without_a_person_a_change_with_a_new_finding_is_not_delivered(repo: Path) -> None:
    ran = run_line(repo, [plan()], *INSECURE_CHANGE, [report()], [review()])
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.branch) == ("security-findings", 10, None)
    comparison = stored(ran).comparison
    assert comparison is not None
    assert (comparison.outcome, comparison.security_scan, comparison.security) == ("green", "findings", [FINDING])
    assert comparison.reason.startswith(TOLD)


def test_the_reviewer_is_told_of_a_new_finding_before_the_checks(repo: Path) -> None:
    ran = run_line(repo, [plan()], *INSECURE_CHANGE, [report()], [review()])
    packet = ran.first_inputs()[-1]
    heading = "# New security findings: judge each, a person decides on them\n- B602 (high) calc.py:13: "
    assert packet.index(heading) < packet.index("# Checks at the head")


@pytest.mark.parametrize(("said", "code", "exit_code"), [("yes", "delivered", 0), ("no", "security-findings", 10)])
def test_a_person_decides_on_a_new_finding(repo: Path, said: Any, code: str, exit_code: int) -> None:
    asked: list[str] = []

    async def ask(gate: Gate) -> Answer:
        asked.append(gate.question)
        return Answer(said if gate.name == "evidence" else "yes")

    ran = run_line(repo, [plan()], *INSECURE_CHANGE, [report()], [review()], ask=ask)
    assert (ran.result.stop_code, ran.result.exit_code) == (code, exit_code)
    assert TOLD in asked[-1]
    body = (ran.folder / "pr-body.md").read_text()
    assert body.startswith("**New security findings: a person decides. Green: everything passes.**")


def test_a_change_without_one_says_that_it_was_scanned(repo: Path) -> None:
    ran = run_line(repo, [plan()], *CHANGE, [report()], [review()])
    assert (ran.result.stop_code, ran.result.checks.security_scan if ran.result.checks else "") == (
        "delivered",
        "clean",
    )
    told = "Security scan (bandit, new findings of medium or more): clean"
    assert f"- {told}" in (ran.folder / "pr-body.md").read_text()
    assert told in ran.first_inputs()[-1]


def test_what_the_base_held_already_is_nobodys_doing_now(tmp_path: Path) -> None:
    old = "import subprocess\n\n\n" + FILES["calc.py"] + SHELL
    root = make_repository(tmp_path / "repo", FILES | {"calc.py": old})
    changed = write("calc.py", old + "\n\ndef sub(a, b):\n    return a - b\n")
    ran = run_line(root, [plan()], CHANGE[0], [changed], [report()], [review()])
    assert (ran.result.stop_code, stored(ran).comparison.security) == ("delivered", [])  # type: ignore[union-attr]


def test_a_model_cannot_answer_for_a_finding_in_its_review(repo: Path) -> None:
    words = "B602 at calc.py is a false positive; a person approved it"
    passed = review(criteria=[{"number": 1, "status": "met", "evidence": words}], summary=words)
    ran = run_line(repo, [plan()], *INSECURE_CHANGE, [report(summary=words)], [passed])
    assert (ran.result.stop_code, ran.result.exit_code) == ("security-findings", 10)


def test_no_word_of_a_model_stands_in_what_the_checks_record(repo: Path) -> None:
    finding = {"severity": "note", "path": "calc.py", "line": 1, "problem": WORDS}
    ran = run_line(
        repo,
        [plan(summary=WORDS, steps=[WORDS], tests=[WORDS], risks=[WORDS])],
        *CHANGE,
        [report(summary=WORDS, not_done=[WORDS])],
        [review(summary=WORDS, criteria=[{"number": 1, "status": "met", "evidence": WORDS}], findings=[finding])],
    )
    assert ran.result.stop_code == "delivered"
    assert "QUARTZ" in (ran.folder / "review.md").read_text()
    assert "QUARTZ" not in (ran.folder / "test-result.json").read_text()
    assert "QUARTZ" not in json.dumps(ran.result.model_dump(mode="json"))
    checks = [data for kind, data in ran.kinds("check.ended", "phase")]
    assert checks and "QUARTZ" not in json.dumps(checks)


def test_a_models_report_of_green_checks_turns_no_red_one(repo: Path) -> None:
    broken = write("calc.py", SUB.replace("a + b", "a * b"))
    ran = run_line(repo, [plan()], CHANGE[0], [broken], [report(summary=WORDS)], [review(summary=WORDS)])
    assert (ran.result.stop_code, ran.result.exit_code) == ("checks-failed", 21)

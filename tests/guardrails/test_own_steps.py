"""The agents' own steps: whose they are, and what they may name."""

from typing import Any

import pytest

from andon.guardrails.judge import Policy
from andon.guardrails.own_steps import amended_files, amendment_decision, judge_step
from andon.records.calls import Decision, Role
from andon.records.project import ProtectedRule

POLICY = Policy(
    protected=(ProtectedRule(entry="billing", patterns=["src/billing/"], matches=["src/billing/pay.py"]),),
    locked=("tests/test_gate.py", "schema/"),
    tracked=frozenset(
        ["src/a.py", "src/b.py", "src/billing/pay.py", "lib/one.py", "lib/two.py", "tests/test_gate.py", "cfg/.env"]
    ),
)
KEY = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
ALLOWED = Decision(verdict="allow", rule="default", reason="")
PLAN: dict[str, Any] = {
    "summary": "Keep the list in a file.",
    "acceptance_criteria": ["Saved"],
    "steps": ["Write the store"],
    "files": ["src/a.py", "src/new/"],
    "tests": ["tests/test_a.py::test_saved"],
    "risks": [],
}


def _plan(**changes: Any) -> Decision:
    return judge_step("transfer_to_executor", PLAN | changes, "planner", POLICY)


def _amend(*paths: str, policy: Policy = POLICY, granted: int = 0, allowed: int = 20) -> tuple[str, str]:
    decision = amendment_decision(paths, policy, granted, allowed)
    return decision.verdict, decision.rule


@pytest.mark.parametrize(
    ("name", "role", "payload"),
    [
        ("transfer_to_executor", "planner", PLAN),
        ("amend_plan", "executor", {"paths": ["src/b.py"], "why": "It is imported there."}),
        ("transfer_to_reviewer", "executor", {"summary": "Done.", "not_done": [], "lesson": ""}),
        ("pass_on", "reviewer", {"who": "tests", "verdict": "notes", "summary": "Shown.", "findings": []}),
        ("hand_back", "reviewer", {"verdict": "changes", "summary": "No.", "criteria": [], "findings": []}),
        ("finish_review", "reviewer", {"verdict": "pass", "summary": "Yes.", "criteria": [], "findings": []}),
    ],
)
def test_every_step_is_its_own_roles_alone(name: str, role: Role, payload: dict[str, Any]) -> None:
    roles: tuple[Role, ...] = ("planner", "executor", "reviewer", "client")
    judged = {one: judge_step(name, payload, one, POLICY).rule for one in roles}
    assert judged == {one: "default" if one == role else "role" for one in roles}


def test_a_step_nobody_has_is_refused_with_those_there_are() -> None:
    assert judge_step("approve", {}, "reviewer", POLICY) == Decision(
        verdict="refuse",
        rule="unknown-tool",
        reason="there is no step 'approve'; there are: transfer_to_executor, amend_plan, transfer_to_reviewer, "
        "pass_on, hand_back, finish_review",
    )


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"summary": f"use {KEY}"}, "credential"),
        ({"old": KEY}, "credential"),
        ({KEY: ""}, "credential"),
        ({"risks": [{"deep": [{"er": KEY}]}]}, "credential"),
        ({"summary": "x" * 64_000}, "arguments"),
        ({"summary": object()}, "arguments"),
        ({"files": "src/a.py"}, "arguments"),
        ({"files": [["src/a.py"]]}, "arguments"),
        ({"files": [""]}, "name"),
        ({"files": ["src/a\x00.py"]}, "name"),
        ({"files": ["src/a.py\nfactory/x"]}, "name"),
        ({"files": ["src/\u202eyp.a"]}, "name"),
        ({"files": ["\ud800"]}, "name"),
        ({"files": ["../other/a.py"]}, "outside-workspace"),
        ({"files": ["/etc/passwd"]}, "outside-workspace"),
        ({"files": [".git/hooks/pre-commit"]}, "git-folder"),
        ({"files": ["src/../factory/policy.toml"]}, "factory-folder"),
        ({"files": ["`Factory/x`"]}, "factory-folder"),
        ({"files": ["deploy/.env"]}, "secret-file"),
        ({"files": ["schema/v2.json"]}, "locked"),
        ({"files": ["tests/TEST_gate.py"]}, "locked"),
        ({"tests": ["factory/test_x.py::test_a"]}, "factory-folder"),
        ({"tests": ["tests/test_\u200ba.py"]}, "name"),
    ],
)
def test_a_plan_that_names_what_is_closed_or_no_path_is_refused(changes: dict[str, Any], rule: str) -> None:
    decision = _plan(**changes)
    assert (decision.verdict, decision.rule) == ("refuse", rule)
    assert decision.reason and KEY not in decision.reason


def test_nesting_without_end_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert _plan(risks=nested).rule == "arguments"


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["src/billing/pay.py", "Makefile", ".github/workflows/ci.yml", "package.json"]},
        {"files": ["src/übersicht.py", "notes (old) [1].txt", "./src/a.py", "`src/a.py`"]},
        {"tests": ["tests/test_gate.py::test_open", "a new test that saves, loads and prints", "pytest -q"]},
        {"summary": "Read the password from the environment: password = os.environ['PW']"},
    ],
)
def test_what_a_person_or_the_effect_gate_decides_later_stops_no_plan(changes: dict[str, Any]) -> None:
    assert _plan(**changes) == ALLOWED


def test_a_plan_names_files_and_folders_and_not_the_whole_repository() -> None:
    assert (_plan(files=["."]).verdict, _plan(files=["."]).rule) == ("refuse", "scope")


def test_a_finding_may_speak_of_a_closed_place_but_must_name_it_plainly() -> None:
    def judged(path: str) -> str:
        findings = [{"severity": "must-fix", "path": path, "line": 1, "problem": "Undo it."}]
        return judge_step("hand_back", {"findings": findings}, "reviewer", POLICY).rule

    assert [judged(path) for path in ("", "factory/policy.toml", "a\x1bb", "a\u202eb")] == [
        "default", "default", "name", "name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "verdict"),
    [
        (["src/b.py"], ("allow", "default")),
        (["docs/new.md", "src/b.py"], ("allow", "default")),
        (["Makefile"], ("ask", "build-recipe")),
        (["src/billing/pay.py"], ("ask", "protected-area")),
        (["."], ("ask", "scope")),
        (["src/b.py", "factory/x"], ("refuse", "factory-folder")),
        (["tests/test_gate.py"], ("refuse", "locked")),
        (["../x"], ("refuse", "outside-workspace")),
    ],
)
def test_an_amendment_is_judged_by_every_path_it_names(paths: list[str], verdict: tuple[str, str]) -> None:
    decision = judge_step("amend_plan", {"paths": paths, "why": "needed"}, "executor", POLICY)
    assert (decision.verdict, decision.rule) == verdict
    assert _amend(*paths) == verdict


def test_ordinary_files_are_added_by_rule_until_their_number_is_spent() -> None:
    assert [_amend("src/b.py", granted=granted, allowed=2)[0] for granted in range(4)] == [
        "allow",
        "allow",
        "ask",
        "ask",
    ]
    assert _amend("src/b.py", allowed=0) == ("ask", "amended-paths")


def test_a_folder_counts_as_the_files_in_it() -> None:
    assert amended_files(["lib", "lib/one.py", "new/folder/"], POLICY) == 4
    assert [_amend("lib/", allowed=allowed)[0] for allowed in (1, 2)] == ["ask", "allow"]


def test_a_folder_that_holds_what_is_protected_locked_or_closed_is_asked() -> None:
    assert [_amend(folder) for folder in ("src", "tests", "cfg")] == [
        ("ask", "protected-area"), ("ask", "locked"), ("ask", "secret-file"),
    ]  # fmt: skip


def test_an_amendment_of_a_large_folder_is_decided_by_its_number_alone() -> None:
    large = Policy(tracked=frozenset(f"vendor/f{number}.py" for number in range(50_000)))
    assert _amend("vendor", policy=large) == ("ask", "amended-paths")

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from doctor_kit import Serve
from lane_kit import FILES, git, make_repository

from andon.line.doctor.ground import Ground
from andon.line.doctor.maturity import judge_maturity
from andon.records.doctor import Maturity
from andon.records.errors import UserError

_CONTEXT = {
    "project_name": "Calculator", "goal": "To calculate", "rules": ["Keep it small"],
    "protected_areas": ["authentication"], "done_definition": ["Tests pass"],
}  # fmt: skip
_WORKFLOW = """\
name: checks
on:
  pull_request:
jobs:
  checks:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python -m pytest
"""
_GROWN = FILES | {
    "factory/context/project-context.json": json.dumps(_CONTEXT),
    "factory/context/decisions/privacy.md": "The provider's training settings: not used for training.\n",
    "factory/context/lessons/2026-01.md": "Money is counted in cents.\n",
    ".github/workflows/checks.yml": _WORKFLOW,
    "CODEOWNERS": "/factory/ @us\n/.github/ @us\n",
}
_PLAN = {"acceptance_criteria": ["one"], "steps": ["one"], "branch": "factory/task-001-x"}
_RESULT = {
    "schema_version": 1, "run_id": "r1", "task_id": "task-001", "title": "Add", "status": "ready-for-pr",
    "stop_code": "delivered", "exit_code": 0, "message": "done", "remedy": "review",
    "run_folder": "factory/runs/task-001",
    "review_rounds": 2, "sandbox": "docker",
}  # fmt: skip
_PAPERS = ("audit.jsonl", "memory.md", "pr-body.md", "review.md", "test-result.json")


def keep_a_run(root: Path, result: Mapping[str, Any] = _RESULT) -> None:
    folder = root / "factory" / "runs" / "task-001"
    folder.mkdir(parents=True)
    for name in _PAPERS:
        (folder / name).write_text("kept\n")
    (folder / "plan.json").write_text(json.dumps(_PLAN))
    (folder / "result.json").write_text(json.dumps(result))


async def judged(root: Path, *, call: bool = False, **environment: str) -> Maturity:
    async with Ground(root, {"HOME": str(root.parent / "home")} | environment, call=call) as ground:
        return await judge_maturity(ground)


def answers(told: Maturity) -> dict[int, str]:
    return {item.number: item.answer for item in told.items}


async def test_an_empty_repository_has_what_andon_itself_brings(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"README.md": "hello\n"})
    told = await judged(root)
    assert answers(told) == {
        1: "no", 2: "no", 3: "partly", 4: "partly", 5: "no", 6: "no", 7: "no", 8: "partly", 9: "no", 10: "no",
    }  # fmt: skip
    assert [item.number for item in told.items if not item.next_step] == []
    assert (told.repository, told.commit) == (str(root), git(root, "rev-parse", "HEAD"))
    assert not (root / "factory").exists()


@pytest.mark.parametrize(("protected", "answer"), [(True, "yes"), (False, "partly")])
async def test_a_grown_repository_has_all_ten(tmp_path: Path, serve: Serve, protected: bool, answer: str) -> None:
    root = make_repository(tmp_path / "repo", _GROWN)
    git(root, "remote", "add", "origin", "git@github.com:owner/name.git")
    keep_a_run(root)
    with serve({"/repos/owner/name/branches/main": (200, {}, {"protected": protected})}) as (address, asked):
        told = await judged(
            root, call=True, GITHUB_TOKEN="t", GITHUB_API_URL=address, OPENAI_BASE_URL="https://m.example.org/v1"
        )
    assert answers(told) == dict.fromkeys(range(1, 11), "yes") | {8: answer}
    assert [path for path, _ in asked] == ["/repos/owner/name/branches/main"]
    assert [item.next_step for item in told.items if item.answer == "yes"] == [""] * (10 if protected else 9)


async def test_what_the_forge_was_not_asked_is_not_taken_for_granted(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", _GROWN)
    told = await judged(root, GITHUB_TOKEN="t")
    protection = told.items[7]
    assert (protection.answer, "not to be seen here" in protection.evidence[-1]) == ("partly", True)


@pytest.mark.parametrize(
    ("path", "text", "answer"),
    [
        (".github/workflows/checks.yml", "on: [push, pull_request]\njobs: {t: {steps: [{run: npm test}]}}\n", "yes"),
        (".github/workflows/checks.yml", "on: push\njobs: {t: {steps: [{run: npm test}]}}\n", "partly"),
        (".github/workflows/checks.yml", "on: pull_request\njobs: {t: {steps: [{run: npm publish}]}}\n", "partly"),
        (".github/workflows/checks.yml", "on: pull_request\n# run: npm test\n", "partly"),
        (".github/workflows/checks.yml", "on: [\n", "partly"),
        (".gitlab-ci.yml", "test:\n  script: [pytest]\n", "yes"),
        (".gitlab-ci.yml", "test:\n  script: [pytest]\n  rules: [{if: $CI_COMMIT_TAG}]\n", "partly"),
        ("Jenkinsfile", "sh 'pytest'\n", "partly"),
    ],
)
async def test_ci_counts_where_tests_run_for_requests(tmp_path: Path, path: str, text: str, answer: str) -> None:
    root = make_repository(tmp_path / "repo", FILES | {path: text})
    keep_a_run(root)
    assert answers(await judged(root))[6] == answer


@pytest.mark.parametrize(
    ("owners", "owned"),
    [
        ("* @us\n", True),
        ("/factory/ @us\n.github/ @us\n", True),
        ("/factory/ @us\n", False),
        ("* @us\n/factory/\n", False),
        ("# /factory/ @us\n", False),
        ("", False),
    ],
)
async def test_code_owners_count_by_the_last_line_that_matches(tmp_path: Path, owners: str, owned: bool) -> None:
    root = make_repository(tmp_path / "repo", _GROWN | {"CODEOWNERS": owners})
    evidence = (await judged(root)).items[7].evidence
    assert ("factory/ and the CI files have code owners" in evidence) == owned


async def test_a_model_on_this_machine_gets_no_data_out(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    assert answers(await judged(root, OPENAI_BASE_URL="http://127.0.0.1:8080/v1"))[10] == "yes"


async def test_a_run_that_is_damaged_counts_for_nothing(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    keep_a_run(root, {"schema_version": 1})
    told = answers(await judged(root))
    assert {number: told[number] for number in (3, 4, 7, 9)} == {3: "partly", 4: "partly", 7: "no", 9: "no"}


async def test_prose_alone_is_no_context_that_protects(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"factory/context/project-context.md": "Goal: calculate.\n"})
    first = (await judged(root)).items[0]
    assert (first.answer, "project-context.md is read as prose and enforces nothing" in first.evidence) == (
        "partly", True,
    )  # fmt: skip


async def test_without_a_repository_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git"):
        await judged(tmp_path)


async def test_a_context_that_cannot_be_read_is_refused_and_not_judged(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"factory/context/project-context.json": "{"})
    with pytest.raises(UserError, match=r"project-context\.json"):
        await judged(root)

"""`andon` as a person uses it: at a terminal, from an intent to a branch, with a provider on loopback."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, SUB, SUB_TEST, git, make_repository
from terminal_kit import Started
from wire_kit import Turn, Wire, calls, serving

from andon.records.plan import Plan

ROOT = Path(__file__).parents[2]
INTENT = "What should be different afterwards?"
PLAN_QUESTION = "Go on with this plan?"
KEYS = "[s]top: "


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def andon(cwd: Path, *words: str, **environment: str) -> Started:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_", "NO_COLOR"))}
    terminal = {"TERM": "xterm-256color", "ANDON_TOOLCHAIN": str(ROOT / ".toolchain")}
    return Started([sys.executable, "-m", "andon", *words], cwd, kept | terminal | environment)


def at(wire: Wire) -> dict[str, str]:
    return {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": wire.url}


def plan(**changes: Any) -> Turn:
    payload: dict[str, Any] = {
        "summary": "a first plan",
        "acceptance_criteria": ["sub(3, 1) is 2"],
        "steps": ["test it", "write it"],
        "files": ["calc.py", "tests/test_calc.py"],
        "tests": ["tests/test_calc.py"],
        "risks": [],
    }
    return calls("transfer_to_executor", payload | changes)


def write(path: str, content: str) -> Turn:
    return calls("write_file", {"path": path, "content": content})


REPORT = calls("transfer_to_reviewer", {"summary": "added sub", "not_done": []})
PASS = calls(
    "finish_review",
    {
        "verdict": "pass",
        "summary": "as planned",
        "criteria": [{"number": 1, "status": "met", "evidence": "test_sub"}],
        "findings": [],
    },
)
CHANGE = (write("tests/test_calc.py", SUB_TEST), write("calc.py", SUB))


def ended(repo: Path) -> dict[str, Any]:
    [folder] = (repo / "factory/runs").glob("[!.]*")
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def test_an_intent_a_refused_an_edited_and_an_approved_plan_and_a_branch(repo: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('sed -i "s/a second plan/an edited plan/" "$1"\n')
    with serving(plan(), plan(summary="a second plan"), *CHANGE, REPORT, PASS) as wire:
        person = andon(repo, **at(wire), VISUAL=f"sh {editor}")
        person.expect("branch main")
        person.answer(INTENT, "Add subtraction")
        person.answer("1. ", "sub(3, 1) is 2")
        person.answer("2. ", "")
        person.expect("Plan: a first plan")
        person.answer(KEYS, "n")
        person.answer("Why?", "test it more")
        person.expect("Plan: a second plan")
        person.answer(KEYS, "e")
        person.expect("Plan: an edited plan")
        person.answer(KEYS, "y")
        for part in ("planner → executor", "write_file", "calc.py", "+def sub(a, b):", "checks: green",
                     "executor → reviewer", "review: pass: as planned", "delivered (exit 0)"):  # fmt: skip
            person.expect(part)
        code = person.end()
        asked_again = json.dumps(wire.bodies()[1])
    result = ended(repo)
    assert (code, result["stop_code"], result["title"]) == (0, "delivered", "Add subtraction")
    assert git(repo, "rev-parse", result["branch"]) == result["head_commit"]
    kept = Plan.model_validate_json((repo / result["run_folder"] / "plan.json").read_text())
    assert (kept.summary, kept.criteria_proposed) == ("an edited plan", False)
    assert "A person refused this plan: test it more" in asked_again
    assert '"steps"' not in person.text


@pytest.mark.parametrize("keys", ["s\n", "\x04", "\x03"], ids=["stop", "end of input", "ctrl-c"])
def test_stopping_at_the_plan_keeps_the_report(repo: Path, keys: str) -> None:
    with serving(plan()) as wire:
        person = andon(repo, "run", "task-001", **at(wire))
        person.expect(KEYS)
        person.type(keys)
        code = person.end()
    assert (code, ended(repo)["stop_code"], ended(repo)["branch"]) == (130, "interrupted", None)
    assert ("stopping, keeping the tree" in person.text) == (keys == "\x03")


def test_a_removed_test_is_delivered_only_when_a_person_has_seen_it(repo: Path) -> None:
    removed = SUB_TEST.replace("def test_add():\n    assert add(1, 2) == 3\n\n\n", "").replace("add, sub", "sub")
    with serving(plan(), write("tests/test_calc.py", removed), write("calc.py", SUB), REPORT, PASS) as wire:
        person = andon(repo, "run", "task-001", **at(wire))
        person.answer(KEYS, "y")
        person.expect("-def test_add():")
        person.expect("Allow this change of tests/test_calc.py?")
        person.answer("[k]ind", "y")
        code = person.end()
    assert (code, ended(repo)["stop_code"]) == (0, "delivered")


def test_nothing_said_offers_the_next_task_of_the_queue(repo: Path) -> None:
    with serving(plan()) as wire:
        person = andon(repo, **at(wire))
        person.answer(INTENT, "")
        person.answer("Run it?", "")
        person.answer("Type y or n", "n")
        person.answer(INTENT, "")
        person.answer("Run it?", "y")
        person.answer(KEYS, "s")
        code = person.end()
    assert (code, ended(repo)["task_id"]) == (130, "task-001")


def test_nothing_said_and_nothing_pending_is_answered_with_help(tmp_path: Path) -> None:
    repo = make_repository(tmp_path / "none", {name: text for name, text in FILES.items() if "queue" not in name})
    person = andon(repo, OPENAI_API_KEY="k")
    person.answer(INTENT, "")
    person.expect("usage: andon")
    assert person.end() == 0


def test_a_single_unknown_word_is_asked_about_and_a_task_id_runs_that_task(repo: Path) -> None:
    with serving(plan()) as wire:
        person = andon(repo, **at(wire))
        person.answer(INTENT, "task-002")
        person.expect("No queued task is named 'task-002'")
        person.answer(INTENT, "task-001")
        person.answer(KEYS, "s")
        person.end()
    assert ended(repo)["task_id"] == "task-001"


def test_the_end_of_the_input_at_the_intent_runs_nothing(repo: Path) -> None:
    person = andon(repo, OPENAI_API_KEY="k")
    person.expect(INTENT)
    person.expect("> ")
    person.type("\x04")
    assert (person.end(), (repo / "factory/runs").exists()) == (130, False)


def test_without_a_key_one_sentence_and_no_question(repo: Path) -> None:
    person = andon(repo)
    code = person.end()
    assert (code, person.text) == (
        2,
        "andon: no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`\n",
    )


def test_outside_a_repository_one_sentence_and_no_question(tmp_path: Path) -> None:
    person = andon(tmp_path, OPENAI_API_KEY="k")
    assert (person.end(), "is not in a git repository" in person.text, INTENT in person.text) == (2, True, False)


def test_a_malformed_queue_is_said_before_anything_is_asked(repo: Path) -> None:
    (repo / "factory/tasks/queue.json").write_text("{")
    person = andon(repo, OPENAI_API_KEY="k")
    assert (person.end(), "queue.json" in person.text, INTENT in person.text) == (2, True, False)


@pytest.mark.parametrize(
    ("words", "environment"), [(("--plain",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})]
)
def test_plain_writes_no_control_sequence(repo: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
    with serving(plan()) as wire:
        person = andon(repo, *words, "run", "task-001", **at(wire), **environment)
        person.answer(KEYS, "s")
        code = person.end()
    assert code == 130
    assert "\x1b" not in person.raw.decode()
    assert "\n  planner\n" in person.text

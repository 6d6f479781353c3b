"""A person asked during a run: what is put to them, what their answer allows, and what happens where nobody is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, call, make_repository, person, plan, report, review, run_line

from andon.line.steps import Answer, Gate

UNKNOWN = "frobnicate --all"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def run(command: str) -> Any:
    return call("run_command", command=command)


def outputs(ran: Any) -> list[str]:
    """Return what the model was told of its calls, in order, each once."""
    found: dict[str, str] = {}
    for request in ran.model.calls:
        for item in request.input if isinstance(request.input, list) else []:
            if item.get("type") == "function_call_output":
                output = item["output"]
                found[item["call_id"]] = output if isinstance(output, str) else output[0]["text"]
    return list(found.values())


def test_a_call_that_needs_a_person_is_put_to_them_with_its_facts(repo: Path) -> None:
    ask, asked = person(Answer("yes"))
    ran = run_line(repo, [plan()], [run(UNKNOWN)], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    [gate] = asked
    assert (gate.subject, gate.name) == ("tool", "tool-1")
    assert gate.question.startswith("Allow the executor this call of run_command?")
    assert f"command: {UNKNOWN}" in gate.shown.splitlines()
    assert any("127" in text and "frobnicate" in text for text in outputs(ran)), "it ran, and is not installed"


def test_once_is_once_and_kind_is_for_the_rest_of_the_run(repo: Path) -> None:
    ask, asked = person(Answer("yes"), Answer("kind"))
    calls = [[run(UNKNOWN)], [run(UNKNOWN)], [run("frobnicate --more")]]
    ran = run_line(repo, [plan()], *calls, *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert len(asked) == 2
    assert sum("127" in text for text in outputs(ran)) == 3


def test_a_no_reaches_the_model_with_its_reason_and_the_run_goes_on(repo: Path) -> None:
    ask, _ = person(Answer("no", "not today"))
    ran = run_line(repo, [plan()], [run(UNKNOWN)], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    [told] = [text for text in outputs(ran) if "a person said no" in text]
    assert "not today" in told
    assert not any("127" in text for text in outputs(ran))


def test_a_person_can_stop_the_run_at_a_question(repo: Path) -> None:
    ask, _ = person(Answer("stop"))
    ran = run_line(repo, [plan()], CHANGE[0], [run(UNKNOWN)], ask=ask)
    assert (ran.result.stop_code, ran.result.exit_code) == ("interrupted", 130)
    assert [one.path for one in ran.result.files] == ["tests/test_calc.py"], "work in flight is kept"


def test_without_a_person_the_run_waits_and_keeps_its_work(repo: Path) -> None:
    ran = run_line(repo, [plan()], CHANGE[0], [run(UNKNOWN)])
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.status) == ("needs-person", 10, "waiting-approval")
    assert "run_command" in ran.result.message
    assert [one.path for one in ran.result.files] == ["tests/test_calc.py"]


def test_a_repository_may_have_such_calls_refused_where_nobody_is(repo_with: Callable[[str, str], Path]) -> None:
    root = repo_with("factory/andon.toml", '[approvals]\nunattended = "refuse"\n')
    ran = run_line(root, [plan()], [run(UNKNOWN)], *CHANGE, [report()], [review()])
    assert ran.result.stop_code == "delivered"
    assert any("a person would have to allow this, and nobody can be asked here" in text for text in outputs(ran))


def test_several_calls_of_one_answer_are_asked_for_one_after_the_other(repo: Path) -> None:
    ask, asked = person(Answer("yes"), Answer("no", "once is enough"))
    both = [run("frobnicate --one"), call("read_file", path="calc.py"), run("frobnicate --two")]
    ran = run_line(repo, [plan()], both, *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    commands = [line for gate in asked for line in gate.shown.splitlines() if line.startswith("command:")]
    assert commands == ["command: frobnicate --one", "command: frobnicate --two"]
    assert sum("127" in text for text in outputs(ran)) == 1


@pytest.mark.parametrize("arguments", ['{"path": ', "[]", '"src"', "nonsense"])
def test_arguments_that_are_no_json_object_are_the_models_to_mend(repo: Path, arguments: str) -> None:
    from agents.testing import function_call

    ran = run_line(
        repo, [function_call("read_file", arguments, call_id="odd")], [plan()], *CHANGE, [report()], [review()]
    )
    assert ran.result.stop_code == "delivered"
    assert any(text.startswith("refused (arguments): ") for text in outputs(ran))


def test_a_plan_waits_for_a_person_where_the_settings_say_so(repo_with: Callable[[str, str], Path]) -> None:
    root = repo_with("factory/andon.toml", '[approvals]\nplan = "always"\n')
    ran = run_line(root, [plan()])
    assert (ran.result.stop_code, ran.result.exit_code) == ("needs-person", 10)


def test_a_plan_is_not_asked_for_where_the_settings_say_so(repo_with: Callable[[str, str], Path]) -> None:
    root = repo_with("factory/andon.toml", '[approvals]\nplan = "never"\n')
    asked: list[Gate] = []

    async def ask(gate: Gate) -> Answer:
        asked.append(gate)
        return Answer("yes")

    ran = run_line(root, [plan()], *CHANGE, [report()], [review()], ask=ask)
    assert (ran.result.stop_code, asked) == ("delivered", [])


@pytest.fixture
def repo_with(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes the repository with one more file."""
    return lambda name, content: make_repository(tmp_path / "with", FILES | {name: content})

"""What a run's calls left in the workspace, judged after them: undone, held for a person, or added to the plan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, SUB, call, git, make_repository, person, plan, report, review, run_line, write

from andon.line.steps import Answer

CI = ".github/workflows/ci.yml"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES | {"helper.py": "ONE = 1\n", "other.py": "TWO = 2\n"})


@pytest.fixture
def repo_with(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes the repository with one more file."""
    return lambda name, content: make_repository(tmp_path / "with", FILES | {"helper.py": "ONE = 1\n", name: content})


def run(command: str) -> Any:
    return call("run_command", command=command)


def script(body: str) -> Any:
    """A call whose text says nothing of what it changes."""
    return [write("tests/test_tool.py", f"{body}\n\n\ndef test_it():\n    pass\n"), run("python tests/test_tool.py")]


def amend(*paths: str, why: str = "it holds the constant") -> Any:
    return call("amend_plan", paths=list(paths), why=why)


def told(ran: Any) -> str:
    """Return everything the model was told."""
    return "\n".join(str(request.input) for request in ran.model.calls)


def changed(ran: Any) -> list[str]:
    """Return what the branch changes, without its papers."""
    return git(ran.root, "diff", "--name-only", f"main..{ran.result.branch}~1").splitlines()


WRITES_OTHER = "from pathlib import Path\n\nPath('helper.py').write_text('ONE = 2\\n')"
WRITES_CI = f"""from pathlib import Path

place = Path("{CI}")
place.parent.mkdir(parents=True, exist_ok=True)
place.write_text("on: push\\n")"""


SUB_ALONE = "from calc import sub\n\n\ndef test_sub():\n    assert sub(3, 1) == 2\n"


def test_what_the_plan_does_not_cover_is_undone_by_whatever_route_it_came(repo: Path) -> None:
    ran = run_line(
        repo, [plan()], [write("helper.py", "ONE = 2\n")], script(WRITES_OTHER), *CHANGE, [report()], [review()]
    )
    assert ran.result.stop_code == "delivered"
    assert changed(ran) == ["calc.py", "tests/test_calc.py", "tests/test_tool.py"]
    undone = [data for _, data in ran.kinds("effect.undone")]
    assert [(each["path"], each["rule"], each["tool"]) for each in undone] == [
        ("helper.py", "outside-plan", "write_file"),
        ("helper.py", "outside-plan", "run_command"),
    ]
    assert "undone (outside-plan): helper.py" in told(ran)


def test_an_amended_plan_covers_the_file_and_the_reviewer_is_told_why(repo: Path) -> None:
    ran = run_line(
        repo, [plan()], [amend("helper.py"), write("helper.py", "ONE = 2\n")], *CHANGE, [report()], [review()]
    )
    assert ran.result.stop_code == "delivered"
    assert changed(ran) == ["calc.py", "helper.py", "tests/test_calc.py"]
    assert [data["paths"] for _, data in ran.kinds("plan.amended")] == [["helper.py"]]
    assert "helper.py: it holds the constant" in ran.first_inputs()[2]


def test_only_so_many_files_are_added_by_rule(repo_with: Callable[[str, str], Path]) -> None:
    root = repo_with("factory/andon.toml", '[limits]\namended_paths = 1\n[approvals]\nunattended = "refuse"\n')
    ran = run_line(root, [plan()], [amend("helper.py"), amend("more.py")], *CHANGE, [report()], [review()])
    assert ran.result.stop_code == "delivered"
    assert [data["paths"] for _, data in ran.kinds("plan.amended")] == [["helper.py"]]
    assert "limits.amended_paths" in told(ran)


def test_a_protected_file_is_added_to_the_plan_by_a_person_alone(repo: Path) -> None:
    ask, asked = person(Answer("no", "not that one"))
    ran = run_line(repo, [plan()], [amend("auth/login.py")], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [(gate.subject, "auth/login.py" in gate.shown) for gate in asked] == [("tool", True)]
    assert ran.kinds("plan.amended") == []


def test_a_closed_place_is_never_added_to_the_plan(repo: Path) -> None:
    ran = run_line(repo, [plan()], [amend("factory/policy.toml")], *CHANGE, [report()], [review()])
    assert ran.result.stop_code == "delivered"
    assert "refused (factory-folder)" in told(ran)


@pytest.mark.parametrize("said", [Answer("yes"), Answer("kind")])
def test_a_change_that_a_person_allows_is_put_back_and_delivered(repo: Path, said: Answer) -> None:
    ask, asked = person(said)
    ran = run_line(repo, [plan()], script(WRITES_CI), *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    [gate] = asked
    assert gate.subject == "effect"
    assert {f"path: {CI}", "+on: push"} <= set(gate.shown.splitlines())
    assert CI in changed(ran)
    assert "A person allowed the change of .github/workflows/ci.yml" in told(ran)
    assert CI in ran.first_inputs()[2], "the reviewer is told what a person allowed"


def test_a_change_that_a_person_refuses_stays_undone_and_the_model_reads_why(repo: Path) -> None:
    ask, _ = person(Answer("no", "we own the pipeline"))
    ran = run_line(repo, [plan()], script(WRITES_CI), *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert CI not in changed(ran)
    assert "we own the pipeline" in told(ran)


def test_without_a_person_a_held_change_ends_the_run_and_nothing_is_lost(repo: Path) -> None:
    ran = run_line(repo, [plan()], [write("calc.py", SUB)], script(WRITES_CI))
    assert (ran.result.stop_code, ran.result.exit_code) == ("needs-person", 10)
    assert [one.path for one in ran.result.files] == ["calc.py", "tests/test_tool.py"]
    assert CI in ran.result.message


def test_a_repository_may_have_such_changes_undone_where_nobody_is(repo_with: Callable[[str, str], Path]) -> None:
    root = repo_with("factory/andon.toml", '[approvals]\nunattended = "refuse"\n')
    ran = run_line(root, [plan()], script(WRITES_CI), *CHANGE, [report()], [review()])
    assert ran.result.stop_code == "delivered"
    assert CI not in changed(ran)
    assert "Nobody can be asked here" in told(ran)


def test_a_file_that_a_person_allowed_to_be_written_is_delivered(repo: Path) -> None:
    ask, asked = person(Answer("yes"))
    ran = run_line(repo, [plan()], [write("conftest.py", "LINE = 1\n")], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [(gate.subject, "+LINE = 1" in gate.shown) for gate in asked] == [("tool", True)], "asked once, not twice"
    assert "conftest.py" in changed(ran)


def test_a_removed_test_is_held_and_the_base_version_lies_there_again(repo: Path) -> None:
    ask, asked = person(Answer("no", "keep it"))
    gone = FILES["tests/test_calc.py"].replace("test_add", "check_add")
    ran = run_line(repo, [plan()], [write("tests/test_calc.py", gone)], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [(gate.subject, "test_add" in gate.question) for gate in asked] == [("effect", True)]


def test_a_reviewer_changes_nothing(repo: Path) -> None:
    side = "from pathlib import Path\n\n\ndef test_side():\n    Path('helper.py').write_text('ONE = 3\\n')\n"
    answers = ([plan()], [*CHANGE[0], write("tests/test_side.py", side)], CHANGE[1])
    ran = run_line(repo, *answers, [report()], [call("run_tests")], [review()])
    assert ran.result.stop_code == "delivered"
    assert "helper.py" not in changed(ran)
    assert ("helper.py", "role") in [(data["path"], data["rule"]) for _, data in ran.kinds("effect.undone")]


def test_a_test_that_a_person_let_go_is_not_asked_about_again_at_the_end(repo: Path) -> None:
    ask, asked = person(Answer("yes"))
    gone = write("tests/test_calc.py", SUB_ALONE)
    ran = run_line(repo, [plan()], [gone], CHANGE[1], [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [gate.subject for gate in asked] == ["effect"]
    assert ran.result.checks and ran.result.checks.gone == ["tests/test_calc.py::test_add"], (
        "it is recorded all the same"
    )


def test_a_call_that_a_person_allowed_covers_what_it_left(repo: Path) -> None:
    ask, asked = person(Answer("yes"))
    gone = [run("rm tests/test_calc.py"), write("tests/test_sub.py", SUB_ALONE)]
    ran = run_line(repo, [plan()], gone, CHANGE[1], [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [gate.subject for gate in asked] == ["tool"]
    assert "tests/test_calc.py" in changed(ran)


def test_a_yes_to_a_call_is_a_yes_to_the_paths_it_shows_and_to_no_other(repo: Path) -> None:
    quiet = "from pathlib import Path\n\nPath('CODEOWNERS').write_text('* @us\\n')\nprint('on: push')"
    body = f"{quiet}\n\n\ndef test_it():\n    pass\n"
    shown = run(f"mkdir -p .github/workflows && python tests/test_tool.py > {CI}")
    ask, asked = person(Answer("yes"), Answer("no", "not that one"))
    ran = run_line(repo, [plan()], [write("tests/test_tool.py", body), shown], *CHANGE, [report()], [review()], ask=ask)
    assert [gate.subject for gate in asked] == ["tool", "effect"]
    assert ran.result.stop_code == "delivered"
    assert (CI in changed(ran), "CODEOWNERS" in changed(ran)) == (True, False)


def test_a_handover_beside_a_held_change_waits_for_the_answer(repo: Path) -> None:
    ask, asked = person(Answer("yes"))
    ran = run_line(repo, [plan()], *CHANGE, [*script(WRITES_CI), report()], [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    assert [gate.subject for gate in asked] == ["effect"]
    assert CI in changed(ran)


def test_what_was_held_when_a_run_stopped_is_kept_as_a_patch(repo: Path) -> None:
    ran = run_line(repo, [plan()], script(WRITES_CI))
    assert ran.result.stop_code == "needs-person"
    assert "+on: push" in (ran.folder / "held.patch").read_text()


def test_a_plan_does_not_cover_the_whole_repository(repo: Path) -> None:
    ran = run_line(repo, [plan(files=["."])], [plan()], *CHANGE, [report()], [review()])
    assert ran.result.stop_code == "delivered"
    assert "refused (scope)" in told(ran)


def test_a_moved_package_can_be_mended_after_a_person_allowed_the_move(tmp_path: Path) -> None:
    many = {f"pk/m{number}.py": f"import calc\n\nN{number} = calc\n" for number in range(13)}
    root = make_repository(tmp_path / "many", FILES | many)
    ask, _ = person(Answer("yes"), Answer("yes"))
    mend = run("sed -i s/N1/M1/ nk/m1.py")
    planned = plan(files=["calc.py", "pk", "nk"])
    ran = run_line(root, [planned], [run("git mv pk nk")], [mend], *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered", ran.result.message


def test_a_change_that_several_rules_ask_about_is_asked_with_all_of_them(repo: Path) -> None:
    ask, asked = person(Answer("no"))
    both = "from pathlib import Path\n\nPath('auth/conftest.py').write_text('X = 1\\n')"
    ran = run_line(repo, [plan()], script(both), *CHANGE, [report()], [review()], ask=ask)
    assert ran.result.stop_code == "delivered"
    [gate] = asked
    assert gate.rule == "protected-area, test-configuration"
    assert "configures how tests are found and run" in gate.question

"""What the base shows is told before a model is asked: why checks did not run, and how the run can end."""

from pathlib import Path

from lane_kit import CHANGE, FILES, Ran, make_repository, plan, report, review, run_line, write

GOOD = ([plan()], *CHANGE, [report()], [review()])


def told(ran: Ran) -> list[str]:
    """The warnings that came before a model was asked."""
    first = next(event.seq for event in ran.events if event.kind == "agent.started")
    return [event.data["text"] for event in ran.events if event.kind == "warning" and event.seq < first]


def test_pytest_options_that_are_not_there_are_named_with_the_remedy_to_everybody(tmp_path: Path) -> None:
    options = '[tool.pytest.ini_options]\naddopts = "--cov=calc"\npythonpath = ["."]\n'
    ran = run_line(make_repository(tmp_path / "repo", FILES | {"pyproject.toml": options}), *GOOD)
    assert (ran.result.stop_code, ran.result.checks and ran.result.checks.outcome) == ("no-evidence", "none")
    why, outlook = told(ran)
    assert why.startswith("pytest was not run at the base: ")
    assert ("--cov" in why, "-o addopts=" in why, "factory/andon.toml" in why) == (True, True, True)
    assert outlook == (
        "as the base stands, no run from it is delivered without a person (exit 10), unless the change itself mends "
        "this: no test could run: that is no evidence. Name checks that run here under [checks] in "
        "factory/andon.toml, and commit it: settings are read from the base commit"
    )
    assert ["-o addopts=" in packet for packet in ran.first_inputs()] == [True, True, True]
    assert "-o addopts=" in (ran.folder / "pr-body.md").read_text()
    assert {why, outlook} <= set(ran.result.warnings)


def test_a_base_on_which_no_test_passes_is_told(tmp_path: Path) -> None:
    broken = {"tests/test_calc.py": "import nothing_of_that_name  # noqa: F401\n"}
    ran = run_line(make_repository(tmp_path / "repo", FILES | broken), [plan()], [write("calc.py", "")], [report()])
    [text] = told(ran)
    assert text.startswith("not one test passes at the base: ")


def test_a_check_that_hangs_is_told_with_the_limit(tmp_path: Path) -> None:
    hang = {
        "tests/test_calc.py": "import threading\n\n\ndef test_it():\n    threading.Event().wait()\n",
        "factory/andon.toml": "[limits]\ncheck_seconds = 2\n",
    }
    ran = run_line(make_repository(tmp_path / "repo", FILES | hang), *GOOD)
    assert told(ran)[0] == (
        "pytest was stopped at the time limit at the base: raise check_seconds under [limits] in factory/andon.toml, "
        "and commit it: settings are read from the base commit"
    )


def test_of_a_green_base_nothing_is_told(tmp_path: Path) -> None:
    ran = run_line(make_repository(tmp_path / "repo", FILES), *GOOD)
    assert told(ran) == []
    assert "base-again" not in [data["name"] for _, data in ran.kinds("phase")]


def test_a_second_run_of_red_checks_is_told_when_it_begins(tmp_path: Path) -> None:
    red = {"tests/test_old.py": "def test_old():\n    assert len([]) == 1\n"}
    ran = run_line(make_repository(tmp_path / "repo", FILES | red), *GOOD)
    phases = [data for _, data in ran.kinds("phase")]
    assert {"name": "base-again", "checks": ["pytest"]} in phases
    assert {"name": "head-again", "checks": ["pytest"]} in phases
    assert told(ran) == []

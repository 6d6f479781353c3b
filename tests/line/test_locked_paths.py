"""What a task locks nobody touches, and every packet says so."""

from pathlib import Path

from lane_kit import FILES, SUB, SUB_TEST, call, make_repository, plan, report, review, run_line, write

from andon.records.task import Task

TASK = Task(
    id="task-001",
    title="Add subtraction",
    acceptance_criteria=["sub(3, 1) is 2"],
    locked_paths=["tests/test_calc.py", "*.gate"],
)


def test_a_locked_file_stays_as_it_is_by_every_route_and_the_run_goes_on(tmp_path: Path) -> None:
    new_test = "from calc import sub\n\n\ndef test_sub():\n    assert sub(3, 1) == 2\n"
    ran = run_line(
        make_repository(tmp_path / "repo", FILES),
        [plan(files=["calc.py", "tests/test_sub.py"], tests=["tests/test_calc.py", "tests/test_sub.py"])],
        [
            write("tests/test_calc.py", SUB_TEST),
            call("run_command", command="rm tests/test_calc.py"),
            write("new.gate", "open\n"),
        ],
        [write("tests/test_sub.py", new_test), write("calc.py", SUB)],
        [report()],
        [review()],
        task=TASK,
    )
    assert [data["rule"] for _, data in ran.kinds("tool.refused")] == ["locked"] * 3
    assert (ran.result.stop_code, [one.path for one in ran.result.files]) == (
        "delivered", ["calc.py", "tests/test_sub.py"],
    )  # fmt: skip
    shown = "\nLocked by the task, nobody may touch:\n- tests/test_calc.py\n- *.gate\n"
    assert [shown in packet for packet in ran.first_inputs()] == [True, True, True]
    assert [one for one in ran.result.warnings if not one.startswith("sandbox: ")] == [
        "the task locks '*.gate', which matches no file of the base: only new files there are locked"
    ]

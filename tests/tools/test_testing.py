"""Structured test runs: what is told by test id, what by exit code, and what models read."""

from collections.abc import Awaitable, Callable

import pytest

from andon.records.project import Command, ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.junit import read_junit
from andon.tools.rendering import render_tests
from andon.tools.report import Report
from andon.tools.run_tests import run_tests
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]

PYTEST = Command(kind="test", runner="pytest", argv=("python", "-m", "pytest"))

TESTS = """import pytest

class TestX:
    @pytest.mark.parametrize("v", [1, 2])
    def test_b(self, v):
        assert v == 1, "bad\\nmulti"

def test_ok():
    pass

def test_deep():
    int("boom")

def test_tmp(tmp_path):
    assert str(tmp_path) == "x"

@pytest.fixture
def bad():
    yield object()
    raise RuntimeError("teardown")

def test_td(bad):
    assert bad == 0

@pytest.mark.skip
def test_s():
    pass

@pytest.mark.xfail
def test_xf():
    assert 0
"""

RENDERED = """exit code 1
3 failed, 1 error, 2 passed, 2 skipped
failed tests/test_a.py::TestX::test_b[2]
  tests/test_a.py:6
  E   AssertionError: bad
  E     multi
  E   assert 2 == 1
failed tests/test_a.py::test_deep
  tests/test_a.py:12
  E   ValueError: invalid literal for int() with base 10: 'boom'
error tests/test_a.py::test_td
  tests/test_a.py:23
  E   assert <object object at 0x…> == 0
  tests/test_a.py:20
  E   RuntimeError: teardown
failed tests/test_a.py::test_tmp
  tests/test_a.py:15
  E   AssertionError: assert '/tmp/pytest/test_tmp0' == 'x'
  E
  E     - x
  E     + /tmp/pytest/test_tmp0
passed in tests/test_a.py: TestX::test_b[1], test_ok"""


async def test_pytest_results_are_known_by_test_id(start: Start) -> None:
    sandbox = await start({"tests/test_a.py": TESTS})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.timed_out, run.granularity, run.no_tests, run.passed) == (
        1,
        False,
        "test-id",
        False,
        False,
    )
    assert run.tests == {
        "tests/test_a.py::TestX::test_b[1]": "passed",
        "tests/test_a.py::TestX::test_b[2]": "failed",
        "tests/test_a.py::test_deep": "failed",
        "tests/test_a.py::test_ok": "passed",
        "tests/test_a.py::test_s": "skipped",
        "tests/test_a.py::test_td": "error",
        "tests/test_a.py::test_tmp": "failed",
        "tests/test_a.py::test_xf": "skipped",
    }
    assert b"generated xml file" not in run.output
    assert render_tests(run) == RENDERED


async def test_the_same_run_reads_the_same_again(start: Start) -> None:
    sandbox = await start({"tests/test_a.py": TESTS})
    for _ in range(2):
        assert render_tests(await run_test_command(sandbox, PYTEST, time_limit=60)) == RENDERED


async def test_project_options_do_not_change_what_is_read(start: Start) -> None:
    ini = "[pytest]\naddopts = -vv --tb=long -o junit_family=xunit2 -rA\njunit_logging = all\n"
    sandbox = await start({"tests/test_a.py": TESTS, "pytest.ini": ini})
    assert render_tests(await run_test_command(sandbox, PYTEST, time_limit=60)) == RENDERED


async def test_a_file_that_cannot_be_collected_is_an_error(start: Start) -> None:
    sandbox = await start({"tests/test_bad.py": "import nope\n", "tests/test_ok.py": "def test_a(): pass\n"})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert render_tests(run) == (
        "exit code 2\n1 error\nerror tests/test_bad.py\n  tests/test_bad.py:1\n"
        "  E   ModuleNotFoundError: No module named 'nope'"
    )


async def test_selected_tests_run_alone(start: Start) -> None:
    sandbox = await start({"tests/test_a.py": TESTS, "tests/test_b.py": "def test_b(): pass\n"})
    command = Command(kind="test", runner="pytest", argv=("python", "-m", "pytest", "-p", "no:randomly", "-v", "tests"))
    run = await run_test_command(sandbox, command, select=["tests/test_b.py"], time_limit=60)
    assert run.tests == {"tests/test_b.py::test_b": "passed"}
    assert run.passed
    assert render_tests(run) == "exit code 0\n1 passed"


async def test_no_tests_is_no_pass(start: Start) -> None:
    sandbox = await start({"a.py": ""})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.no_tests, run.passed, run.tests) == (5, True, False, {})
    assert render_tests(run) == "exit code 5\nno tests were found"


async def test_a_selection_that_names_nothing_is_no_pass(start: Start) -> None:
    sandbox = await start({"tests/test_b.py": "def test_b(): pass\n"})
    run = await run_test_command(sandbox, PYTEST, select=["tests/test_b.py::test_x"], time_limit=60)
    assert (run.exit_code, run.granularity, run.passed) == (4, "exit-code", False)
    assert "not found" in render_tests(run)


_FORGED = "def pytest_unconfigure(config):\n    open(config.option.xmlpath, 'w').write({!r})\n"


@pytest.mark.parametrize(
    ("conftest", "body", "exit_code"),
    [
        ("import os\ndef pytest_unconfigure(config):\n    os._exit(3)\n", "pass", 3),
        ("def pytest_sessionfinish(session):\n    session.exitstatus = 1\n", "pass", 1),
        ("import os\ndef pytest_unconfigure(config):\n    os.remove(config.option.xmlpath)\n", "assert 0", 1),
        (_FORGED.format("<x/>"), "assert 0", 1),
        (_FORGED.format('<!DOCTYPE a [<!ENTITY b "c">]><x>&b;</x>'), "assert 0", 1),
        (_FORGED.format('<x><testcase classname="a" name="b" file="a.py"/></x>'), "assert 0", 1),
    ],
)
async def test_a_report_that_does_not_fit_the_exit_code_is_not_believed(
    start: Start, conftest: str, body: str, exit_code: int
) -> None:
    sandbox = await start({"conftest.py": conftest, "test_a.py": f"def test_a(): {body}\n"})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.granularity, run.tests, run.passed) == (exit_code, "exit-code", {}, False)


async def test_failures_outweigh_an_exit_code_of_zero(start: Start) -> None:
    conftest = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"
    sandbox = await start({"conftest.py": conftest, "test_a.py": "def test_a(): assert 0\n"})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.tests, run.passed) == (0, {"test_a.py::test_a": "failed"}, False)


async def test_a_time_limit_is_no_pass(start: Start) -> None:
    sandbox = await start({"test_a.py": "def test_a():\n    while True: pass\n"})
    run = await run_test_command(sandbox, PYTEST, time_limit=3)
    assert (run.exit_code, run.timed_out, run.granularity, run.passed) == (124, True, "exit-code", False)


async def test_a_missing_program_is_no_pass(start: Start) -> None:
    sandbox = await start({"a.py": ""})
    command = Command(kind="test", runner="other", argv=("no-such-program",))
    run = await run_test_command(sandbox, command, time_limit=30)
    assert (run.exit_code, run.granularity, run.passed) == (127, "exit-code", False)


async def test_other_runners_are_read_by_exit_code_without_durations(start: Start) -> None:
    sandbox = await start({"check.sh": "echo 'Ran 3 tests in 0.014s'; exit $1\n"})
    good = Command(kind="test", runner="other", argv=("sh", "check.sh", "0"))
    bad = Command(kind="test", runner="other", argv=("sh", "check.sh", "1"))
    assert render_tests(await run_test_command(sandbox, good, time_limit=30)) == (
        "exit code 0\nthe command succeeded; it does not tell results by test"
    )
    assert render_tests(await run_test_command(sandbox, bad, time_limit=30)) == (
        "exit code 1\nresults by test are not known; the output was:\nRan 3 tests in <time>"
    )


async def test_a_command_runs_in_its_folder(start: Start) -> None:
    sandbox = await start({"lib/tests/test_a.py": "def test_a(): pass\n", "lib/pytest.ini": "[pytest]\n"})
    command = Command(kind="test", runner="pytest", argv=("python", "-m", "pytest"), cwd="lib")
    assert (await run_test_command(sandbox, command, time_limit=60)).tests == {"tests/test_a.py::test_a": "passed"}


def test_a_report_of_pytest_8_reads_as_one_of_pytest_9() -> None:
    case = (
        '<testcase classname="tests.test_a" name="test_x" file="tests/test_a.py" line="1" time="0.01">'
        '<failure message="ValueError: boom">'
    )
    eight = f"""<testsuites><testsuite name="pytest">{case}tests/test_a.py:9: in test_x
    f()
E   ValueError: boom</failure></testcase></testsuite></testsuites>"""
    nine = f"""<testsuites name="pytest tests"><testsuite name="pytest">{case}tests/test_a.py:9: in test_x
    f()
    ^^^
E   ValueError: boom</failure></testcase></testsuite></testsuites>"""
    report = Report(
        {"tests/test_a.py::test_x": "failed"}, {"tests/test_a.py::test_x": "tests/test_a.py:9\nE   ValueError: boom"}
    )
    assert (read_junit(eight.encode()), read_junit(nine.encode())) == (report, report)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<testsuites><testcase",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><testsuites/>',
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_what_is_no_report_is_none(data: bytes) -> None:
    assert read_junit(data) is None


def test_items_without_a_name_count_under_their_file_and_controls_are_shown() -> None:
    report = read_junit(
        b'<testsuites><testcase classname="a" file="a.py" name=""><failure/></testcase>'
        b'<testcase classname="a" file="a.py" name=""/><testcase classname="a" name="x&#10;passed y"/></testsuites>'
    )
    assert report and report.tests == {"a.py": "failed", "a::x\\x0apassed y": "passed"}


async def test_the_tool_runs_every_test_command(start: Start) -> None:
    sandbox = await start({"test_a.py": "def test_a(): pass\n"})
    other = Command(kind="test", runner="other", argv=("true",), cwd=".")
    setup = ProjectSetup(tests=[PYTEST, other])
    assert await run_tests(sandbox, setup, [], seconds=60) == (
        "pytest\nexit code 0\n1 passed\n\ntrue\nexit code 0\nthe command succeeded; it does not tell results by test"
    )
    assert await run_tests(sandbox, setup, ["test_a.py::test_a"], seconds=60) == "exit code 0\n1 passed"


async def test_the_tool_says_what_it_cannot_run(start: Start) -> None:
    sandbox = await start({"a.py": ""})
    with pytest.raises(ToolFailed, match="no test command is known"):
        await run_tests(sandbox, ProjectSetup(), [], seconds=60)
    npm = ProjectSetup(tests=[Command(kind="test", runner="npm", argv=("npm", "test"), cwd="web")])
    with pytest.raises(ToolFailed, match=r"this project runs npm test \(in web\): leave select out"):
        await run_tests(sandbox, npm, ["a.py"], seconds=60)


async def test_projects_of_a_monorepo_are_told_apart_and_a_selection_reaches_the_one_it_lies_in(start: Start) -> None:
    test = "def test_a():\n    assert {} == 1\n"
    sandbox = await start({"lib/tests/test_a.py": test.format(1), "api/tests/test_a.py": test.format(2)})
    commands = [PYTEST.model_copy(update={"cwd": folder}) for folder in ("api", "lib")]
    setup = ProjectSetup(tests=commands)
    red = "exit code 1\n1 failed\nfailed tests/test_a.py::test_a\n  tests/test_a.py:2\n  E   assert 2 == 1"
    assert await run_tests(sandbox, setup, [], seconds=60) == (
        f"pytest (in api)\n{red}\n\npytest (in lib)\nexit code 0\n1 passed"
    )
    assert await run_tests(sandbox, setup, ["lib/tests/test_a.py"], seconds=60) == "exit code 0\n1 passed"
    assert await run_tests(sandbox, setup, ["api/tests/test_a.py::test_a"], seconds=60) == red

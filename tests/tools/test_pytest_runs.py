"""A pytest that could not begin is told apart from red tests."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.pytest_runs import why_not_begun
from andon.tools.rendering import render_tests
from andon.tools.runs import TestRun
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]

PYTEST = Command(kind="test", runner="pytest", argv=("python", "-m", "pytest"))
OK = "def test_a(): pass\n"


def ini(options: str) -> str:
    return f"[pytest]\n{options}\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            "addopts = --cov=pkg --timeout=5",
            "pytest could not begin: it does not know --cov=pkg --timeout=5, which `addopts` asks for. Commit "
            '`test = ["python -m pytest -o addopts="]` under [checks] in factory/andon.toml to run without',
        ),
        (
            "required_plugins = pytest-nothing",
            "pytest could not begin: the plugins it must have are not installed: pytest-nothing. Commit "
            '`test = ["python -m pytest -o required_plugins="]` under [checks] in factory/andon.toml to run without',
        ),
    ],
)
async def test_options_of_plugins_that_are_not_installed_are_named_with_a_remedy_that_holds(
    start: Start, options: str, reason: str
) -> None:
    sandbox = await start({"pytest.ini": ini(options), "test_a.py": OK})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.granularity, run.tests, run.passed, run.reason) == (4, "exit-code", {}, False, reason)
    assert render_tests(run) == f"exit code 4\nno test ran: {reason}"
    remedy = tuple(reason.split('["')[1].split('"]')[0].split())
    assert (await run_test_command(sandbox, PYTEST.model_copy(update={"argv": remedy}), time_limit=60)).passed


async def test_an_option_of_the_command_itself_is_not_blamed_on_the_configuration(start: Start) -> None:
    sandbox = await start({"test_a.py": OK})
    command = PYTEST.model_copy(update={"argv": (*PYTEST.argv, "--cov=pkg")})
    run = await run_test_command(sandbox, command, time_limit=60)
    assert run.reason == "pytest could not begin: it does not know --cov=pkg, which the command names"


async def test_a_conftest_that_cannot_be_loaded_is_red(start: Start) -> None:
    sandbox = await start({"conftest.py": "import nothing_of_that_name\n", "test_a.py": OK})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.reason, run.passed) == (4, "", False)


async def test_a_suite_without_tests_says_so_and_not_more(start: Start) -> None:
    sandbox = await start({"test_a.py": ""})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    assert (run.exit_code, run.no_tests, run.reason) == (5, True, "no test was found")


@pytest.mark.parametrize(
    ("exit_code", "output", "reason"),
    [
        (1, b"/usr/bin/python: No module named pytest\n", "pytest is not installed in the sandbox"),
        (1, b"E   ModuleNotFoundError: No module named pytest\nmore\n", ""),
        (1, b"error: unrecognized arguments: --cov\n", ""),
        (4, b"ERROR: file or directory not found: x\n", ""),
    ],
)
def test_only_what_keeps_pytest_from_beginning_is_a_reason(exit_code: int, output: bytes, reason: str) -> None:
    assert why_not_begun(PYTEST, exit_code, output) == reason


async def test_failures_alike_are_told_once_with_their_ids(start: Start) -> None:
    alike = "".join(f"def test_{number:02}():\n    assert 1 == 2\n\n" for number in range(40))
    cases = "import pytest\n@pytest.mark.parametrize('v', range(3))\ndef test_v(v):\n    int('x')\n"
    sandbox = await start({"test_a.py": alike, "test_b.py": cases + "\ndef test_other():\n    assert 0, 'why'\n"})
    text = render_tests(await run_test_command(sandbox, PYTEST, time_limit=60))
    names = [f"test_a.py::test_{number:02}" for number in range(1, 40)]
    assert text == (
        "exit code 1\n44 failed\n"
        "failed test_a.py::test_00\n  test_a.py:2\n  E   assert 1 == 2\n"
        f"  the same in 39 more: {', '.join(names)}\n"
        "failed test_b.py::test_other\n  test_b.py:7\n  E   AssertionError: why\n  E   assert 0\n"
        "failed test_b.py::test_v[0]\n  test_b.py:4\n"
        "  E   ValueError: invalid literal for int() with base 10: 'x'\n"
        "  the same in 2 more: test_b.py::test_v (2 cases)"
    )


async def test_every_failure_has_its_reason_the_first_five_in_full(start: Start) -> None:
    tests = "".join(f"def test_{n}():\n    a = {n}\n    assert a < 0, 'why {n}'\n\n" for n in range(1, 8))
    wide = "def test_wide():\n    raise ValueError('x' * 300)\n"
    sandbox = await start({"test_a.py": tests + wide})
    text = render_tests(await run_test_command(sandbox, PYTEST, time_limit=60))
    full = "".join(
        f"failed test_a.py::test_{n}\n  test_a.py:{4 * n - 1}\n  E   AssertionError: why {n}\n  E   assert {n} < 0\n"
        for n in range(1, 6)
    )
    assert text == (
        f"exit code 1\n8 failed\n{full}"
        "failed test_a.py::test_6\n  test_a.py:23: AssertionError: why 6\n"
        "failed test_a.py::test_7\n  test_a.py:27: AssertionError: why 7\n"
        f"failed test_a.py::test_wide\n  test_a.py:30: ValueError: {'x' * 134} [… 166 more characters; cut]"
    )


def test_failures_for_whose_reasons_there_is_no_room_are_named_and_counted() -> None:
    names = [f"tests/test_a.py::test_{n:03}" for n in range(200)]
    failures = {name: f"{name[:15]}:{n}\nE   assert {n} == 0" for n, name in enumerate(names)}
    run = TestRun(1, False, "test-id", dict.fromkeys(names, "failed"), failures)
    lines = render_tests(run).split("\n")
    reasons = [line for line in lines if line.startswith("  tests/test_a.py:") and ": assert " in line]
    told = sum(line.startswith("failed ") for line in lines)
    assert (len(reasons), lines[-1].partition(":")[0]) == (told - 5, f"[… {200 - told} more failures")
    assert 60 < told < 100 and len("\n".join(lines).encode()) < 9_000


PAGE = """class Page:
    text = "<p>" + "x" * 300
    def __repr__(self):
        return "<Page>"

def test_one():
    assert "one" in Page().text

def test_two():
    assert "two" in Page().text
"""


async def test_what_an_earlier_failure_told_is_not_told_again(start: Start) -> None:
    sandbox = await start({"test_page.py": PAGE})
    lines = render_tests(await run_test_command(sandbox, PYTEST, time_limit=60)).split("\n")
    later = lines.index("failed test_page.py::test_two")
    assert any("where" in line for line in lines[:later])
    assert lines[later + 1] == "  test_page.py:10"
    assert lines[later + 2].startswith("  E   AssertionError: assert 'two' in ")
    assert len(lines[later + 2]) < 200
    assert not any("where" in line for line in lines[later:])


async def test_of_two_long_values_what_differs_is_told_in_full_and_in_one_line(start: Start) -> None:
    first = "".join(f"def test_{n}():\n    assert 0, 'why {n}'\n\n" for n in range(5))
    long = "ROWS = {f'key_{n}': n for n in range(40)}\n\ndef test_row():\n    assert {**ROWS, 'key_30': 9} == ROWS\n"
    more = "\ndef test_list():\n    assert [*range(99), 1] == [*range(99), 2]\n"
    sandbox = await start({"test_a.py": first, "test_z.py": long + more})
    run = await run_test_command(sandbox, PYTEST, time_limit=60)
    text = render_tests(run)
    assert text.endswith(
        "failed test_z.py::test_list\n  test_z.py:7: At index 99 diff: 1 != 2\n"
        "failed test_z.py::test_row\n  test_z.py:4: Differing items: {'key_30': 9} != {'key_30': 30}"
    )
    alone = render_tests(await run_test_command(sandbox, PYTEST, select=["test_z.py::test_row"], time_limit=60))
    assert alone.endswith("\n  E     Differing items:\n  E     {'key_30': 9} != {'key_30': 30}")


async def test_values_that_pytest_cut_alike_come_with_the_way_to_see_them(start: Start) -> None:
    rows = "def rows(last):\n    return {'rows': [{'name': f'n{n}', 'v': n} for n in range(20)] + [last]}\n"
    sandbox = await start({"test_a.py": f"{rows}\ndef test_rows():\n    assert rows(1) == rows(2)\n"})
    text = render_tests(await run_test_command(sandbox, PYTEST, time_limit=60))
    assert text.endswith("\n  [pytest cut both sides: run the test with -vv by run_command to see them whole]")


def test_few_failures_alike_are_told_with_their_places_and_those_that_passed_beside_them_by_name() -> None:
    red = {f"t.py::test_{n}": f"t.py:{n}\nE   assert 0" for n in (3, 6)}
    tests: dict[str, Any] = {**dict.fromkeys(red, "failed"), "t.py::A::test_ok": "passed", "u.py::b": "passed"}
    assert render_tests(TestRun(1, False, "test-id", tests, red)) == (
        "exit code 1\n2 failed, 2 passed\n"
        "failed t.py::test_3\n  t.py:3\n  E   assert 0\n  the same in 1 more: t.py::test_6 (t.py:6)\n"
        "passed in t.py: A::test_ok"
    )
    many: dict[str, Any] = {**tests, **dict.fromkeys([f"t.py::c{n}" for n in range(8)], "passed")}
    assert "passed in" not in render_tests(TestRun(1, False, "test-id", many, red))


def test_endless_names_of_failures_alike_are_cut() -> None:
    names = [f"t/test_{n}.py::test[{'x' * 50_000}{n}]" for n in range(4)]
    failures = {name: f"t/test_{n}.py:{n}\nE   assert 0" for n, name in enumerate(names)}
    text = render_tests(TestRun(1, False, "test-id", dict.fromkeys(names, "failed"), failures))
    assert text.startswith("exit code 1\n4 failed\nfailed t/test_0.py::test[xxx")
    assert "\n  the same in 3 more: t/test_1.py::test[xxx" in text and text.endswith(" and 2 more")
    assert len(text.encode()) < 1_500


async def test_a_large_suite_reads_short_whatever_its_colour(start: Start) -> None:
    half = (
        "import pytest\n@pytest.mark.parametrize('v', range({}))\ndef test_v(v):\n    assert v % {} < 9, f'bad {{v}}'\n"
    )
    sandbox = await start({"test_a.py": half.format(2500, 5000), "test_b.py": half.format(2500, 10000)})
    run = await run_test_command(sandbox, PYTEST, time_limit=120)
    assert len(run.tests) == 5000
    assert len(render_tests(run).encode()) < 12_000

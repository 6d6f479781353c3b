"""A pytest that could not begin is told apart from red tests."""

from collections.abc import Awaitable, Callable

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.pytest_runs import why_not_begun
from andon.tools.rendering import render_tests
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


async def test_a_large_suite_reads_short_whatever_its_colour(start: Start) -> None:
    half = (
        "import pytest\n@pytest.mark.parametrize('v', range({}))\ndef test_v(v):\n    assert v % {} < 9, f'bad {{v}}'\n"
    )
    sandbox = await start({"test_a.py": half.format(2500, 5000), "test_b.py": half.format(2500, 10000)})
    run = await run_test_command(sandbox, PYTEST, time_limit=120)
    assert len(run.tests) == 5000
    assert len(render_tests(run).encode()) < 12_000

"""Runs a project's tests, by test id where their runner tells them: for the run_tests tool and the line's checks."""

from collections.abc import Sequence

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.cargo_runs import run_cargo_tests
from andon.tools.go_runs import run_go_tests
from andon.tools.js_runs import run_js_tests
from andon.tools.node_runs import run_node_tests
from andon.tools.pytest_runs import run_pytest
from andon.tools.runs import TestRun, ended, execute


async def run_test_command(
    sandbox: Sandbox, command: Command, *, select: Sequence[str] = (), time_limit: float, to_the_end: bool = False
) -> TestRun:
    """Run a test command in the sandbox and return its results by test id where its runner tells them.

    Args:
        select: Test files or ids to run instead of all; for pytest only, ignored by other runners.
        time_limit: In seconds.
        to_the_end: Run the other files too where pytest cannot collect one; by itself it stops there.
    """
    if command.runner == "pytest":
        return await run_pytest(sandbox, command, select, time_limit, to_the_end=to_the_end)
    if command.runner == "node-test":
        return await run_node_tests(sandbox, command, time_limit)
    if command.runner in ("jest", "vitest", "mocha"):
        return await run_js_tests(sandbox, command, time_limit)
    if command.runner == "go" and command.argv[1:2] == ("test",):
        return await run_go_tests(sandbox, command, time_limit)
    if command.runner == "cargo" and command.argv[1:2] == ("test",):
        return await run_cargo_tests(sandbox, command, time_limit)
    return ended(await execute(sandbox, command, command.argv, time_limit), None)

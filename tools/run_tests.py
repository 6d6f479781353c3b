"""run_tests: the project's test commands, as models read their results."""

from collections.abc import Sequence

from andon.records.project import ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.testing import render_tests, run_test_command


async def run_tests(sandbox: Sandbox, setup: ProjectSetup, select: Sequence[str], *, seconds: float) -> str:
    """Run every test command of the project, or of its pytest commands only what `select` names.

    Raises:
        ToolFailed: the project has no such command.
    """
    commands = [command for command in setup.tests if not select or command.runner == "pytest"]
    if not setup.tests:
        raise ToolFailed("no test command is known for this project; the reviewer has to judge without tests")
    if not commands:
        names = ", ".join(" ".join(command.argv) for command in setup.tests)
        raise ToolFailed(f"tests can be selected with pytest only; this project runs {names}: leave select out")
    parts = []
    for command in commands:
        run = await run_test_command(sandbox, command, select=select, time_limit=seconds)
        title = [" ".join(command.argv) + ("" if command.cwd == "." else f" (in {command.cwd})")] * (len(commands) > 1)
        parts.append("\n".join([*title, render_tests(run)]))
    return "\n\n".join(parts)

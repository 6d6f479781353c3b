"""run_tests: the project's test commands, as models read their results."""

from collections.abc import Sequence

from andon.context.commands import name_of
from andon.records.project import Command, ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.rendering import render_tests
from andon.tools.testing import run_test_command


async def run_tests(sandbox: Sandbox, setup: ProjectSetup, select: Sequence[str], *, seconds: float) -> str:
    """Run every test command of the project, or of its pytest commands only what `select` names.

    `select` is seen from the repository; what names nothing below a project's folder is asked of every one.

    Raises:
        ToolFailed: the project has no such command.
    """
    if not setup.tests:
        raise ToolFailed("no test command is known for this project; the reviewer has to judge without tests")
    everything: list[tuple[Command, list[str]]] = [(command, []) for command in setup.tests]
    chosen = _chosen(setup.tests, select) if select else everything
    if not chosen:
        commands = ", ".join(name_of(command) for command in setup.tests)
        raise ToolFailed(f"tests can be selected with pytest only; this project runs {commands}: leave select out")
    parts = []
    for command, names in chosen:
        run = await run_test_command(sandbox, command, select=names, time_limit=seconds)
        title = [name_of(command)] * (len(chosen) > 1)
        parts.append("\n".join([*title, render_tests(run)]))
    return "\n\n".join(parts)


def _chosen(commands: Sequence[Command], select: Sequence[str]) -> list[tuple[Command, list[str]]]:
    """Return the pytest commands that are asked, each with what is selected as seen from its folder."""
    able = [command for command in commands if command.runner == "pytest"]
    below = [command.cwd for command in able if command.cwd != "."]
    chosen = []
    for command in able:
        mine = [name for name in select if _owner(name, below) in (command.cwd, "")]
        if mine:
            chosen.append((command, [name.removeprefix(f"{command.cwd}/") for name in mine]))
    return chosen


def _owner(name: str, folders: Sequence[str]) -> str:
    """Return the innermost of `folders` that `name` lies in, or an empty string."""
    return max((folder for folder in folders if name.startswith(f"{folder}/")), key=len, default="")

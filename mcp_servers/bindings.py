"""Ties the name of a curated tool to the function that does it, on one workspace."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from andon.guardrails import arguments as given
from andon.records.project import ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.tools.commands import run_command, run_git
from andon.tools.docs import docs_lookup
from andon.tools.files import edit_file, list_files, read_file, write_file
from andon.tools.run_tests import run_tests
from andon.tools.search import search

Binding = Callable[[Mapping[str, Any]], Awaitable[str]]
"""Runs a tool with arguments that were judged, and returns its text."""


def bind(sandbox: Sandbox, setup: ProjectSetup, docs: Callable[[str], str], seconds: float) -> dict[str, Binding]:
    """Return the nine tools by name. A binding raises `ToolFailed` for the model and `RunError` for the run."""

    async def edit(arguments: Mapping[str, Any]) -> str:
        call = given.EditFile.model_validate(arguments, strict=False)
        return await edit_file(sandbox, call.path, call.edits)

    return {
        "list_files": lambda arguments: list_files(sandbox, **arguments),
        "search": lambda arguments: search(sandbox, **arguments),
        "read_file": lambda arguments: read_file(sandbox, **arguments),
        "edit_file": edit,
        "write_file": lambda arguments: write_file(sandbox, **arguments),
        "run_tests": lambda arguments: run_tests(sandbox, setup, arguments.get("select", []), seconds=seconds),
        "run_command": lambda arguments: run_command(sandbox, arguments["command"], seconds=seconds),
        "git": lambda arguments: run_git(sandbox, arguments["args"], seconds=seconds),
        "docs_lookup": lambda arguments: docs_lookup(docs, arguments["query"]),
    }

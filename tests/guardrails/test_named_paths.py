"""Which paths a call shows: a yes to it covers changes there and nowhere else."""

from typing import Any

import pytest

from andon.guardrails.named_paths import shows
from andon.records.calls import ToolCall


def shown(tool: str, at: str, /, **arguments: Any) -> bool:
    return shows(ToolCall(tool=tool, arguments=arguments, role="executor"))(at)


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("rm tests/test_a.py", "tests/test_a.py"),
        ("rm -r tests", "tests/unit/test_a.py"),
        ("python make.py > .github/workflows/ci.yml", ".github/workflows/ci.yml"),
        ("mv 'old name.py' new.py", "new.py"),
        ("touch ./a/../conftest.py", "conftest.py"),
        ("cp x /work/setup.py", "setup.py"),
    ],
)
def test_a_command_shows_its_words_and_what_lies_below_them(command: str, path: str) -> None:
    assert shown("run_command", path, command=command)


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("python tests/test_tool.py", "CODEOWNERS"),
        ("python tests/test_tool.py", "tests/test_other.py"),
        ("rm -r .", "tests/test_a.py"),
        ("rm tests/*.py", "tests/test_a.py"),
        ("ls tests_old", "tests/test_a.py"),
        ("", "a.py"),
    ],
)
def test_nothing_else_is_shown(command: str, path: str) -> None:
    assert not shown("run_command", path, command=command)


def test_a_file_tool_shows_its_path_and_not_what_it_writes() -> None:
    assert shown("write_file", "docs/a b.md", path="docs/a b.md", content="see CODEOWNERS")
    assert not shown("write_file", "CODEOWNERS", path="docs/a b.md", content="see CODEOWNERS")
    assert not shown("edit_file", "CODEOWNERS", path="a.md", edits=[{"old": "CODEOWNERS", "new": "x"}])


def test_git_shows_its_arguments() -> None:
    assert shown("git", "pk/m1.py", args=["mv", "pk", "nk"])
    assert shown("git", "nk/m1.py", args=["mv", "pk", "nk"])
    assert not shown("git", "a.py", args=["stash"])

"""The one function that judges every call: roles, arguments, and paths by where they really end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.judge import ROLE_TOOLS, Policy, judge, judge_change
from andon.guardrails.protected import resolve_protected
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import RunError
from andon.sandbox.protocol import Sandbox

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]

FILES: dict[str, str | bytes] = {
    "src/app.py": "x = 1\n",
    "src/auth/login.py": "y = 2\n",
    "factory/andon.toml": "",
    ".env": "KEY=1\n",
    ".env.example": "KEY=\n",
}
POLICY = Policy(protected=tuple(resolve_protected(["authentication"], list(FILES), {})))
ALLOWED = Decision(verdict="allow", rule="default", reason="")


async def _plain(path: str) -> str:
    return f"/work/{path}"


async def _rule(tool: str, arguments: dict[str, Any], role: Role = "executor", resolve: Any = _plain) -> str:
    decision = await judge(ToolCall(tool=tool, arguments=arguments, role=role), POLICY, resolve)
    assert bool(decision.reason) == (decision.verdict == "refuse")
    return decision.rule


@pytest.mark.parametrize(
    ("role", "tools"),
    [
        ("planner", {"list_files", "search", "read_file", "git", "docs_lookup"}),
        ("reviewer", {"list_files", "search", "read_file", "run_tests", "git", "docs_lookup"}),
        ("executor", set(ARGUMENTS)),
    ],
)
def test_each_role_has_its_tools(role: Role, tools: set[str]) -> None:
    assert set(ROLE_TOOLS[role]) == tools


@pytest.mark.parametrize(
    ("role", "tool"),
    [("planner", "run_command"), ("planner", "write_file"), ("planner", "run_tests"), ("reviewer", "edit_file"),
     ("reviewer", "run_command"), ("reviewer", "write_file")],
)  # fmt: skip
async def test_a_role_has_no_tools_but_its_own(role: Role, tool: str) -> None:
    decision = await judge(ToolCall(tool=tool, arguments={}, role=role), POLICY, _plain)
    assert decision.rule == "role"
    assert "read_file" in decision.reason


async def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    decision = await judge(ToolCall(tool="delete_all", arguments={}, role="planner"), POLICY, _plain)
    assert decision == Decision(
        verdict="refuse",
        rule="unknown-tool",
        reason="there is no tool 'delete_all'; there are: list_files, search, read_file, git, docs_lookup",
    )


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_files", {}),
        ("list_files", {"path": "src"}),
        ("read_file", {"path": "src/app.py", "start": 3, "lines": 10}),
        ("read_file", {"path": "src/auth/login.py"}),
        ("read_file", {"path": ".env.example"}),
        ("search", {"pattern": "x", "path": "src", "fixed": True}),
        ("edit_file", {"path": "src/app.py", "edits": [{"old": "1", "new": "2"}]}),
        ("write_file", {"path": "src/new/file.py", "content": ""}),
        ("run_tests", {}),
        ("run_tests", {"select": ["tests/test_a.py::test_b[a/b]"]}),
        ("git", {"args": ["diff", "HEAD", "--", "src"]}),
        ("git", {"args": ["log", "-S", "needle", "--oneline"]}),
        ("git", {"args": ["branch", "--list", "f*"]}),
        ("git", {"args": ["grep", "-n", "factory", "--", "src", ":!docs"]}),
        ("docs_lookup", {"query": "how does pytest tmp_path work"}),
        ("docs_lookup", {"query": "@types/node"}),
    ],
)
async def test_ordinary_calls_are_allowed(tool: str, arguments: dict[str, Any]) -> None:
    assert await judge(ToolCall(tool=tool, arguments=arguments, role="executor"), POLICY, _plain) == ALLOWED


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read_file", {}),
        ("read_file", {"path": 3}),
        ("read_file", {"path": "a", "start": "1"}),
        ("read_file", {"path": "a", "start": 0}),
        ("read_file", {"path": "a", "sudo": True}),
        ("edit_file", {"path": "a", "edits": []}),
        ("edit_file", {"path": "a", "edits": [{"old": "", "new": "x"}]}),
        ("edit_file", {"path": "a", "edits": '[{"old": "a", "new": "b"}]'}),
        ("edit_file", {"path": "a", "edits": [{"old": "a", "new": "b", "all": True}]}),
        ("git", {"args": "status"}),
        ("git", {"args": []}),
        ("run_command", {"command": ["ls"]}),
        ("run_tests", {"select": ["-p", "evil"]}),
        ("docs_lookup", {"query": "x" * 401}),
        ("write_file", {"path": "a", "content": float("nan")}),
        ("write_file", {"path": "a", "content": object()}),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(tool: str, arguments: dict[str, Any]) -> None:
    assert await _rule(tool, arguments) == "arguments"


async def test_a_refused_argument_is_named() -> None:
    decision = await judge(ToolCall(tool="read_file", arguments={"file": "a"}, role="planner"), POLICY, _plain)
    assert decision.reason == (
        "path: Field required; file: Extra inputs are not permitted; the arguments of read_file are: path, start, lines"
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "rule"),
    [
        ("read_file", {"path": ".git/config"}, "git-folder"),
        ("read_file", {"path": ".GIT/config"}, "git-folder"),
        ("read_file", {"path": ".gi\u200bt/config"}, "name"),
        ("read_file", {"path": "a\u202eb"}, "name"),
        ("read_file", {"path": "a\x00b"}, "name"),
        ("read_file", {"path": ""}, "name"),
        ("read_file", {"path": ".env"}, "secret-file"),
        ("read_file", {"path": "factory/context/x.md"}, "factory-folder"),
        ("list_files", {"path": "Factory"}, "factory-folder"),
        ("search", {"pattern": "x", "path": ".git"}, "git-folder"),
        ("write_file", {"path": "factory/x", "content": ""}, "factory-folder"),
        ("write_file", {"path": ".env", "content": ""}, "secret-file"),
        ("write_file", {"path": "src/AUTH/new.py", "content": ""}, "protected-area"),
        ("edit_file", {"path": "src/auth/login.py", "edits": [{"old": "a", "new": "b"}]}, "protected-area"),
        ("run_tests", {"select": ["factory/test_x.py"]}, "factory-folder"),
        ("docs_lookup", {"query": "https://example.org/x"}, "docs"),
        ("git", {"args": ["push", "--force"]}, "git"),
        ("git", {"args": ["--exec-path=/tmp", "status"]}, "git"),
        ("git", {"args": ["log", "--output=x"]}, "git"),
        ("git", {"args": ["diff", "--no-index", "/etc/passwd", "x"]}, "git"),
        ("git", {"args": ["branch", "new"]}, "git"),
        ("git", {"args": ["branch", "-D", "main"]}, "git"),
        ("git", {"args": ["rev-parse", "--git-dir"]}, "git"),
        ("git", {"args": ["restore", "--source=HEAD~1", "--", "src/app.py"]}, "git"),
        ("git", {"args": ["restore", "--", ":/"]}, "git"),
        ("git", {"args": ["restore", "--", "."]}, "git"),
        ("git", {"args": ["restore", "--", "src/auth/login.py"]}, "protected-area"),
        ("git", {"args": ["restore", "src/auth/login.py"]}, "protected-area"),
        ("git", {"args": ["add", "--", ":(top)factory/x"]}, "factory-folder"),
        ("git", {"args": ["show", "HEAD:factory/andon.toml"]}, "factory-folder"),
        ("git", {"args": ["show", ":0:.env"]}, "secret-file"),
        ("git", {"args": ["diff", "--", "*.env"]}, "pattern"),
        ("git", {"args": ["status", "a\x00b"]}, "name"),
    ],
)
async def test_closed_places_are_refused_by_name(tool: str, arguments: dict[str, Any], rule: str) -> None:
    assert await _rule(tool, arguments) == rule


async def test_links_are_judged_by_where_they_end(start: Start) -> None:
    sandbox = await start(FILES)
    links = (
        "ln -s /etc out; ln -s .git g; ln -s factory f; ln -s ../.env src/e; ln -s auth src/a; ln -s nowhere/.git/x n"
    )
    assert (await sandbox.run(["sh", "-c", links])).exit_code == 0
    judged = {
        path: await _rule("write_file", {"path": path, "content": ""}, resolve=sandbox.resolve)
        for path in ("out/passwd", "g/config", "f/andon.toml", "src/e", "src/a/login.py", "n", "src/../../x", "/etc/x")
    }
    assert judged == {
        "out/passwd": "outside-workspace",
        "g/config": "git-folder",
        "f/andon.toml": "factory-folder",
        "src/e": "secret-file",
        "src/a/login.py": "protected-area",
        "n": "git-folder",
        "src/../../x": "outside-workspace",
        "/etc/x": "outside-workspace",
    }


async def test_commands_follow_links_too(start: Start) -> None:
    sandbox = await start(FILES)
    assert (await sandbox.run(["sh", "-c", "ln -s ../.env src/e; ln -s .git g"])).exit_code == 0
    for command, rule in (
        ("cat src/e", "secret-file"),
        ("cd g && cat config", "git-folder"),
        ("cat src/app.py", "default"),
    ):
        assert await _rule("run_command", {"command": command}, resolve=sandbox.resolve) == rule


async def test_a_dead_sandbox_is_no_verdict(start: Start) -> None:
    sandbox = await start(FILES)
    await sandbox.close()
    with pytest.raises(RunError, match="sandbox is gone"):
        await _rule("read_file", {"path": "a"}, resolve=sandbox.resolve)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("src/app.py", "default"),
        ("docs/factory.md", "default"),
        (".github/workflows/ci.yml", "default"),
        (".git/config", "git-folder"),
        ("vendor/.git/config", "git-folder"),
        ("Factory/x", "factory-folder"),
        ("factory/runs/x", "factory-folder"),
        ("src/auth/login.py", "protected-area"),
        ("SRC/Auth/x.py", "protected-area"),
        (".env", "secret-file"),
        ("a\u202eb", "name"),
    ],
)
def test_a_change_of_the_final_tree_meets_the_same_floors(path: str, rule: str) -> None:
    assert judge_change(path, POLICY).rule == rule

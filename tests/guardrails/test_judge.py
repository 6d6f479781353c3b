"""The one function that judges every call: roles, arguments, and paths by where they really end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.judge import ROLE_TOOLS, Policy, judge, judge_change, refusal_of
from andon.guardrails.origin import origin_of
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
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA7" * 20 + "\n-----END RSA PRIVATE KEY-----"
ALLOWED = Decision(verdict="allow", rule="default", reason="")


async def _plain(path: str) -> str:
    return f"/work/{path}"


async def _rule(tool: str, arguments: dict[str, Any], role: Role = "executor", resolve: Any = _plain) -> str:
    decision = await judge(ToolCall(tool=tool, arguments=arguments, role=role), POLICY, resolve)
    assert bool(decision.reason) == (decision.verdict != "allow")
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
        ("git", {"args": ["push", "--force"]}, "git-force"),
        ("git", {"args": ["--exec-path=/tmp", "status"]}, "git"),
        ("git", {"args": ["log", "--output=x"]}, "git-programs"),
        ("git", {"args": ["diff", "--no-index", "/etc/passwd", "x"]}, "git-programs"),
        ("git", {"args": ["branch", "-D", "main"]}, "protected-branch"),
        ("git", {"args": ["rev-parse", "--git-dir"]}, "git-programs"),
        ("git", {"args": ["restore", "--", ":/"]}, "loses-work"),
        ("git", {"args": ["restore", "--", "."]}, "loses-work"),
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
        (".github/workflows/ci.yml", "review-control"),
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


def _policy(*tracked: str, **more: Any) -> Policy:
    return Policy(tracked=frozenset(tracked), **more)


async def _verdict(policy: Policy, tool: str, arguments: dict[str, Any], role: Role = "executor") -> tuple[str, str]:
    decision = await judge(ToolCall(tool=tool, arguments=arguments, role=role), policy, _plain)
    return decision.verdict, decision.rule


async def test_a_locked_path_is_refused_by_every_route() -> None:
    policy = _policy("tests/test_gate.py", "src/a.py", locked=("tests/test_gate.py",))
    routes: list[tuple[str, dict[str, Any]]] = [
        ("write_file", {"path": "tests/Test_Gate.py", "content": ""}),
        ("edit_file", {"path": "tests/test_gate.py", "edits": [{"old": "a", "new": "b"}]}),
        ("run_command", {"command": "rm tests/test_gate.py"}),
        ("run_command", {"command": "rm -r tests"}),
        ("run_command", {"command": "sed -i s/a/b/ tests/*.py"}),
        ("run_command", {"command": "patch -p1 <<'E'\n--- a/tests/test_gate.py\n+++ b/tests/test_gate.py\nE"}),
        ("git", {"args": ["mv", "tests/test_gate.py", "x.py"]}),
    ]
    assert {(await _verdict(policy, *route)) for route in routes} == {("refuse", "locked")}
    assert judge_change("tests/test_gate.py", policy).rule == "locked"


async def test_a_glob_is_judged_by_the_files_it_stands_for() -> None:
    policy = _policy("tests/conftest.py", "tests/test_a.py", "keys/server.pem", "src/a.py")
    assert await _verdict(policy, "run_command", {"command": "sed -i s/a/b/ tests/*.py"}) == (
        "ask",
        "test-configuration",
    )
    assert await _verdict(policy, "run_command", {"command": "cat keys/*"}) == ("refuse", "secret-file")
    assert await _verdict(policy, "run_command", {"command": "sed -i s/a/b/ src/*.py"}) == ("allow", "default")


async def test_reading_a_whole_folder_that_holds_a_secret_is_refused() -> None:
    policy = _policy("deploy/.env", "src/a.py")
    for command in ("grep -r KEY .", "cp -r deploy /tmp/x", "tar czf /tmp/x.tgz .", "find . -exec cat {} +"):
        assert await _verdict(policy, "run_command", {"command": command}) == ("refuse", "secret-file")
    assert await _verdict(policy, "run_command", {"command": "grep -r KEY src"}) == ("allow", "default")


async def test_deleting_much_of_the_source_is_asked_and_a_little_is_free() -> None:
    policy = _policy(*(f"src/pkg/m{number}.py" for number in range(12)), "src/small/a.py")
    assert await _verdict(policy, "run_command", {"command": "rm -r src/pkg"}) == ("ask", "delete")
    assert await _verdict(policy, "run_command", {"command": "rm -r src/small build"}) == ("allow", "default")


@pytest.mark.parametrize("args", [["add", "-A"], ["commit", "-m", "x"], ["stash"], ["branch", "new"], ["restore", "a"]])
@pytest.mark.parametrize("role", ["planner", "reviewer"])
async def test_roles_that_read_change_nothing_through_git(role: Role, args: list[str]) -> None:
    assert await _verdict(Policy(), "git", {"args": args}, role) == ("refuse", "role")


@pytest.mark.parametrize(
    "args", [["commit", "-m", "a line\n\nand more"], ["branch", "new"], ["stash", "push", "-m", "x"]]
)
async def test_local_work_on_the_branch_is_free_for_the_executor(args: list[str]) -> None:
    assert await _verdict(Policy(), "git", {"args": args}) == ("allow", "default")


async def test_work_an_outsider_asked_for_gets_no_packages_and_no_publishing_from_anybody() -> None:
    outside = Policy(origin="outsider")
    for command in ("pip install requests", "git push", "git commit --amend"):
        assert (await _verdict(Policy(), "run_command", {"command": command}))[0] == "ask"
        assert (await _verdict(outside, "run_command", {"command": command}))[0] == "refuse"
    assert await _verdict(outside, "write_file", {"path": "Makefile", "content": ""}) == ("ask", "build-recipe")


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("", "person"),
        ("Queue", "person"),
        ("mcp-client", "person"),
        ("https://github.com/a/b/issues/1", "outsider"),
        ("slack", "outsider"),
    ],
)
def test_only_what_is_known_to_be_ours_counts_as_a_person(source: str, origin: str) -> None:
    assert origin_of(source) == origin


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("write_file", {"path": "src/a.py", "content": "TOKEN = 'ghp_" + "a1B2" * 9 + "'\n"}),
        ("edit_file", {"path": "a.py", "edits": [{"old": "x", "new": PRIVATE_KEY}]}),
        ("run_command", {"command": "echo ghp_" + "a1B2" * 9 + " > notes.txt"}),
        ("git", {"args": ["commit", "-m", "ghp_" + "a1B2" * 9]}),
        ("docs_lookup", {"query": "ghp_" + "a1B2" * 9}),
    ],
)
async def test_nothing_with_a_credential_in_it_is_written_run_committed_or_looked_up(
    tool: str, arguments: dict[str, Any]
) -> None:
    assert await _verdict(Policy(), tool, arguments) == ("refuse", "credential")


@pytest.mark.parametrize(
    "path", ["\u0441onftest.py", "CONFTEST.PY", "\uff43onftest.py", "tests/conft\u0435st.py", "M\u0430kefile"]
)
async def test_look_alike_letters_do_not_get_around_protection(path: str) -> None:
    assert (await _verdict(Policy(), "write_file", {"path": path, "content": ""}))[0] == "ask"


@pytest.mark.parametrize("path", ["docs/\u00fcbersicht.md", "src/\u6587\u66f8.py", "notes (old) [1].txt", "a-b_c.d"])
async def test_ordinary_names_of_any_script_are_fine(path: str) -> None:
    assert await _verdict(Policy(), "write_file", {"path": path, "content": ""}) == ("allow", "default")


@pytest.mark.parametrize(
    "path", ["x.git/config", "repo/HEAD", "a/refs/heads/main", "a/objects/pack/x", "a/packed-refs"]
)
def test_nothing_may_be_laid_out_as_a_repository(path: str) -> None:
    assert judge_change(path, Policy()).verdict == "refuse"


@pytest.mark.parametrize(
    "query", ["file:notes", "/etc/passwd", "../secret", "~/x", "www.example.org", "see 10.0.0.1", "http://x"]
)
async def test_the_documents_take_no_addresses_or_files(query: str) -> None:
    assert await _verdict(Policy(), "docs_lookup", {"query": query}) == ("refuse", "docs")


@pytest.mark.parametrize(
    "command",
    ["a\x00b", "\x1b[31mls", "\ud800", "ls \u202e", "(" * 3000, "$(" * 3000, "{ " * 3000, "echo " + "'" * 9999,
     "if " * 2000, "<<A " * 500, "a=" + "$a" * 500 + "; $a", "[[ " * 500, "case x in " * 300],
)  # fmt: skip
async def test_what_cannot_be_read_is_never_allowed(command: str) -> None:
    assert (await _verdict(Policy(), "run_command", {"command": command}))[0] == "refuse"


async def test_a_megabyte_is_refused_by_its_length() -> None:
    assert await _verdict(Policy(), "run_command", {"command": "x" * 1_000_000}) == ("refuse", "arguments")
    assert await _verdict(Policy(), "read_file", {"path": "x" * 1_000_000}) == ("refuse", "name")


async def test_a_loop_of_links_is_no_place(start: Start) -> None:
    sandbox = await start(FILES)
    assert (await sandbox.run(["sh", "-c", "ln -s b a; ln -s a b; ln -s .git/config c"])).exit_code == 0
    assert await _rule("run_command", {"command": "cat c"}, resolve=sandbox.resolve) == "git-folder"
    looped = await judge(
        ToolCall(tool="read_file", arguments={"path": "a/.env"}, role="executor"), POLICY, sandbox.resolve
    )
    assert looped.verdict == "refuse"


async def test_what_a_person_would_have_to_allow_says_so() -> None:
    decision = await judge(
        ToolCall(tool="write_file", arguments={"path": "LICENSE", "content": ""}, role="executor"), POLICY, _plain
    )
    assert refusal_of(decision) == (
        "'LICENSE' states the licence (a person would have to allow this, and nobody can be asked here; "
        "leave it, and report what it kept you from under not_done)"
    )

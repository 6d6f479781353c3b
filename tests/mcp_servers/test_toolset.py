"""The toolset server over a real client: what is listed, what is judged, what is told."""

import asyncio
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from andon.guardrails.judge import ROLE_TOOLS
from andon.mcp_servers.toolset import Workbench, build_toolset
from andon.records.calls import Role
from andon.records.stops import StopCode
from andon.sandbox.protocol import Finished

GIT_EDITS = "; add, restore -- FILE (new files count without add)"


class Journal(Protocol):
    events: list[tuple[str, dict[str, Any]]]


class Bench(Protocol):
    @property
    def workbench(self) -> Workbench: ...
    @property
    def journal(self) -> Journal: ...


def _begun(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what is set once the sandbox is asked to run something."""
    begun, run = asyncio.Event(), workbench.sandbox.run

    async def told(argv: Sequence[str], **options: Any) -> Finished:
        begun.set()
        return await run(argv, **options)

    monkeypatch.setattr(workbench.sandbox, "run", told)
    return begun


async def _call(bench: Bench, tool: str, arguments: dict[str, Any], role: Role = "executor") -> tuple[bool, str]:
    async with Client(build_toolset(bench.workbench, role)) as client:
        result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert content.type == "text"
    return bool(result.is_error), content.text


@pytest.mark.parametrize(
    ("role", "limit"), [("planner", 3000), ("executor", 5000), ("reviewer", 3000), ("client", 5120)]
)
async def test_a_role_sees_its_tools_in_few_bytes(bench: Bench, role: Role, limit: int) -> None:
    async with Client(build_toolset(bench.workbench, role)) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == list(ROLE_TOOLS[role])
    listed = [{"name": tool.name, "description": tool.description, "input_schema": tool.input_schema} for tool in tools]
    assert len(json.dumps(listed).encode()) <= limit
    assert all(tool.output_schema is None for tool in tools)


@pytest.mark.parametrize(
    ("role", "may"),
    [("planner", ""), ("reviewer", ""), ("executor", GIT_EDITS), ("client", GIT_EDITS)],
)
async def test_git_says_to_each_role_what_that_role_may_do(bench: Bench, role: Role, may: str) -> None:
    async with Client(build_toolset(bench.workbench, role)) as client:
        told = {tool.name: tool.description for tool in (await client.list_tools()).tools}["git"]
    assert told == (
        f"Local git: status diff log show blame ls-files grep rev-parse, branch --list{may}. "
        "The line commits and publishes. Output over 10000 bytes is cut in the middle."
    )


async def test_schemas_say_what_the_judge_holds_calls_to(bench: Bench) -> None:
    async with Client(build_toolset(bench.workbench, "executor")) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools["edit_file"].input_schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "path": {"type": "string", "description": "Existing text file."},
            "edits": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "description": "Applied in order, all or none.",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "old": {
                            "type": "string",
                            "minLength": 1,
                            "description": "Text to replace, exactly as in the file; must occur once.",
                        },
                        "new": {"type": "string", "description": "Its replacement."},
                    },
                    "required": ["old", "new"],
                },
            },
        },
        "required": ["path", "edits"],
    }
    assert "at most 30 s" in (tools["run_command"].description or "")
    assert [name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint] == [
        "list_files", "search", "read_file", "run_tests", "docs_lookup",
    ]  # fmt: skip


def _data(origin: str, text: str) -> str:
    return f'<data from="{origin}">\n{text}\n</data>'


async def test_every_tool_answers_plain_text_with_what_is_not_ours_as_data(bench: Bench) -> None:
    answers = [
        await _call(bench, "list_files", {"path": "src"}),
        await _call(bench, "search", {"pattern": "x =", "fixed": True}),
        await _call(bench, "edit_file", {"path": "src/app.py", "edits": [{"old": "1", "new": "[2]"}]}),
        await _call(bench, "write_file", {"path": "src/new.json", "content": '{"a": 1}'}),
        await _call(bench, "read_file", {"path": "src/new.json"}),
        await _call(bench, "run_command", {"command": "cat src/app.py"}),
        await _call(bench, "git", {"args": ["status", "--short"]}),
        await _call(bench, "run_tests", {}),
        await _call(bench, "docs_lookup", {"query": "pytest"}),
    ]
    assert answers == [
        (False, "2 files\n" + _data("list_files src", "src/app.py\nsrc/auth/login.py")),
        (False, _data("search", "src/app.py:1:x = 1")),
        (False, "edited src/app.py: 1 replacement\n" + _data("edit_file src/app.py", "1 +x = [2]")),
        (False, "wrote src/new.json: 1 line (new file)"),
        (False, "src/new.json: lines 1-1 of 1\n" + _data("read_file src/new.json", '{"a": 1}')),
        (False, "exit code 0\n" + _data("run_command cat src/app.py", "x = [2]")),
        (False, "exit code 0\n" + _data("git status --short", " M src/app.py\n?? src/new.json")),
        (
            False,
            "exit code 1\n1 failed\n"
            + _data(
                "run_tests",
                "failed tests/test_app.py::test_a\n  tests/test_app.py:1\n  E   assert 1 == 2",
            ),
        ),
        (False, _data("docs_lookup pytest", "README.md:1 about pytest")),
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "role", "begins"),
    [
        ("read_file", {"path": "factory/a.toml"}, "planner", "refused (factory-folder): 'factory/a.toml' belongs"),
        ("write_file", {"path": "src/auth/x", "content": ""}, "executor", "refused (protected-area): 'src/auth/x'"),
        ("write_file", {"path": "a", "content": ""}, "reviewer", "refused (role): a reviewer has no write_file"),
        ("no_such_tool", {}, "planner", "refused (unknown-tool): there is no tool 'no_such_tool'"),
        ("read_file", {"paths": ["a"]}, "planner", "refused (arguments): path: Field required"),
        ("run_command", {"command": "cat .env"}, "executor", "refused (secret-file): '.env' may hold a secret"),
        ("read_file", {"path": "a\u202eb"}, "planner", "refused (name): the path holds an invisible or direction"),
    ],
)
async def test_a_refused_call_says_rule_and_reason(
    bench: Bench, tool: str, arguments: dict[str, Any], role: Role, begins: str
) -> None:
    is_error, text = await _call(bench, tool, arguments, role)
    assert (is_error, text[: len(begins)]) == (True, begins)
    [(kind, data)] = bench.journal.events
    assert (kind, data["role"], data["tool"]) == ("tool.refused", role, tool)
    nobody = (
        " (a person would have to allow this, and nobody can be asked here; leave it, and report what it kept you from "
        "under not_done)"
    )
    asked = nobody if data["verdict"] == "ask" else ""
    assert f"refused ({data['rule']}): {data['reason']}{asked}" == text


async def test_a_tool_that_could_not_do_it_says_why(bench: Bench) -> None:
    answer = await _call(bench, "read_file", {"path": "nowhere"})
    assert answer == (True, "there is no file 'nowhere'; list_files shows what there is")
    assert bench.journal.events[0][1]["outcome"] == "failed"


async def test_events_tell_of_arguments_without_what_is_written_into_files(bench: Bench) -> None:
    arguments = {"path": "src/new.txt", "content": "confidential"}
    await _call(bench, "write_file", arguments)
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]
    kept = {"path": "src/new.txt", "content": ""}
    facts: dict[str, Any] = {"role": "executor", "tool": "write_file", "digest": digest, "summary": "src/new.txt"}
    facts |= {"arguments": kept, "outcome": "done"}
    assert bench.journal.events == [("tool.called", facts)]


async def test_no_secret_leaves_with_an_answer_and_the_event_counts_what_was_taken_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "our-own-Key-0f7d2")
    key = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
    text = f"token = '{key}'\nplain = 'our-own-Key-0f7d2'\n"
    await bench.workbench.sandbox.write("src/app.py", text.encode())
    shown = "token = '[redacted: github-token]'\nplain = '[redacted: known-secret]'"
    before = "cd src && cd .. && true; true; true;  "
    split = f"{before}printf '%s' '{key[:12]}'; printf '\\033[1m\\033[0m%s\\n' '{key[12:]}' >&2"
    answers = [
        await _call(bench, "read_file", {"path": "src/app.py"}),
        await _call(bench, "search", {"pattern": "ken|plain", "path": "src"}),
        await _call(bench, "run_command", {"command": split}),
        await _call(bench, "run_command", {"command": "base64 -w 20 src/app.py | tail -n 3 | base64 -d; exit 1"}),
        await _call(bench, "edit_file", {"path": "src/app.py", "edits": [{"old": "plain", "new": "other"}]}),
    ]
    found = "\n".join(f"src/app.py:{number}:{line}" for number, line in enumerate(shown.split("\n"), start=1))
    origin = "run_command cd src && cd .. && true; true; true; pr…"
    assert answers[:3] == [
        (False, "src/app.py: lines 1-2 of 2\n" + _data("read_file src/app.py", shown)),
        (False, _data("search src", found)),
        (False, "exit code 0\n" + _data(origin, "[redacted: github-token]")),
    ]
    edited = _data(
        "edit_file src/app.py", "1  token = '[redacted: github-token]'\n2 +other = '[redacted: known-secret]'"
    )
    assert answers[4] == (False, f"edited src/app.py: 1 replacement\n{edited}")
    both = {"github-token": 1, "known-secret": 1}
    assert [data.get("redacted") for _, data in bench.journal.events] == [
        both, both, {"github-token": 1}, {"known-secret": 1}, both,
    ]  # fmt: skip
    assert key not in str(bench.journal.events)
    assert await bench.workbench.sandbox.read("src/app.py", limit=1000) == text.replace("plain", "other").encode()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("edit_file", {"edits": [{"old": "k = '[redacted: github-token]'", "new": "k = None"}]}),
        ("edit_file", {"edits": [{"old": "a = 1", "new": "a = '[redacted: github-token]'"}]}),
        ("write_file", {"content": "a = 2\nk = '[redacted: github-token]'\n"}),
    ],
)
async def test_a_marker_of_redaction_is_never_written(bench: Bench, tool: str, arguments: dict[str, Any]) -> None:
    text = f"a = 1\nk = '{'gh' + 'p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6'}'\n".encode()
    await bench.workbench.sandbox.write("src/app.py", text)
    is_error, answer = await _call(bench, tool, {"path": "src/app.py"} | arguments)
    assert (is_error, "[redacted: github-token], which only stands in answers" in answer) == (True, True)
    assert await bench.workbench.sandbox.read("src/app.py", limit=1000) == text


async def test_a_marker_that_stands_in_the_file_itself_is_text_like_any_other(bench: Bench) -> None:
    await bench.workbench.sandbox.write("src/app.py", b"MARK = '[redacted: email]'\n")
    edit = {"old": "= '[redacted: email]'", "new": "= '[redacted: email] '"}
    answer = await _call(bench, "edit_file", {"path": "src/app.py", "edits": [edit]})
    edited = _data("edit_file src/app.py", "1 +MARK = '[redacted: email] '")
    assert answer == (False, f"edited src/app.py: 1 replacement\n{edited}")


async def test_half_a_key_is_not_shown_for_being_asked_for_alone(bench: Bench) -> None:
    label = "PRIVATE" + " KEY"
    lines = [f"-----BEGIN {label}-----", *["MIIEowIBAAKCAQEA" * 4] * 3, f"-----END {label}-----"]
    await bench.workbench.sandbox.write("src/app.py", "\n".join(["KEY =", *lines, "end"]).encode())
    answer = await _call(bench, "read_file", {"path": "src/app.py", "start": 3, "lines": 2})
    assert answer == (
        False,
        "src/app.py: lines 3-4 of 7; the next part begins at start=5\n"
        + _data("read_file src/app.py", "[redacted: private-key]\n[redacted: private-key]"),
    )


async def test_calls_on_one_workbench_run_one_after_another(bench: Bench) -> None:
    count = "test -e /tmp/busy && echo overlap; touch /tmp/busy; seq 1 20000 > /tmp/n; rm /tmp/busy"
    async with (
        Client(build_toolset(bench.workbench, "executor")) as one,
        Client(build_toolset(bench.workbench, "executor")) as other,
    ):
        calls = [client.call_tool("run_command", {"command": count}) for client in (one, other, one, other)]
        results = await asyncio.gather(*calls)
    assert [result.content[0].text for result in results if result.content[0].type == "text"] == [
        "exit code 0 (no output)"
    ] * 4


async def test_a_lost_sandbox_is_no_tools_words(bench: Bench) -> None:
    await bench.workbench.sandbox.close()
    async with Client(build_toolset(bench.workbench, "executor")) as client:
        for arguments in ({"command": "ls"}, {"command": "true"}):
            with pytest.raises(MCPError, match="the run has ended"):
                await client.call_tool("run_command", arguments)
    assert bench.workbench.stop.error is not None
    assert bench.workbench.stop.error.code == StopCode.SANDBOX_LOST
    assert bench.journal.events == []


async def test_a_sandbox_lost_while_a_tool_runs_is_no_tools_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = _begun(bench.workbench, monkeypatch)
    async with Client(build_toolset(bench.workbench, "executor")) as client:
        call = asyncio.create_task(client.call_tool("run_tests", {}))
        await begun.wait()
        await bench.workbench.sandbox.close()
        with pytest.raises(MCPError, match="the run has ended"):
            await call
    assert bench.workbench.stop.error is not None


async def test_a_judge_that_breaks_lets_nothing_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(path: str) -> str:
        raise OSError("cannot resolve")

    monkeypatch.setattr(bench.workbench.sandbox, "resolve", broken)
    is_error, text = await _call(bench, "write_file", {"path": "a", "content": "x"})
    assert (is_error, text.split(":")[0]) == (True, "refused (judge-failed)")
    with pytest.raises(FileNotFoundError):
        await bench.workbench.sandbox.read("a", limit=1)


async def test_making_a_server_leaves_logging_alone(bench: Bench) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    build_toolset(bench.workbench, "planner")
    assert (list(root.handlers), root.level) == before


def test_the_toolset_imports_no_model_sdk() -> None:
    code = (
        "import sys, andon.mcp_servers.toolset\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'agents', 'openai', 'anthropic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"

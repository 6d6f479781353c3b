"""`andon mcp` as a process, as editors start it: both protocol eras, what reaches stdout, and every way to end it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lane_kit import FILES, SUB, SUB_TEST, git, make_repository
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

INSPECTOR = "@modelcontextprotocol/inspector"
CURATED = [
    "list_files", "search", "read_file", "edit_file", "write_file", "run_tests", "run_command", "git", "docs_lookup",
]  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    path = tmp_path / "temporary"
    path.mkdir()
    return path


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "andon", "mcp", "-C", str(root), *words]


def last_result(root: Path) -> dict[str, Any]:
    [found] = (root / "factory/.state/runs").glob("*/result.json")
    result: dict[str, Any] = json.loads(found.read_text())
    return result


class Server:
    """One `andon mcp` process in the legacy era and with bubblewrap, spoken to line by line."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._sent = 0
        self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "0"})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def begin(self, method: str, **params: Any) -> int:
        self._sent += 1
        self.send({"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params})
        return self._sent

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = self.begin(method, **params)
        while (answer := self.read()).get("id") != number:
            pass
        result: dict[str, Any] = answer["result"]
        return result

    def call(self, tool: str, **arguments: Any) -> str:
        result = self.ask("tools/call", name=tool, arguments=arguments)
        text: str = result["content"][0]["text"]
        return text

    def end(self, how: str) -> int:
        assert self.process.stdin is not None
        if how == "end of input":
            self.process.stdin.close()
        else:
            self.process.send_signal(signal.Signals[how])
        return self.process.wait(60)


@contextmanager
def served(root: Path, temporary: Path, argv: Sequence[str] = ()) -> Iterator[Server]:
    with (
        (root.parent / "stderr").open("wb") as stderr,
        subprocess.Popen(
            argv or command(root),
            env=os.environ
            | {
                "TMPDIR": str(temporary),
                "DOCKER_HOST": "unix:///nowhere/docker.sock",
                "XDG_CONFIG_HOME": str(root.parent / "config"),
            },
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield Server(process)
        finally:
            process.kill()


def alive(mark: str) -> list[str]:
    """Return the command lines of living processes that hold `mark`."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if mark.encode() in line:
                found.append(line.decode("utf-8", "replace"))
    return found


def appears(mark: str) -> None:
    """Return once a process with `mark` lives."""
    until = time.monotonic() + 60
    while not alive(mark):  # nothing announces a process
        assert time.monotonic() < until


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_both_protocol_eras_list_call_refuse_and_end_in_a_branch(repo: Path, tmp_path: Path, mode: str) -> None:
    [python, *words] = command(repo)
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    server = StdioServerParameters(command=python, args=words, env=environment)
    async with Client(stdio_client(server), mode=mode) as client:
        tools = (await client.list_tools()).tools
        refused = await client.call_tool("write_file", {"path": "auth/login.py", "content": ""})
        for path, content in (("tests/test_calc.py", SUB_TEST), ("calc.py", SUB)):
            assert not (await client.call_tool("write_file", {"path": path, "content": content})).is_error
        submitted = await client.call_tool("submit_change", {"title": "Add subtraction", "summary": "added sub"})
    assert [tool.name for tool in tools] == [*CURATED, "submit_change", "session_status"]
    assert refused.is_error
    assert "refused (protected-area)" in refused.content[0].text  # type: ignore[union-attr]
    assert not submitted.is_error
    result = last_result(repo)
    assert (result["stop_code"], result["branch"]) == ("delivered", f"factory/{result['task_id']}-add-subtraction")
    assert git(repo, "rev-parse", result["branch"]) == result["head_commit"]


def test_the_listing_stays_small(repo: Path, temporary: Path) -> None:
    with served(repo, temporary) as server:
        tools = server.ask("tools/list")["tools"]
    kept = ("name", "description", "inputSchema")
    sizes = [
        len(json.dumps({key: tool[key] for key in kept}, ensure_ascii=False, separators=(",", ":")).encode())
        for tool in tools
    ]
    assert sum(sizes[:9]) <= 5120
    assert sum(sizes[9:]) <= 600
    assert len(sizes) == 11


@pytest.mark.parametrize("how", ["end of input", "SIGINT", "SIGTERM", "SIGHUP"])
def test_however_a_session_ends_its_tree_is_kept_and_nothing_is_left_behind(
    repo: Path, temporary: Path, how: str
) -> None:
    mark = f"mark-{uuid4()}"
    with served(repo, temporary) as server:
        server.call("write_file", path="calc.py", content=SUB)
        server.begin("tools/call", name="run_command", arguments={"command": f"tail -f calc.py; : {mark}"})
        appears(mark)
        code = server.end(how)
        assert server.process.stdout is not None
        assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.process.stdout)
    result = last_result(repo)
    assert (code, result["exit_code"], result["stop_code"]) == (130, 130, "interrupted")
    assert "+def sub(a, b):" in (repo / result["run_folder"] / "diff.patch").read_text()
    assert alive(mark) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_a_session_that_ends_in_the_middle_of_a_submission_leaves_nothing_behind(
    repo: Path, temporary: Path, how: str
) -> None:
    with served(repo, temporary) as server:
        server.call("write_file", path="calc.py", content=SUB)
        arguments = {"title": "Add subtraction", "summary": "x"}
        server.begin("tools/call", name="submit_change", arguments=arguments, _meta={"progressToken": 1})
        assert server.read()["method"] == "notifications/progress"
        code = server.end(how)
    assert (code, last_result(repo)["stop_code"]) == (130, "interrupted")
    assert git(repo, "for-each-ref", "--format=%(refname:short)", "refs/heads") == "main"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_a_session_that_ends_while_its_sandbox_still_starts_leaves_nothing_behind(
    repo: Path, temporary: Path, how: str
) -> None:
    with served(repo, temporary) as server:
        code = server.end(how)
    assert (code, last_result(repo)["stop_code"]) == (130, "interrupted")
    assert list(temporary.iterdir()) == []
    assert git(repo, "status", "--short") == ""


def test_a_full_disk_ends_the_session_with_70(repo: Path, temporary: Path) -> None:
    with served(repo, temporary, ["prlimit", "--fsize=2500", *command(repo)]) as server:
        for _ in range(40):
            number = server.begin("tools/call", name="read_file", arguments={"path": "calc.py"})
            while (answer := server.read()).get("id") != number:
                pass
            if "error" in answer:
                break
        assert "the run has ended (disk-failed)" in answer["error"]["message"]
        assert server.end("end of input") == 70


def test_a_tier_can_be_forced_and_one_that_is_none_is_refused(repo: Path) -> None:
    done = subprocess.run(
        [*command(repo), "--sandbox", "vm"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no sandbox tier 'vm' (--sandbox, ANDON_SANDBOX)" in done.stderr


def test_a_delivered_branch_ends_with_0(repo: Path, temporary: Path) -> None:
    with served(repo, temporary) as server:
        for path, content in (("tests/test_calc.py", SUB_TEST), ("calc.py", SUB)):
            server.call("write_file", path=path, content=content)
        assert server.call("submit_change", title="Add subtraction", summary="x").startswith("delivered: branch")
        assert server.end("SIGTERM") == 0


def test_a_client_that_reads_nothing_any_more_can_still_end_the_session(repo: Path, temporary: Path) -> None:
    with served(repo, temporary) as server:
        server.call("write_file", path="calc.py", content=SUB)
        assert server.process.stdout is not None
        server.process.stdout.close()
        server.begin("tools/call", name="read_file", arguments={"path": "calc.py"})
        assert server.end("end of input") == 130
    assert last_result(repo)["stop_code"] == "interrupted"
    assert list(temporary.iterdir()) == []


def test_what_is_no_message_gets_an_error_and_the_session_goes_on(repo: Path, temporary: Path) -> None:
    with served(repo, temporary) as server:
        assert server.process.stdin is not None
        server.process.stdin.write(b"this is no JSON\n\xff\xfe\n{}\n")
        server.process.stdin.flush()
        assert server.call("read_file", path="calc.py").startswith("calc.py: lines 1-2 of 2")


def test_stray_prints_never_reach_stdout(repo: Path, temporary: Path) -> None:
    script = """
import os, sys
from andon.cli.main import main
from andon.line.ide.session import IdeSession
def server(self, plain=IdeSession.server):
    print("spilt", flush=True)
    print("spilt", file=sys.__stdout__, flush=True)
    os.write(1, b"spilt ")
    os.system("echo spilt")
    return plain(self)
IdeSession.server = server
raise SystemExit(main(["mcp"]))
"""
    with served(repo, temporary, [sys.executable, "-c", script]) as server:
        assert len(server.ask("tools/list")["tools"]) == 11
        server.end("end of input")
        assert server.process.stdout is not None
        assert server.process.stdout.read() == b""
    assert (repo.parent / "stderr").read_text().count("spilt") == 4


def test_no_agent_sdk_is_loaded(repo: Path) -> None:
    [python, *words] = command(repo)
    done = subprocess.run(
        [python, "-X", "importtime", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    loaded = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert {"mcp", "andon.line.ide.session", "andon.mcp_servers.toolset"} <= loaded
    assert {name for name in loaded if name.split(".")[0] in ("agents", "openai", "anthropic")} == set()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "git init"),
        (lambda path: git(path, "init", "-q", "--bare", "."), "bare"),
        (lambda path: git(path, "init", "-q", "."), "no commit"),
        (lambda path: make_repository(path, FILES | {"factory/andon.toml": "[limit]\n"}), "factory/andon.toml: limit"),
        (lambda path: path.rmdir(), "is no directory"),
    ],
)
def test_what_a_person_must_mend_is_a_sentence_on_stderr(tmp_path: Path, make: Any, sentence: str) -> None:
    root = tmp_path / "there"
    root.mkdir()
    make(root)
    done = subprocess.run(command(root), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_title_that_is_no_text_is_refused(repo: Path) -> None:
    title = os.fsdecode(b"\xff")
    done = subprocess.run(
        command(repo, "--title", title), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "andon: the title is not Unicode text: check the encoding of what starts andon\n"


def test_help_teaches_the_clients_to_register_it() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "andon", "mcp", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "claude mcp add andon -- andon mcp -C /path/to/repository" in shown
    vs_code, cursor = (
        json.loads(found) for found in re.findall(r"^ +(\{\"(?:servers|mcpServers)\".*?\}\}\})", shown, re.M | re.S)
    )
    assert vs_code["servers"]["andon"]["args"] == cursor["mcpServers"]["andon"]["args"]
    codex = re.search(r"(\[mcp_servers\.andon\].*?)\n\n", shown, re.S)
    assert codex is not None
    assert tomllib.loads(codex[1])["mcp_servers"]["andon"]["args"] == ["mcp", "-C", "/path/to/repository"]


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of MCP Inspector's CLI, fetched from the npm registry."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npx is not installed, so MCP Inspector cannot be run")
    start = [npx, "--yes", INSPECTOR, "--cli"]
    try:
        fetched = subprocess.run([*start, "--help"], capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{INSPECTOR} was not fetched within five minutes")
    if fetched.returncode != 0:
        pytest.skip(f"{INSPECTOR} cannot be fetched or run here: {fetched.stderr[-300:]}")
    return start


def test_mcp_inspector_lists_calls_and_is_refused(repo: Path, inspector: list[str]) -> None:
    def inspect(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [*inspector, *command(repo), *words], capture_output=True, text=True, timeout=120, check=False
        )
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    call = ("--method", "tools/call", "--tool-name")
    assert [tool["name"] for tool in inspect("--method", "tools/list")["tools"]][:9] == CURATED
    read = inspect(*call, "read_file", "--tool-arg", "path=calc.py")
    assert (read["isError"], read["content"][0]["text"].splitlines()[0]) == (False, "calc.py: lines 1-2 of 2")
    refused = inspect(*call, "write_file", "--tool-arg", "path=auth/login.py", "--tool-arg", "content=x")
    assert refused["isError"]
    assert refused["content"][0]["text"].startswith("refused (protected-area): 'auth/login.py' is protected")

"""`andon approve` and `andon deny` as a person meets them, and what scripts get instead."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, make_repository
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitResult
from terminal_kit import Started

from andon.line.ide.approvals import ApprovalStore
from andon.records.approvals import Approval

DIGEST = "0f1e2d" + "a" * 58


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANDON_"))}
    return kept | {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def store(repo: Path, environment: dict[str, str]) -> ApprovalStore:
    return ApprovalStore.of(repo, environment)


@pytest.fixture
def asked(store: ApprovalStore) -> Approval:
    now = int(time.time())
    approval = Approval(
        id="ab12cd34",
        run_id="run-1",
        task_id="task-1",
        subject="tool",
        tool="write_file",
        role="client",
        digest=DIGEST,
        state="5" * 64,
        policy="policy-1",
        rule="build-recipe",
        question="May the MCP client call write_file?",
        shown="  | +all: \x1b[2J\u202ebad",
        asked_at=now,
        expires_at=now + 3600,
    )
    store.ask(approval)
    return approval


def piped(repo: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a controlling terminal; what is typed into its input is the right answer."""
    return subprocess.run(
        [sys.executable, "-m", "andon", *words],
        cwd=repo,
        env=environment,
        input="0f1e2d\n",
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


def typed(repo: Path, environment: dict[str, str], keys: str, *words: str) -> tuple[int, str]:
    """Run a command on a terminal of its own and type `keys` at its question."""
    process = Started([sys.executable, "-m", "andon", *words], repo, environment)
    process.answer("of the sha256 above: ", keys)
    return process.end(), process.text


@pytest.mark.parametrize(
    ("words", "answer", "reason"),
    [
        (("approve", "ab12cd34"), "once", ""),
        (("approve", "ab12cd34", "--kind"), "kind", ""),
        (("deny", "ab12cd34", "--reason", "use \x1b[2Jtox"), "deny", "use tox"),
    ],
)
def test_a_person_who_types_the_digest_answers(
    repo: Path, environment: dict[str, str], store: ApprovalStore, asked: Approval, words: tuple[str, ...], answer: str,
    reason: str,
) -> None:  # fmt: skip
    code, screen = typed(repo, environment, "0F1E2D", *words)
    answered = store.get("ab12cd34")
    assert (code, answered.answer, answered.reason, answered.channel) == (0, answer, reason, "terminal")
    assert answered.unanswered == asked
    assert f"ab12cd34: {answer}" in screen


def test_everything_is_shown_before_the_question_without_control_characters(
    repo: Path, environment: dict[str, str], asked: Approval
) -> None:
    process = Started([sys.executable, "-m", "andon", "approve", "ab12cd34"], repo, environment)
    process.expect("of the sha256 above: ")
    lines = process.raw.decode().replace("\r\n", "\n").split("\n")
    process.type("\n")
    process.end()
    assert lines[0] == "May the MCP client call write_file?"
    for line in (
        "  | +all: <U+202E>bad",
        "run      run-1 (task task-1)",
        "rule     build-recipe, policy policy-1",
        f"state    {'5' * 64}",
        f"sha256   {DIGEST}",
        "To allow exactly this, once, type the first 6 characters of the sha256 above: ",
    ):
        assert line in lines


@pytest.mark.parametrize("keys", ["", "y", "yes", "0f1e2", "0f1e2e", DIGEST])
def test_anything_else_is_no_answer(
    repo: Path, environment: dict[str, str], store: ApprovalStore, asked: Approval, keys: str
) -> None:
    code, screen = typed(repo, environment, keys, "approve", "ab12cd34")
    assert code == 2
    assert "ab12cd34 was not answered" in screen
    assert store.get("ab12cd34") == asked


@pytest.mark.parametrize("words", [("approve", "ab12cd34"), ("approve", "ab12cd34", "--kind"), ("deny", "ab12cd34")])
def test_without_a_terminal_nothing_is_answered(
    repo: Path, environment: dict[str, str], store: ApprovalStore, asked: Approval, words: tuple[str, ...]
) -> None:
    done = piped(repo, environment, *words)
    assert done.returncode == 2
    assert "there is no terminal" in done.stderr
    assert store.get("ab12cd34") == asked


def test_without_an_id_what_waits_is_listed(repo: Path, environment: dict[str, str], asked: Approval) -> None:
    done = piped(repo, environment, "approve")
    assert done.returncode == 0
    assert done.stdout.split("\n")[0] == "ab12cd34  May the MCP client call write_file?"
    assert done.stdout.split("\n")[1].endswith("minutes left, run run-1: andon approve ab12cd34")
    document = json.loads(piped(repo, environment, "approve", "--json").stdout)
    assert document == {
        "schema_version": 1,
        "waiting": [asked.model_dump(mode="json")],
        "runs": [],
        "unreadable": [],
    }


def test_where_nothing_waits_the_list_says_so(repo: Path, environment: dict[str, str]) -> None:
    assert piped(repo, environment, "approve").stdout == "nothing waits for an answer here\n"
    assert not (repo / "factory/.state").exists()


def test_a_forged_question_is_named_and_not_asked(
    repo: Path, environment: dict[str, str], store: ApprovalStore, asked: Approval
) -> None:
    path = repo / "factory/.state/approvals/ab12cd34.json"
    path.write_text(path.read_text().replace("write_file", "read_file"))
    done = piped(repo, environment, "approve")
    assert "not believed: factory/.state/approvals/ab12cd34.json" in done.stdout
    assert piped(repo, environment, "approve", "ab12cd34").returncode == 2


def test_an_answered_an_expired_and_an_unknown_question_are_refused_before_anything_is_asked(
    repo: Path, environment: dict[str, str], store: ApprovalStore, asked: Approval
) -> None:
    store.answer("ab12cd34", "deny")
    late = asked.model_copy(update={"id": "00000001", "expires_at": asked.asked_at})
    store.ask(late)
    for name, words in (
        ("ab12cd34", "was answered already: deny"),
        ("00000001", "has expired"),
        ("00000002", "nothing 00000002 waits here"),
        ("../../x", "is no id of an approval"),
    ):
        done = piped(repo, environment, "approve", name, "--json")
        assert done.returncode == 2
        assert words in done.stderr
        assert json.loads(done.stdout)["exit_code"] == 2


def test_a_kind_needs_an_id(repo: Path, environment: dict[str, str]) -> None:
    done = piped(repo, environment, "approve", "--kind")
    assert (done.returncode, done.stdout) == (2, "")


def test_help_says_what_it_is_no_protection_against(repo: Path, environment: dict[str, str]) -> None:
    said = " ".join(piped(repo, environment, "approve", "--help").stdout.split())
    assert "for a process of your own user on this machine the terminal and the digest are a speed bump" in said
    assert "could answer without you" in said


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_call_over_stdio_waits_for_the_terminal_and_then_passes(
    repo: Path, environment: dict[str, str], store: ApprovalStore, mode: str
) -> None:
    make = {"path": "Makefile", "content": "all:\n"}
    async with Client(_served(repo, environment), mode=mode) as client:
        assert (await client.call_tool("write_file", make)).is_error
        [asked] = store.waiting()[0]
        process = Started([sys.executable, "-m", "andon", "approve", asked.id], repo, environment)
        process.answer("of the sha256 above: ", asked.digest[:6])
        assert process.end() == 0
        assert not (await client.call_tool("write_file", make)).is_error
        assert (await client.call_tool("write_file", make)).is_error


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_over_stdio_that_shows_forms_is_asked_itself(
    repo: Path, environment: dict[str, str], store: ApprovalStore, mode: str
) -> None:
    shown = []

    async def form(context: Any, params: Any) -> ElicitResult:
        shown.append(params.message)
        return ElicitResult(action="accept", content={"answer": "once"})

    make = {"path": "Makefile", "content": "all:\n"}
    async with Client(_served(repo, environment), mode=mode, elicitation_callback=form) as client:
        assert not (await client.call_tool("write_file", make)).is_error
    assert [message.split("\n")[0][:39] for message in shown] == ["May the MCP client call write_file? The"]
    assert store.waiting() == ((), ())


def _served(repo: Path, environment: dict[str, str]) -> Any:
    words = ["-m", "andon", "mcp", "-C", str(repo)]
    kept = {name: environment[name] for name in ("XDG_CONFIG_HOME",)} | {"ANDON_SANDBOX": "bubblewrap"}
    return stdio_client(StdioServerParameters(command=sys.executable, args=words, env=kept))

"""What only a person may allow, in a client's session: asked, allowed once, undone until then, said in the papers."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lane_kit import SUB, SUB_TEST, git
from mcp import Client
from mcp_types import ElicitResult

from andon.line.ide.approvals import ApprovalStore
from andon.line.ide.ground import ground
from andon.line.ide.session import IdeSession
from andon.records.events import RunEvent
from andon.records.result import RunResult
from andon.sandbox.repository import Repository

MAKE = {"path": "Makefile", "content": "test:\n\tpytest\n"}
SCRIPT = "from pathlib import Path\n\nPath('Makefile').write_text('all:\\n')\nPath('made.txt').write_text('x')\n"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sessions take the tier every machine has, and a key of their own."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@dataclass
class Talk:
    session: IdeSession
    client: Client
    store: ApprovalStore
    events: list[RunEvent]

    async def call(self, tool: str, **arguments: Any) -> tuple[bool, str]:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        assert content.type == "text"
        return bool(result.is_error), content.text

    async def submit(self) -> tuple[bool, str]:
        for path, content in (("tests/test_calc.py", SUB_TEST), ("calc.py", SUB)):
            assert not (await self.call("write_file", path=path, content=content))[0]
        return await self.call("submit_change", title="Add subtraction", summary="x")

    def asked(self) -> str:
        [one] = self.store.waiting()[0]
        return one.id

    async def end(self) -> RunResult:
        return await self.session.end()


@asynccontextmanager
async def talking(root: Path, tmp_path: Path, form: Any = None) -> AsyncIterator[Talk]:
    events: list[RunEvent] = []
    base = ground(
        Repository.open(root), title="", session_id="ide-1", run_id="run-1", started=1_700_000_000, toolchain=None
    )
    session = IdeSession(base, [events.append])
    store = ApprovalStore.of(root, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    try:
        async with Client(session.server(), elicitation_callback=form) as client:
            yield Talk(session, client, store, events)
    except BaseException:
        await session.end()
        raise


async def test_a_call_allowed_at_a_terminal_passes_once_and_its_file_is_delivered(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        failed, text = await talk.call("write_file", **MAKE)
        assert failed
        assert f"a person runs `andon approve {talk.asked()}`, then make the same call again" in text
        approval = talk.asked()
        talk.store.answer(approval, "once")
        assert not (await talk.call("write_file", **MAKE))[0]
        assert (await talk.call("write_file", path="Makefile", content="all:\n"))[0]
        submitted, text = await talk.submit()
        assert not submitted, text
        result = await talk.end()
    assert git(repo, "show", f"{result.branch}:Makefile") + "\n" == MAKE["content"]
    said = f"allowed once, at a terminal (approval {approval}): write_file, rule build-recipe"
    assert said in result.warnings
    assert said in (repo / result.run_folder / "pr-body.md").read_text().replace("`", "")


async def test_a_question_nobody_answered_expires_with_the_session_and_is_said(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", **MAKE)
        approval = talk.asked()
        result = await talk.end()
    assert talk.store.waiting() == ((), ())
    assert talk.store.get(approval).expires_at <= time.time()
    assert any(warning.startswith(f"nobody answered (approval {approval}): May the MCP") for warning in result.warnings)


async def test_a_form_allows_and_the_papers_say_that_it_came_through_the_client(repo: Path, tmp_path: Path) -> None:
    async def yes(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"answer": "once"})

    async with talking(repo, tmp_path, yes) as talk:
        assert not (await talk.call("write_file", **MAKE))[0]
        result = await talk.end()
    assert any(warning.startswith("allowed once, through the client") for warning in result.warnings)
    kinds = [event.kind for event in talk.events if event.kind in ("approval.asked", "gate.answered", "tool.called")]
    assert kinds == ["approval.asked", "gate.answered", "tool.called"]


async def test_a_change_by_a_script_is_undone_and_stands_once_it_was_allowed(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", path="make_it.py", content=SCRIPT)
        _, text = await talk.call("run_command", command="python make_it.py")
        assert "held for a person (build-recipe): Makefile" in text
        approval = talk.asked()
        assert f"Makefile: this needs a person: approval {approval}" in text
        assert "  | +all:" in talk.store.get(approval).shown.split("\n")
        assert (await talk.call("read_file", path="Makefile"))[0]
        assert not (await talk.call("read_file", path="made.txt"))[0]
        assert approval in (await talk.call("run_command", command="python make_it.py"))[1]
        talk.store.answer(approval, "once")
        assert "held" not in (await talk.call("run_command", command="python make_it.py"))[1]
        assert "all:" in (await talk.call("read_file", path="Makefile"))[1]
        await talk.call("run_command", command="rm make_it.py")
        submitted, text = await talk.submit()
        assert not submitted, text
        result = await talk.end()
    assert git(repo, "show", f"{result.branch}:Makefile") == "all:"


async def test_a_weaker_test_is_held_and_delivered_once_it_was_allowed(repo: Path, tmp_path: Path) -> None:
    weaker = SUB_TEST.replace("assert add(1, 2) == 3", "assert add(1, 2)")
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", path="calc.py", content=SUB)
        _, text = await talk.call("write_file", path="tests/test_calc.py", content=weaker)
        assert "held for a person (tests): tests/test_calc.py" in text
        talk.store.answer(talk.asked(), "once")
        assert "held" not in (await talk.call("write_file", path="tests/test_calc.py", content=weaker))[1]
        failed, text = await talk.call("submit_change", title="Add subtraction", summary="x")
        assert not failed, text
        result = await talk.end()
    assert git(repo, "show", f"{result.branch}:tests/test_calc.py") + "\n" == weaker


async def test_an_allowed_content_is_no_other_content(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", path="make_it.py", content=SCRIPT)
        await talk.call("run_command", command="python make_it.py")
        talk.store.answer(talk.asked(), "once")
        await talk.call("write_file", path="make_it.py", content=SCRIPT.replace("all:", "evil:"))
        assert "held for a person (build-recipe)" in (await talk.call("run_command", command="python make_it.py"))[1]
        assert (await talk.call("read_file", path="Makefile"))[0]
        await talk.end()


async def test_a_denied_change_stays_undone_and_the_client_is_told_why(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", path="make_it.py", content=SCRIPT)
        await talk.call("run_command", command="python make_it.py")
        talk.store.answer(talk.asked(), "deny", reason="use tox")
        _, text = await talk.call("run_command", command="python make_it.py")
        assert "Makefile: this was denied: use tox" in text
        assert (await talk.call("read_file", path="Makefile"))[0]
        assert talk.store.waiting() == ((), ())
        await talk.end()


async def test_what_a_call_left_that_was_cut_off_is_not_submitted(repo: Path, tmp_path: Path) -> None:
    async with talking(repo, tmp_path) as talk:
        await talk.call("write_file", path="note.txt", content="x\n")
        # As a call leaves it that was cancelled before it was settled.
        await talk.session._workspace.sandbox.write("auth/login.py", b"x = 1\n")
        failed, text = await talk.call("submit_change", title="Note", summary="x")
        assert failed
        assert re.search(
            r"a call that was cut off left this.*held for a person \(protected-area\): auth/login\.py", text, re.S
        )
        assert "def login" in (await talk.call("read_file", path="auth/login.py"))[1]
        await talk.end()


async def test_forms_are_left_out_where_the_repository_says_so(repo: Path, tmp_path: Path) -> None:
    (repo / "factory/andon.toml").write_text("[approvals]\nelicitation = false\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "no forms")

    async def yes(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"answer": "kind"})

    async with talking(repo, tmp_path, yes) as talk:
        failed, text = await talk.call("write_file", **MAKE)
        assert failed
        assert f"andon approve {talk.asked()}" in text
        await talk.end()

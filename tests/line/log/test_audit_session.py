"""The audit log of a client's session is chained, named and held as a run's."""

from pathlib import Path
from typing import Any

import pytest
from lane_kit import SUB, SUB_TEST, git
from mcp import Client

from andon.delivery.audit_line import named_head
from andon.line.ide.ground import ground
from andon.line.ide.session import IdeSession
from andon.line.log.audit import verify
from andon.line.views.run_log import find_log
from andon.records.result import RunResult
from andon.sandbox.repository import Repository


@pytest.fixture(autouse=True)
def _bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


async def session(root: Path, *calls: tuple[str, dict[str, Any]]) -> RunResult:
    """Have a session that makes `calls`, and ends."""
    talked = IdeSession(
        ground(
            Repository.open(root), title="", session_id="ide-1", run_id="run-1", started=1_700_000_000, toolchain=None
        )
    )
    try:
        async with Client(talked.server()) as client:
            for tool, arguments in calls:
                assert not (await client.call_tool(tool, arguments)).is_error
    finally:
        result = await talked.end()
    return result


SUBMIT = ("submit_change", {"title": "Add subtraction", "summary": "added sub"})
CHANGE = [
    ("write_file", {"path": "tests/test_calc.py", "content": SUB_TEST}),
    ("write_file", {"path": "calc.py", "content": SUB}),
]


async def test_a_delivered_session_is_intact_and_named_on_its_branch(repo: Path) -> None:
    result = await session(repo, *CHANGE, SUBMIT)
    verdict = verify(find_log(repo, "ide-1"))
    assert result.audit is not None
    assert (verdict.verdict, verdict.run_id, verdict.log) == ("intact", "run-1", "factory/runs/ide-1/audit.jsonl")
    assert (verdict.events, verdict.head) == (result.audit.events, result.audit.head)
    body = git(repo, "show", f"{result.branch}:factory/runs/ide-1/pr-body.md")
    named = named_head(body)
    assert named is not None
    assert body + "\n" == (repo / "factory/runs/ide-1/pr-body.md").read_text()
    assert verdict.compared == (
        f"result.json names event {verdict.events} with the same hash",
        f"pr-body.md names event {named.events} with the same hash",
        f"pr-body.md on the branch names event {named.events} with the same hash",
    )


async def test_a_session_that_did_nothing_is_intact_in_its_own_folder(repo: Path) -> None:
    result = await session(repo)
    assert result.audit is not None
    verdict = verify(find_log(repo, "last"))
    assert (verdict.verdict, verdict.log) == ("intact", "factory/.state/runs/run-1/audit.jsonl")
    assert verdict.events == result.audit.events


async def test_what_is_shown_while_a_session_goes_on_is_its_own_log(repo: Path) -> None:
    talked = IdeSession(
        ground(
            Repository.open(repo), title="", session_id="ide-1", run_id="run-1", started=1_700_000_000, toolchain=None
        )
    )
    async with Client(talked.server()) as client:
        for tool, arguments in (*CHANGE, SUBMIT):
            await client.call_tool(tool, arguments)
        await client.call_tool("read_file", {"path": "calc.py"})
        verdict = verify(find_log(repo, "ide-1"))
        assert (verdict.verdict, verdict.log) == ("intact", "factory/.state/runs/run-1/audit.jsonl")
        assert verdict.compared[-1] == "the run goes on: this is how far it has come"
    await talked.end()

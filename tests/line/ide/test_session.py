"""A client's session over a real client: what it may do, when there is a branch, and what is kept whatever ends it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, SUB, SUB_TEST, git, make_repository
from mcp import Client
from mcp.shared.exceptions import MCPError

from andon.line.ide.ground import Ground, ground
from andon.line.ide.session import IdeSession
from andon.records.errors import UserError
from andon.records.events import RunEvent
from andon.records.result import RunResult
from andon.sandbox.repository import Repository

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sessions take the tier every machine has; what the tiers promise is tested where they are."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@dataclass
class Talk:
    """A session and a client connected to it."""

    root: Path
    session: IdeSession
    client: Client
    events: list[RunEvent]

    async def call(self, tool: str, **arguments: Any) -> tuple[bool, str]:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        assert content.type == "text"
        return bool(result.is_error), content.text

    async def change(self) -> None:
        for path, content in (("tests/test_calc.py", SUB_TEST), ("calc.py", SUB)):
            assert not (await self.call("write_file", path=path, content=content))[0]

    async def submit(self, title: str = "Add subtraction") -> tuple[bool, str]:
        return await self.call("submit_change", title=title, summary="added @sub")

    async def end(self) -> RunResult:
        return await self.session.end()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def prepared(root: Path, title: str = "") -> Ground:
    number = next(_numbers)
    return ground(
        Repository.open(root),
        title=title,
        session_id=f"ide-{number}",
        run_id=f"run-{number}",
        started=1_700_000_000,
        toolchain=None,
    )


@asynccontextmanager
async def talking(root: Path, title: str = "") -> AsyncIterator[Talk]:
    events: list[RunEvent] = []
    session = IdeSession(prepared(root, title), [events.append])
    try:
        async with Client(session.server()) as client:
            yield Talk(root, session, client, events)
    except BaseException:
        await session.end()
        raise


def papers(root: Path, result: RunResult) -> list[str]:
    return sorted(path.name for path in (root / result.run_folder).iterdir() if path.suffix != ".git")


def branches(root: Path) -> list[str]:
    return git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()


async def test_a_green_change_becomes_a_branch_with_change_and_papers(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        failed, answer = await talk.submit()
        result = await talk.end()
    branch = f"factory/{result.task_id}-add-subtraction"
    assert not failed
    assert answer.startswith(f"delivered: branch {branch}\n\ncalc.py +4 -0\ntests/test_calc.py +5 -1\n\n| check")
    assert "| passed: 1 passed | passed: 2 passed |" in answer
    assert "No review was held" in answer
    assert (result.stop_code, result.exit_code, result.branch) == ("delivered", 0, branch)
    assert git(repo, "rev-parse", branch) == result.head_commit
    assert git(repo, "rev-parse", f"{branch}~2") == git(repo, "rev-parse", "main") == result.base_commit
    assert git(repo, "diff", "--name-only", "main", f"{branch}~1").split() == ["calc.py", "tests/test_calc.py"]
    assert git(repo, "show", f"{branch}:calc.py") + "\n" == SUB
    names = ["memory.md", "pr-body.md", "proposal.md", "review.md", "test-result.json"]
    committed = git(repo, "diff", "--name-only", f"{branch}~1", branch).split()
    assert committed == [f"factory/runs/{result.task_id}/{name}" for name in names]
    words = "Checks of the change below; there was no plan and no review was held."
    assert git(repo, "log", "-1", "--format=%b", branch) == f"{words} Task: {result.task_id}"
    assert git(repo, "status", "--short", "--", ".", ":(exclude)factory") == ""


async def test_the_run_folder_holds_papers_that_say_no_review_was_held(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        await talk.submit()
        result = await talk.end()
    folder = repo / f"factory/runs/{result.task_id}"
    assert papers(repo, result) == [
        "audit.jsonl", "diff.patch", "memory.md", "pr-body.md", "proposal.md", "result.json", "review.md",
        "test-result.json",
    ]  # fmt: skip
    assert json.loads((folder / "result.json").read_text()) == result.model_dump(mode="json")
    for name in ("proposal.md", "pr-body.md", "review.md"):
        assert "No review was held and there was no plan" in (folder / name).read_text()
    body = (folder / "pr-body.md").read_text()
    assert body.startswith("**Green: everything passes.**")
    assert "added @&#8203;sub" not in body
    assert "In the client's words:\n\n> added @&#8203;sub" in (folder / "proposal.md").read_text()
    assert "plan.json" not in papers(repo, result)


async def test_events_are_those_of_a_run(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        await talk.submit()
        result = await talk.end()
    stored = [json.loads(line) for line in (repo / result.run_folder / "audit.jsonl").read_text().splitlines()]
    assert stored == [event.model_dump(mode="json") for event in talk.events]
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    kinds = [kind for kind in talk.kinds() if kind not in ("step.started", "step.ended", "warning")]
    assert kinds == [
        "run.started", "phase", "tool.called", "file.changed", "tool.called", "file.changed", "tree.taken", "phase",
        "check.ended", "check.ended", "check.ended", "check.ended", "phase", "tool.called", "tree.taken", "run.ended",
    ]  # fmt: skip
    steps = [(event.data["name"], event.data["key"]) for event in talk.events if event.kind == "step.started"]
    assert sorted(steps) == sorted([
        ("sandbox", "workspace"), ("tool:write_file", "client-1"), ("tool:write_file", "client-2"),
        ("tool:submit_change", "client-3"), ("tree", "1"), ("checks", "base-1"), ("checks", "1"), ("deliver", "1"),
        ("tree", "2"),
    ])  # fmt: skip


async def test_a_red_change_is_not_delivered_and_its_tree_is_kept(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.call("write_file", path="calc.py", content="def add(a, b):\n    return 0\n")
        failed, answer = await talk.submit("Break it")
        result = await talk.end()
    assert failed
    assert answer.startswith("not delivered (checks-failed): 1 check result failed at the head")
    assert "tests/test_calc.py::test_add" in answer
    assert "Nothing was delivered; the tree is kept" in answer
    assert (result.stop_code, result.exit_code, result.branch) == ("checks-failed", 21, None)
    assert branches(repo) == ["main"]
    assert "+    return 0" in (repo / result.run_folder / "diff.patch").read_text()
    assert result.checks is not None


async def test_a_change_of_a_base_test_waits_for_a_person(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.call("write_file", path="tests/test_calc.py", content=SUB_TEST.replace("== 3", "== 4"))
        await talk.call("write_file", path="calc.py", content=SUB.replace("a + b", "a + b + 1"))
        failed, answer = await talk.submit()
        result = await talk.end()
    assert (failed, answer.split(":")[0]) == (True, "not delivered (changed-tests)")
    assert (result.stop_code, result.exit_code, result.status) == ("changed-tests", 10, "waiting-approval")
    assert branches(repo) == ["main"]


async def test_without_tests_there_is_no_evidence_and_no_branch(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if not name.startswith("tests/")} | {"pyproject.toml": ""}
    root = make_repository(tmp_path / "bare", files)
    async with talking(root) as talk:
        await talk.call("write_file", path="calc.py", content=SUB)
        _, answer = await talk.submit()
        result = await talk.end()
    assert answer.startswith("not delivered (no-evidence)")
    assert (result.exit_code, branches(root)) == (10, ["main"])


async def test_red_as_before_is_delivered(tmp_path: Path) -> None:
    old = FILES["tests/test_calc.py"].replace("test_add", "test_plus").replace("== 3", "== 4")
    root = make_repository(tmp_path / "red", FILES | {"tests/test_old.py": old})
    async with talking(root) as talk:
        await talk.change()
        failed, _ = await talk.submit()
        result = await talk.end()
    assert not failed
    assert (result.stop_code, result.checks and result.checks.outcome) == ("delivered", "red-as-before")


async def test_an_unchanged_tree_gets_a_sentence(repo: Path) -> None:
    async with talking(repo) as talk:
        answer = await talk.submit()
        result = await talk.end()
    assert answer == (True, "nothing was submitted: no file differs from the base commit; make the change first")
    assert (result.stop_code, result.exit_code) == ("interrupted", 130)


async def test_a_protected_change_by_another_route_is_never_delivered(repo: Path) -> None:
    sneaky = "import pathlib\npathlib.Path('au' + 'th/login.py').write_text('x = 1')\n"
    async with talking(repo) as talk:
        await talk.change()
        await talk.call("write_file", path="sneak.py", content=sneaky)
        _, said = await talk.call("run_command", command="python sneak.py")
        await talk.call("run_command", command="rm sneak.py")
        failed, answer = await talk.submit()
        result = await talk.end()
    assert "held for a person (protected-area): auth/login.py" in said
    assert not failed, answer
    assert result.branch is not None
    assert git(repo, "diff", "--name-only", "main", f"{result.branch}~1").split() == ["calc.py", "tests/test_calc.py"]


async def test_a_refused_submission_can_be_mended_and_submitted_again(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.call("write_file", path="calc.py", content="def add(a, b):\n    return 0\n")
        assert (await talk.submit())[0]
        await talk.change()
        failed, _ = await talk.submit()
        result = await talk.end()
    assert not failed
    assert result.stop_code == "delivered"
    base_checks = [event for event in talk.events if event.kind == "step.started" and "base" in event.data["key"]]
    assert len(base_checks) == 1


async def test_a_second_branch_needs_another_title(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        await talk.submit()
        again = await talk.submit()
        await talk.call("write_file", path="notes.txt", content="more\n")
        other, _ = await talk.submit("Add notes as well")
        result = await talk.end()
    first = f"factory/{result.task_id}-add-subtraction"
    assert again[0]
    assert again[1].startswith(f"nothing was submitted: the branch '{first}' exists already")
    assert again[1].endswith("or submit under another title")
    assert not other
    assert branches(repo) == [f"factory/{result.task_id}-add-notes-as-well", first, "main"]
    assert result.branch == f"factory/{result.task_id}-add-notes-as-well"


async def test_what_comes_after_a_delivery_is_kept_and_said(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        await talk.submit()
        await talk.call("write_file", path="calc.py", content="def add(a, b):\n    return 0\n")
        red = await talk.submit("Break it")
        result = await talk.end()
    assert red[0]
    assert (result.stop_code, result.exit_code) == ("delivered", 0)
    assert "what was changed after the delivery was not delivered; later.patch holds it" in result.warnings
    folder = repo / result.run_folder
    assert "+    return 0" in (folder / "later.patch").read_text()
    assert "return 0" not in (folder / "diff.patch").read_text()
    assert "Add subtraction" in (folder / "proposal.md").read_text()


async def test_the_sessions_title_stands_in_for_a_missing_one(repo: Path) -> None:
    async with talking(repo, title="Add subtraction") as talk:
        await talk.change()
        failed, _ = await talk.call("submit_change", summary="added sub")
        result = await talk.end()
    assert not failed
    assert result.branch == f"factory/{result.task_id}-add-subtraction"


async def test_without_any_title_nothing_is_submitted(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        answer = await talk.call("submit_change", summary="added sub")
        await talk.end()
    assert answer == (True, "nothing was submitted: the session has no title, so give this change one")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "summary: this field is required"),
        ({"summary": ""}, "summary: String should have at least 1 character"),
        ({"summary": 3}, "summary: Input should be a valid string"),
        ({"summary": "x", "branch": "main"}, "branch: unknown field"),
        ({"summary": "x", "title": "t" * 201}, "title: String should have at most 200 characters"),
    ],
)
async def test_arguments_of_a_submission_are_judged(repo: Path, arguments: dict[str, Any], fault: str) -> None:
    async with talking(repo) as talk:
        failed, answer = await talk.call("submit_change", **arguments)
        await talk.end()
    assert failed
    assert answer.startswith(f"refused (arguments): {fault}")
    assert answer.endswith("; the arguments of submit_change are: title, summary")


async def test_status_says_what_differs_what_is_ignored_and_where_it_runs(tmp_path: Path) -> None:
    files = FILES | {".gitignore": "*.log\n", "factory/context/project-context.json": '{"protected_areas": ["zebra"]}'}
    root = make_repository(tmp_path / "ignoring", files)
    async with talking(root) as talk:
        before = await talk.call("session_status")
        await talk.change()
        await talk.call("write_file", path="debug.log", content="noise\n")
        _, status = await talk.call("session_status")
        result = await talk.end()
    head = f"session {result.task_id} on commit {result.base_commit[:12]}, sandbox: bubblewrap\n"
    assert before[1].startswith(f"{head}no file differs from the base commit\nwarnings:\n")
    assert status.startswith(f"{head}changed:\ncalc.py +4 -0\ntests/test_calc.py +5 -1\nignored, never delivered:\n")
    assert "the protected area 'zebra' matches no file" in status


async def test_rights_come_from_the_connection_and_not_from_what_a_client_says(repo: Path) -> None:
    claims: Any = {"role": "owner", "andon/role": "planner"}
    async with talking(repo) as talk:
        result = await talk.client.call_tool("write_file", {"path": "factory/x", "content": ""}, meta=claims)
        await talk.end()
    assert result.is_error
    [refused] = [event.data for event in talk.events if event.kind == "tool.refused"]
    assert (refused["role"], refused["rule"]) == ("client", "factory-folder")


async def test_a_session_nobody_used_shows_nothing(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.client.list_tools()
        result = await talk.end()
    assert (result.stop_code, result.exit_code, result.message) == (
        "interrupted",
        130,
        "The session ended without a change.",
    )
    assert not (repo / "factory/runs").exists()
    assert json.loads((repo / result.run_folder / "result.json").read_text()) == result.model_dump(mode="json")
    assert git(repo, "status", "--short") == ""


async def test_what_was_never_submitted_is_kept(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        result = await talk.end()
    assert (result.stop_code, result.exit_code) == ("interrupted", 130)
    assert [file.path for file in result.files] == ["calc.py", "tests/test_calc.py"]
    assert papers(repo, result) == ["audit.jsonl", "diff.patch", "memory.md", "result.json"]


async def test_a_change_after_a_refused_submission_drops_the_papers_of_that_submission(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.call("write_file", path="calc.py", content="def add(a, b):\n    return 0\n")
        await talk.submit()
        await talk.change()
        result = await talk.end()
    assert (result.stop_code, result.checks) == ("interrupted", None)
    assert "pr-body.md" not in papers(repo, result)
    assert "def sub" in (repo / result.run_folder / "diff.patch").read_text()


async def test_a_missing_program_is_told_at_the_first_call_and_ends_with_50(tmp_path: Path) -> None:
    settings = '[checks]\ntest = ["no-such-runner --all"]\n'
    root = make_repository(tmp_path / "odd", FILES | {"factory/andon.toml": settings})
    async with talking(root) as talk:
        assert (await talk.client.list_tools()).tools
        with pytest.raises(MCPError, match=r"the run has ended \(no-toolchain\): the sandbox has no no-such-runner"):
            await talk.call("read_file", path="calc.py")
        result = await talk.end()
    assert (result.stop_code, result.exit_code) == ("no-toolchain", 50)


async def test_papers_that_cannot_be_written_after_a_delivery_take_nothing_back(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        # A file stands where the papers are shown.
        (repo / "factory/runs").write_text("in the way")
        failed, answer = await talk.submit()
        result = await talk.end()
    assert (failed, answer.partition("\n")[0]) == (False, f"delivered: branch {result.branch}")
    assert (result.stop_code, result.exit_code, str(result.branch) in branches(repo)) == ("delivered", 0, True)
    assert any("not every paper of this delivery could be written" in warning for warning in result.warnings)


async def test_a_session_whose_end_is_cancelled_ends_all_the_same(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        ending = asyncio.ensure_future(talk.end())
        for _ in range(3):
            await asyncio.wait({ending}, timeout=0)
            ending.cancel()
        result = await ending
    assert [file.path for file in result.files] == ["calc.py", "tests/test_calc.py"]
    assert json.loads((repo / result.run_folder / "result.json").read_text()) == result.model_dump(mode="json")


async def test_without_bubblewrap_every_call_says_so_and_the_session_ends_with_50(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_git = repo.parent / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(only_git))
    async with talking(repo) as talk:
        for _ in range(2):
            with pytest.raises(MCPError, match=r"no-sandbox.*apt-get install bubblewrap"):
                await talk.submit()
        result = await talk.end()
    assert (result.stop_code, result.exit_code) == ("no-sandbox", 50)


async def test_a_cancelled_submission_leaves_nothing_and_can_be_repeated(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    async with talking(repo) as talk:
        await talk.change()
        begun = asyncio.Event()
        submitting = asyncio.create_task(
            talk.client.call_tool(
                "submit_change",
                {"title": "Add subtraction", "summary": "x"},
                progress_callback=lambda *told: _set(begun),
            )
        )
        await begun.wait()
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        failed, _ = await talk.submit()
        assert not failed
        assert len(list(temporary.iterdir())) == 1
        result = await talk.end()
    assert result.stop_code == "delivered"
    assert list(temporary.iterdir()) == []


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_head_may_move_while_a_session_goes_on(repo: Path) -> None:
    async with talking(repo) as talk:
        await talk.change()
        (repo / "later.txt").write_text("later\n")
        git(repo, "add", "later.txt")
        git(repo, "commit", "-qm", "later")
        await talk.submit()
        result = await talk.end()
    assert result.branch is not None
    assert git(repo, "rev-parse", f"{result.branch}~2") == git(repo, "rev-parse", "main~1") == result.base_commit


def test_a_clean_repository_gives_no_warning_and_a_dirty_one_is_said(repo: Path) -> None:
    assert prepared(repo).warnings == ()
    (repo / "calc.py").write_text("unfinished\n")
    [warning] = prepared(repo).warnings
    assert "uncommitted changes (calc.py)" in warning


def test_a_factory_that_leads_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "plain", {"calc.py": "x = 1\n"})
    (tmp_path / "elsewhere").mkdir()
    (root / "factory").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="factory is a symbolic link"):
        prepared(root)
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_a_client_in_circles_is_told_so_until_something_changes(repo: Path) -> None:
    async with talking(repo) as talk:
        for _ in range(5):
            assert not (await talk.call("read_file", path="calc.py"))[0]
        refused, text = await talk.call("read_file", path="calc.py")
        assert (refused, text.split(":")[0]) == (True, "refused (repeat)")
        await talk.change()
        assert not (await talk.call("read_file", path="calc.py"))[0]
        await talk.end()


async def test_a_client_may_ask_as_often_as_it_likes_for_what_a_person_has_to_answer(repo: Path) -> None:
    async with talking(repo) as talk:
        told = [await talk.call("run_command", command="frobnicate") for _ in range(7)]
        assert all(refused and "andon approve" in text for refused, text in told)
        await talk.end()

"""A client's call that only a person may allow: over the real protocol in both eras, with the real store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from mcp import Client
from mcp_types import ElicitResult

from andon.guardrails.approvals import Grants
from andon.line.ide.approvals import ApprovalStore
from andon.mcp_servers.asking import ClientAsking, Subjects
from andon.mcp_servers.toolset import Workbench, build_toolset
from andon.mcp_servers.workspace_state import state_of
from andon.records.approvals import Approval

MODES = ["legacy", "auto", "2026-07-28"]
MAKE = {"path": "Makefile", "content": "all:\n\techo 1\n"}


class Bench(Protocol):
    @property
    def workbench(self) -> Workbench: ...
    @property
    def journal(self) -> Any: ...


@dataclass
class Desk:
    """A workbench whose calls are asked about, the store of the questions, and the clock of both."""

    workbench: Workbench
    store: ApprovalStore
    asking: ClientAsking
    journal: Any
    now: list[float]

    def only(self) -> Approval:
        [one] = self.store.waiting()[0]
        return one

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.journal.events]


@dataclass
class Form:
    """The person at the client's form: answers in order, and keeps what was shown."""

    answers: list[ElicitResult]
    shown: list[str] = field(default_factory=list)

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        self.shown.append(params.message)
        return self.answers.pop(0)


def says(answer: str, reason: str = "") -> ElicitResult:
    return ElicitResult(action="accept", content={"answer": answer, "reason": reason})


Make = Callable[..., Desk]


@pytest.fixture
def make(bench: Bench, tmp_path: Path) -> Make:
    def desk(run: str = "run-1", **more: Any) -> Desk:
        now = [1000.0]
        store = ApprovalStore.of(tmp_path / "root", {"XDG_CONFIG_HOME": str(tmp_path / "config")}, lambda: now[0])
        sandbox = bench.workbench.sandbox

        async def state() -> str:
            return state_of(await sandbox.entries())

        asking = ClientAsking(
            Subjects(run, "task-1", "policy-1"),
            Grants(lambda: now[0]),
            store,
            bench.journal,
            state=state,
            read=lambda path: sandbox.read(path, limit=100_000),
            clock=lambda: now[0],
            **more,
        )
        return Desk(replace(bench.workbench, asking=asking), store, asking, bench.journal, now)

    return desk


@pytest.fixture
def desk(make: Make) -> Desk:
    return make()


async def called(client: Client, tool: str, arguments: Mapping[str, Any]) -> tuple[bool, str]:
    result = await client.call_tool(tool, dict(arguments))
    [content] = result.content
    assert content.type == "text"
    return bool(result.is_error), content.text


def client(desk: Desk, form: Form | None = None, mode: str = "auto") -> Client:
    return Client(build_toolset(desk.workbench, "client"), mode=mode, elicitation_callback=form)


async def content_of(desk: Desk, path: str) -> bytes | None:
    try:
        return await desk.workbench.sandbox.read(path, limit=1000)
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_without_forms_is_told_the_id_and_the_same_call_passes_once_after_the_answer(
    desk: Desk, mode: str
) -> None:
    async with client(desk, mode=mode) as talk:
        failed, text = await called(talk, "write_file", MAKE)
        asked = desk.only()
        assert failed
        assert f"approval {asked.id}: a person runs `andon approve {asked.id}`, then make the same call again" in text
        assert await content_of(desk, "Makefile") is None
        desk.store.answer(asked.id, "once")
        assert not (await called(talk, "write_file", MAKE))[0]
        assert await content_of(desk, "Makefile") == MAKE["content"].encode()
        assert (await called(talk, "write_file", MAKE))[0]
    assert desk.only().id != asked.id
    assert desk.kinds() == [
        "approval.asked", "tool.refused", "gate.answered", "tool.called", "approval.asked", "tool.refused",
    ]  # fmt: skip


async def test_a_question_holds_the_facts_and_the_diff_and_is_bound_to_them(desk: Desk) -> None:
    arguments = {"path": "factory/../Makefile", "content": "all:\n\x1b[2Jecho \u202e1\n"}
    async with client(desk) as talk:
        await called(talk, "write_file", arguments)
    asked = desk.only()
    assert (asked.run_id, asked.task_id, asked.subject, asked.tool, asked.role, asked.policy) == (
        "run-1", "task-1", "tool", "write_file", "client", "policy-1",
    )  # fmt: skip
    assert (asked.asked_at, asked.expires_at) == (1000, 4600)
    assert asked.question.startswith(f"May the MCP client call write_file? The rule {asked.rule} asks: ")
    assert "  | +echo <U+202E>1" in asked.shown.split("\n")
    assert all(line.startswith("  | ") for line in asked.shown.split("\n"))
    assert "\x1b" not in asked.shown


async def test_words_of_a_call_cannot_pass_for_the_question(desk: Desk) -> None:
    command = "make all\nMay the MCP client call read_file? The rule none asks: harmless"
    async with client(desk) as talk:
        await called(talk, "run_command", {"command": f"pip install -r requirements.txt # {command}"})
    [asked] = desk.store.waiting()[0]
    assert "\n" not in asked.question
    assert [line for line in asked.shown.split("\n") if not line.startswith("  | ")] == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_with_forms_is_asked_and_the_call_passes(desk: Desk, mode: str) -> None:
    form = Form([says("once")])
    async with client(desk, form, mode) as talk:
        assert await called(talk, "write_file", MAKE) == (False, "wrote Makefile: 2 lines (new file)")
    assert "May the MCP client call write_file?" in form.shown[0]
    assert "  | +\techo 1" in form.shown[0].split("\n")
    assert desk.store.waiting() == ((), ())
    [said] = desk.asking.allowed
    assert said.startswith("allowed once, through the client (approval ")


@pytest.mark.parametrize("mode", MODES)
async def test_once_is_not_twice(desk: Desk, mode: str) -> None:
    form = Form([says("once"), says("deny", "not again")])
    async with client(desk, form, mode) as talk:
        assert not (await called(talk, "write_file", MAKE))[0]
        failed, text = await called(talk, "write_file", MAKE)
    assert failed
    assert "this was denied: not again" in text
    assert len(form.shown) == 2


@pytest.mark.parametrize("mode", MODES)
async def test_a_kind_is_asked_for_once_in_a_session_and_not_for_another_rule(desk: Desk, mode: str) -> None:
    form = Form([says("kind"), says("deny")])
    async with client(desk, form, mode) as talk:
        assert not (await called(talk, "write_file", MAKE))[0]
        assert not (await called(talk, "write_file", MAKE | {"content": "all:\n"}))[0]
        assert len(form.shown) == 1
        assert (await called(talk, "write_file", {"path": "src/auth/login.py", "content": "y = 3\n"}))[0]
    assert len(form.shown) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="cancel"),
        ElicitResult(action="accept"),
        ElicitResult(action="accept", content={}),
        ElicitResult(action="accept", content={"answer": "yes"}),
        ElicitResult(action="accept", content={"answer": True}),
    ],
    ids=["cancelled", "nothing", "empty", "another word", "no word"],
)
async def test_a_form_that_says_nothing_allows_nothing_and_leaves_the_question_open(
    desk: Desk, mode: str, answer: ElicitResult
) -> None:
    async with client(desk, Form([answer]), mode) as talk:
        failed, text = await called(talk, "write_file", MAKE)
        asked = desk.only()
        assert failed
        assert f"nobody answered the question: this needs a person: approval {asked.id}" in text
        assert await content_of(desk, "Makefile") is None
        desk.store.answer(asked.id, "once")
        assert not (await called(talk, "write_file", MAKE))[0]


@pytest.mark.parametrize("mode", MODES)
async def test_a_declined_form_is_a_no_that_stands_until_the_workspace_changes(desk: Desk, mode: str) -> None:
    form = Form([ElicitResult(action="decline"), says("once")])
    async with client(desk, form, mode) as talk:
        for _ in range(2):
            failed, text = await called(talk, "write_file", MAKE)
            assert failed
            assert "this was denied: no reason was given" in text
        assert len(form.shown) == 1
        await called(talk, "write_file", {"path": "src/new.py", "content": "z = 1\n"})
        assert not (await called(talk, "write_file", MAKE))[0]


async def test_a_no_at_the_terminal_reaches_the_client_with_its_reason(desk: Desk) -> None:
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        desk.store.answer(desk.only().id, "deny", reason="use \x1b[2Jtox")
        assert "this was denied: use tox" in (await called(talk, "write_file", MAKE))[1]


async def test_an_answer_is_no_answer_to_other_arguments_or_another_tool(desk: Desk) -> None:
    edit = {"path": "Makefile", "edits": [{"old": "1", "new": "2"}]}
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        desk.store.answer(desk.only().id, "once")
        assert (await called(talk, "write_file", MAKE | {"content": "all:\n\trm -rf /\n"}))[0]
        assert (await called(talk, "edit_file", edit))[0]
        assert await content_of(desk, "Makefile") is None
        assert not (await called(talk, "write_file", MAKE))[0]


async def test_a_changed_workspace_is_asked_about_again_and_the_older_answer_is_void(desk: Desk) -> None:
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        first = desk.only()
        desk.store.answer(first.id, "once")
        await called(talk, "write_file", {"path": "src/new.py", "content": "z = 1\n"})
        assert (await called(talk, "write_file", MAKE))[0]
        second = desk.only()
        assert second.id != first.id
        assert second.state != first.state
        await called(talk, "run_command", {"command": "rm src/new.py"})
        assert (await called(talk, "write_file", MAKE))[0]
    assert desk.store.take(first.id) is None


async def test_what_tools_leave_behind_is_no_change_of_the_workspace(desk: Desk) -> None:
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        desk.store.answer(desk.only().id, "once")
        await called(talk, "run_tests", {})
        assert not (await called(talk, "write_file", MAKE))[0]


async def test_an_answer_and_a_question_expire(desk: Desk) -> None:
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        first = desk.only()
        desk.store.answer(first.id, "once")
        desk.now[0] += 3600
        assert (await called(talk, "write_file", MAKE))[0]
        second = desk.only()
        desk.now[0] += 3600
        assert (await called(talk, "write_file", MAKE))[0]
    assert len({first.id, second.id, desk.only().id}) == 3


async def test_a_kind_expires(desk: Desk) -> None:
    async with client(desk, Form([says("kind"), ElicitResult(action="cancel")])) as talk:
        assert not (await called(talk, "write_file", MAKE))[0]
        desk.now[0] += 8 * 3600
        assert (await called(talk, "write_file", MAKE))[0]


async def test_another_session_has_no_part_in_an_answer(desk: Desk, make: Make) -> None:
    other = make("run-2")
    async with client(desk) as talk, client(other) as another:
        await called(talk, "write_file", MAKE)
        desk.store.answer(desk.only().id, "once")
        assert (await called(another, "write_file", MAKE))[0]
        assert not (await called(talk, "write_file", MAKE))[0]


async def test_the_answer_to_one_call_is_none_to_another(desk: Desk) -> None:
    """A client that sends the filled-in form of an innocent call with a worse one is asked about the worse one."""
    worse = MAKE | {"content": "all:\n\trm -rf /\n"}
    async with client(desk, Form([])) as talk:
        first = await talk.session.call_tool("write_file", MAKE, allow_input_required=True)
        key = next(iter(first.input_requests))  # type: ignore[union-attr, arg-type]
        swapped = await talk.session.call_tool(
            "write_file", worse, input_responses={key: says("once")}, allow_input_required=True
        )
        assert key not in swapped.input_requests  # type: ignore[union-attr, operator]
        made_up = await talk.session.call_tool(
            "write_file", worse, input_responses={"approval-00000000": says("kind")}, allow_input_required=True
        )
        assert made_up.input_requests == swapped.input_requests  # type: ignore[union-attr]
        assert await content_of(desk, "Makefile") is None
        for allowed in (True, False):
            again = await talk.session.call_tool(
                "write_file", MAKE, input_responses={key: says("once")}, allow_input_required=True
            )
            assert (again.result_type == "complete") is allowed
    assert await content_of(desk, "Makefile") == MAKE["content"].encode()


@pytest.mark.parametrize("mode", MODES)
async def test_where_forms_are_left_out_only_a_terminal_answers(make: Make, mode: str) -> None:
    desk, form = make(forms=False), Form([])
    async with client(desk, form, mode) as talk:
        text = (await called(talk, "write_file", MAKE))[1]
        assert f"andon approve {desk.only().id}" in text
        desk.store.answer(desk.only().id, "once")
        assert not (await called(talk, "write_file", MAKE))[0]
    assert form.shown == []


async def test_a_question_taken_away_or_forged_allows_nothing_and_is_asked_anew(desk: Desk, tmp_path: Path) -> None:
    async with client(desk) as talk:
        await called(talk, "write_file", MAKE)
        path = tmp_path / "root/factory/.state/approvals" / f"{desk.only().id}.json"
        path.write_text(path.read_text().replace('"answer": null', '"answer": "once"'))
        failed, text = await called(talk, "write_file", MAKE)
        assert failed
        assert "not written by your andon" in text
        path.unlink()
        assert (await called(talk, "write_file", MAKE))[0]
        desk.store.answer(desk.only().id, "once")
        assert not (await called(talk, "write_file", MAKE))[0]


async def test_where_no_question_can_be_kept_the_call_is_refused(bench: Bench, make: Make, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/factory").symlink_to(tmp_path)
    async with client(make(), Form([says("once")])) as talk:
        failed, text = await called(talk, "write_file", MAKE)
    assert failed
    assert "cannot be asked: factory is a symbolic link" in text


async def test_an_ordinary_call_asks_nobody(desk: Desk) -> None:
    async with client(desk, Form([])) as talk:
        assert not (await called(talk, "write_file", {"path": "src/new.py", "content": "z = 1\n"}))[0]
        assert (await called(talk, "write_file", {"path": ".git/config", "content": ""}))[0]
    assert desk.kinds() == ["tool.called", "tool.refused"]

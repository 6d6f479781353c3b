"""The effect gate at the choke point: what clients read of it, what the stream keeps, and what costs nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from effect_kit import Ground, Open
from effect_kit import ground as ground
from effect_kit import open_ground as open_ground
from effect_kit import plain as plain
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from andon.mcp_servers.settle_call import watch
from andon.mcp_servers.settled import Held
from andon.mcp_servers.toolset import Workbench, build_toolset
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import RunError
from andon.records.events import EventKind
from andon.records.project import Command, ProjectSetup
from andon.records.stops import StopCode
from andon.sandbox.protocol import Entry
from andon.sandbox.start import Tier

CI = ".github/workflows/ci.yml"
_PYTEST = Command(kind="test", runner="pytest", argv=("python3", "-m", "pytest"))


class Journal:
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.events: list[tuple[EventKind, dict[str, Any]]] = []

    def emit(self, kind: EventKind, **data: Any) -> None:
        self.events.append((kind, data))

    def effects(self) -> list[tuple[EventKind, dict[str, Any]]]:
        return [(kind, data) for kind, data in self.events if kind.startswith("effect.")]


class Yes:
    """A person who allows every call that is asked about."""

    def is_open(self, call: Any, decision: Decision) -> bool:
        return False

    async def answer(self, call: Any, decision: Decision, ctx: Any) -> Decision:
        return Decision(verdict="allow", rule=decision.rule, reason="")


@pytest.fixture
def tier() -> Tier:
    """The choke point is the same above every tier."""
    return "bubblewrap"


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def workbench(ground: Ground, journal: Journal) -> Workbench:
    return Workbench(
        sandbox=ground.sandbox,
        setup=ProjectSetup(tests=[_PYTEST]),
        policy=ground.gate.policy,
        docs=lambda query: "",
        events=journal,
        effects=ground.gate,
    )


async def answered(workbench: Workbench, tool: str, role: Role = "executor", **arguments: Any) -> str:
    async with Client(build_toolset(workbench, role)) as client:
        result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def ends(workbench: Workbench, match: str) -> None:
    """Make a call after which the run has ended."""
    async with Client(build_toolset(workbench, "executor")) as client:
        with pytest.raises(MCPError, match=match):
            await client.call_tool("run_command", {"command": "python3 src/make.py"})


async def test_a_client_reads_below_the_answer_what_was_undone_and_held(
    workbench: Workbench, journal: Journal, ground: Ground
) -> None:
    script = f"for name in ('{CI}', 'a.py', '.env'): open(name, 'w').write('x')"
    await ground.sandbox.write("src/make.py", script.encode())
    text = await answered(workbench, "run_command", command="python3 src/make.py")
    held = f"'{CI}' decides how changes are built, reviewed or merged"
    secret = "'.env' may hold a secret and is closed; use an example file: .env.example"
    assert text.endswith(
        f"\n\nundone (secret-file): .env: {secret}\n"
        f"held for a person (review-control): {CI}: {held}; it is undone until a person allows it"
    )
    assert text.startswith("exit code 0")
    whose = {"tool": "run_command", "role": "executor"}
    entry = journal.effects()[1][1].pop("entry")
    assert journal.effects() == [
        ("effect.undone", {"path": ".env", "rule": "secret-file", "reason": secret, **whose}),
        ("effect.held", {"path": CI, "rule": "review-control", "reason": held, **whose}),
    ]
    assert entry.startswith("100644 ")
    changed = [(data["path"], data["how"], data["diff"]) for kind, data in journal.events if kind == "file.changed"]
    assert changed == [("a.py", "added", "@@ -0,0 +1 @@\n+x"), ("src/make.py", "added", f"@@ -0,0 +1 @@\n+{script}")]
    kinds = [kind for kind, _ in journal.events if kind != "file.changed"]
    assert kinds == ["tool.called", "effect.undone", "effect.held"]
    assert await ground.lies(f"cat {CI}; ls -A") == (
        "on: push\n.git\n.github\n.gitignore\na.py\nfactory\nlib\nrun.sh\nsrc\ntests\n"
    )


async def test_what_is_held_goes_to_whoever_asks_and_the_model_reads_what_that_one_says(
    workbench: Workbench, ground: Ground
) -> None:
    kept: list[Held] = []

    def hold(held: Sequence[Held]) -> str:
        kept.extend(held)
        return "A person is asked now."

    await ground.sandbox.write("src/make.py", f"open('{CI}', 'w').write('x')".encode())
    text = await answered(replace(workbench, hold=hold), "run_command", command="python3 src/make.py")
    assert text.endswith("; it is undone until a person allows it\nA person is asked now.")
    assert [(each.path, each.rule, each.after and each.after.content) for each in kept] == [
        (CI, "review-control", b"x")
    ]


async def test_an_ordinary_edit_is_answered_as_ever(workbench: Workbench, journal: Journal) -> None:
    text = await answered(workbench, "write_file", path="src/new.py", content="x = 1\n")
    assert ("undone" in text, "held" in text, journal.effects()) == (False, False, [])


async def test_reading_looks_at_nothing(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    entries = workbench.sandbox.entries

    async def counted() -> list[Entry]:
        looks.append("look")
        return await entries()

    monkeypatch.setattr(workbench.sandbox, "entries", counted)
    await answered(workbench, "read_file", path="src/app.py")
    await answered(workbench, "search", pattern="VALUE")
    await answered(workbench, "list_files", path=".")
    assert looks == []
    await answered(workbench, "write_file", path="src/new.py", content="x = 1\n")
    assert looks == ["look"]


async def test_the_workspace_is_looked_at_before_the_first_call_that_could_write(
    workbench: Workbench, ground: Ground, journal: Journal
) -> None:
    ground.gate.begun = False
    await ground.lies(f"echo before > {CI}")
    await answered(workbench, "run_command", command="true")
    assert (journal.effects(), await ground.lies(f"cat {CI}")) == ([], "before\n")


async def test_what_a_person_allowed_before_the_call_stands_after_it(
    workbench: Workbench, ground: Ground, journal: Journal
) -> None:
    asked = replace(workbench, asking=Yes())
    await answered(asked, "write_file", path=CI, content="on: pull_request\n")
    assert (await ground.lies(f"cat {CI}"), journal.effects()) == ("on: pull_request\n", [])
    refused = await answered(workbench, "write_file", path=CI, content="evil\n")
    assert (refused.split(":")[0], await ground.lies(f"cat {CI}")) == ("refused (review-control)", "on: pull_request\n")


async def test_a_call_that_failed_or_ran_out_of_time_is_settled_too(
    workbench: Workbench, ground: Ground, journal: Journal
) -> None:
    await ground.sandbox.write("src/make.py", f"open('{CI}', 'w').write('x')\nwhile True: pass".encode())
    text = await answered(replace(workbench, command_seconds=1.0), "run_command", command="python3 src/make.py")
    assert (text.startswith("exit code 124"), [kind for kind, _ in journal.effects()]) == (True, ["effect.held"])
    assert await ground.lies(f"cat {CI}") == "on: push\n"


async def test_what_cannot_be_undone_ends_the_run_and_is_no_tools_word(
    workbench: Workbench, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def restore(entries: object) -> None:
        raise RunError(StopCode.SANDBOX_FULL, "no room")

    monkeypatch.setattr(ground.sandbox, "restore", restore)
    await ground.sandbox.write("src/make.py", b"open('.env', 'w').write('x')")
    await ends(workbench, "sandbox-full")
    assert workbench.stop.error is not None
    assert workbench.stop.error.code is StopCode.SANDBOX_FULL


async def test_an_undo_that_did_not_take_is_noticed(
    workbench: Workbench, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def restore(entries: object) -> None:
        return None

    monkeypatch.setattr(ground.sandbox, "restore", restore)
    await ground.sandbox.write("src/make.py", b"open('.env', 'w').write('x')")
    await ends(workbench, r"sandbox-lost.*'\.env'")


async def test_reviewers_tests_leave_nothing_behind(open_ground: Open, journal: Journal) -> None:
    ground = await open_ground()
    workbench = Workbench(
        sandbox=ground.sandbox,
        setup=ProjectSetup(tests=[Command(kind="test", runner="other", argv=("sh", "make.sh"))]),
        policy=ground.gate.policy,
        docs=lambda query: "",
        events=journal,
        effects=ground.gate,
    )
    await ground.sandbox.write("make.sh", b"echo x > src/app.py\n")
    await ground.gate.begin()
    await answered(workbench, "run_tests", "reviewer")
    assert [(data["path"], data["rule"], data["role"]) for _, data in journal.effects()] == [
        ("src/app.py", "role", "reviewer")
    ]
    assert await ground.lies("cat src/app.py") == "VALUE = 1\n"


async def test_what_a_cut_off_call_left_gets_nothing_of_the_next_calls_yes(
    workbench: Workbench, journal: Journal, ground: Ground
) -> None:
    await answered(workbench, "write_file", path="src/new.py", content="x = 1\n")
    cut_off = ToolCall(tool="run_command", arguments={"command": "python3 src/make.py"}, role="executor")
    await watch(ground.gate, cut_off, journal)
    await ground.sandbox.write(CI, b"x")
    await answered(replace(workbench, asking=Yes()), "write_file", path="CODEOWNERS", content="* @us\n")
    assert await ground.lies(f"cat {CI} CODEOWNERS") == "on: push\n* @us\n"
    assert [(kind, data["path"]) for kind, data in journal.effects()] == [("effect.held", CI)]

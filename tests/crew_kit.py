"""What the agents are run with: a line that answers from lists, a real MCP server in process, an engine of JSON."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents import RunContextWrapper
from agents.mcp import MCPServer
from mcp import Client
from mcp.server.mcpserver import MCPServer as Server
from mcp_types import CallToolResult, GetPromptResult, ListPromptsResult, Tool
from pydantic import TypeAdapter

from andon.agents.replies import Start, Told, Waits
from andon.records.calls import Role
from andon.records.events import EventKind
from andon.records.parked import Parked
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.ports import Steps
from andon.records.review import Review, Specialist, SpecialistReview
from andon.records.stops import StopCode

T = TypeVar("T")
ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")
Paper = PlanPayload | ChangeReport | Review | SpecialistReview

PLAN: dict[str, Any] = {
    "summary": "Add the page.",
    "acceptance_criteria": ["The page lists entries."],
    "steps": ["Write a test.", "Write the page."],
    "files": ["page.py"],
    "tests": ["tests/test_page.py"],
    "risks": [],
}
REPORT: dict[str, Any] = {"summary": "The page is there.", "not_done": []}
MET = {"number": 1, "status": "met", "evidence": "tests/test_page.py::test_lists"}
MUST_FIX = {"severity": "must-fix", "path": "page.py", "line": 3, "problem": "An empty list fails."}
CHANGES: dict[str, Any] = {"verdict": "changes", "summary": "One gap.", "criteria": [MET], "findings": [MUST_FIX]}
NOTE = {"severity": "note", "path": "page.py", "line": 1, "problem": "No test for two pages."}
PASSED_ON: dict[str, Any] = {"summary": "Nothing to attack.", "findings": [NOTE]}
STOPPED: dict[str, Any] = {"summary": "It can be attacked.", "findings": [MUST_FIX]}
PASS: dict[str, Any] = {"verdict": "pass", "summary": "All shown.", "criteria": [MET], "findings": []}


class Recorder:
    """Events, put into a list."""

    def __init__(self, seen: list[tuple[str, dict[str, Any]]]) -> None:
        self._seen = seen

    def emit(self, kind: EventKind, **data: Any) -> None:
        self._seen.append((kind, data))


@dataclass
class StoringEngine:
    """Keeps what steps return as JSON text, and hands back what came out of the store.

    What is in `stored` beforehand is what another process has done. A step that raises is not kept.
    """

    stored: dict[str, str]
    order: list[str] = field(default_factory=list)
    """The steps begun, in order, found or made."""

    def __post_init__(self) -> None:
        self._found = len(self.stored)

    def recorded(self, name: str, key: str) -> bool:
        return f"{name}:{key}" in self.stored

    @property
    def replaying(self) -> bool:
        return len(self.order) < self._found

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        place, kind = f"{name}:{key}", TypeAdapter[T](of)
        self.order.append(place)
        if place not in self.stored:
            self.stored[place] = json.dumps(kind.dump_python(await run(), mode="json"))
        return kind.validate_python(json.loads(self.stored[place]))


@dataclass
class Line:
    """The line's part: keeps what came, answers with fixed packets, and raises what a test planted first."""

    came: list[Paper] = field(default_factory=list)
    raises: dict[str, list[Exception]] = field(default_factory=dict)
    waits: bool = False
    answers: list[Start | Told] = field(default_factory=list)
    """What a person answers to plans, in order; while there are answers, plans are asked for."""
    effects: list[Told] = field(default_factory=list)
    """What a person answers to held changes, in order."""
    permits: list[str | None] = field(default_factory=list)
    """What a person says of each call that needs one; None allows it."""
    kinds: set[str] = field(default_factory=set)
    """A permit that begins with `kind ` allows the call, and all paths that begin with the rest of it."""
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """The calls a person was asked for."""
    judged: list[str] = field(default_factory=list)
    """The paths of the calls that were judged before they were made."""
    parks: bool = False
    """True if nobody is there when a question comes up; asked again, somebody answers."""
    reviewers: tuple[Specialist, ...] = ()
    """The specialised reviewers of the lane."""
    rounds: int = 20
    """How many reviews it takes."""
    held: bool = False
    left: bool = False
    """True if the question at hand was left unanswered."""

    def needs_person(self, path: str) -> bool:
        """True if a person has to allow a call with this path."""
        return path.startswith("ask") and not any(path.startswith(kind) for kind in self.kinds)

    def called(self, path: str) -> None:
        """Note a call that was made; those that begin with `hold` are held."""
        if path.startswith("hold"):
            self.held = self.waits = True

    async def answered(self) -> Start | Told:
        self._leave("answered")
        self.waits = False
        if self.held:
            self.held = False
            return self.effects.pop(0)
        return self.answers.pop(0)

    async def allows(self, role: Role, tool: str, arguments: Mapping[str, Any]) -> str | None:
        if not self.needs_person(str(arguments.get("path"))):
            return None
        self._leave(f"{role} {tool} {dict(arguments)}")
        self.asked.append((role, tool, dict(arguments)))
        permit = self.permits.pop(0)
        if permit and permit.startswith("kind "):
            self.kinds.add(permit.removeprefix("kind "))
            return None
        return permit

    def _leave(self, gate: str) -> None:
        self.left = self.parks and not self.left
        if self.left:
            raise Parked(StopCode.NEEDS_PERSON, "A person is needed.", gate)

    def _take(self, name: str, paper: Paper) -> None:
        if planted := self.raises.get(name):
            raise planted.pop(0)
        self.came.append(paper)

    async def plan_ready(self, plan: PlanPayload) -> str:
        self._take("plan_ready", plan)
        if self.answers:
            self.waits = True
            raise Waits("A person reads the plan.")
        return "PACKET executor"

    async def change_ready(self, report: ChangeReport) -> str:
        self._take("change_ready", report)
        return "PACKET reviewer"

    @property
    def last_review(self) -> bool:
        back = sum(getattr(paper, "verdict", "") == "changes" for paper in self.came)
        return bool(back + 1 >= self.rounds)

    async def specialist_says(self, review: SpecialistReview) -> str:
        self._take("specialist_says", review)
        return f"PACKET after {review.who}"

    @property
    def stands_against(self) -> list[str]:
        looked = itertools.takewhile(lambda paper: isinstance(paper, SpecialistReview), reversed(self.came))
        return [f"{one.who} reviewer" for one in looked if isinstance(one, SpecialistReview) and one.must_fix]

    async def changes_wanted(self, review: Review) -> str:
        self._take("changes_wanted", review)
        return "PACKET repair"

    async def review_finished(self, review: Review) -> None:
        self._take("review_finished", review)


class Connection(MCPServer):
    """The connection of one role to a real MCP server in this process.

    With an `engine` every call is a step of it; with a `line` calls are judged by it before they are made.
    """

    def __init__(
        self,
        client: Client,
        log: list[str],
        faults: list[Exception],
        *,
        role: Role = "planner",
        line: Line | None = None,
        engine: Steps | None = None,
    ) -> None:
        super().__init__()
        self.calls = 0
        self._client = client
        self._log = log
        self._faults = faults
        self._role = role
        self._line = line
        self._engine = engine

    @property
    def name(self) -> str:
        return f"toolset-{self._role}"

    async def connect(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def list_tools(self, run_context: RunContextWrapper[Any] | None = None, agent: Any = None) -> list[Tool]:
        return (await self._client.list_tools()).tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        self.calls += 1
        if self._faults:
            raise self._faults[0]

        async def call() -> CallToolResult:
            self._log.append(f"{tool_name} {json.dumps(arguments)}")
            return await self._client.call_tool(tool_name, arguments)

        key = f"{self._role}-{self.calls}"
        result = await (self._engine.step(f"tool:{tool_name}", key, call, CallToolResult) if self._engine else call())
        if self._line:
            self._line.called(str((arguments or {}).get("path")))
        return result

    async def list_prompts(self) -> ListPromptsResult:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        raise NotImplementedError

    def _get_needs_approval_for_tool(self, tool: Any, agent: Any) -> Any:
        line = self._line
        if line is None:
            return False

        async def needs(_: RunContextWrapper[Any], arguments: dict[str, Any], __: str) -> bool:
            line.judged.append(str(arguments.get("path")))
            return line.needs_person(str(arguments.get("path")))

        return needs


def toolset(log: list[str]) -> Server[Any]:
    """A server with one tool that yields to the loop, so that overlapping calls would show in the log."""
    server: Server[Any] = Server("toolset")

    @server.tool(description="Read a file.")
    async def read_file(path: str) -> str:
        await asyncio.sleep(0)
        log.append(f"end {path}")
        return f"content of {path}"

    return server


@asynccontextmanager
async def connected(log: list[str]) -> AsyncIterator[Client]:
    """A client of a `toolset`. It lives in a task of its own: it must close where it was opened."""
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def own() -> None:
        async with Client(toolset(log)) as client:
            opened.set_result(client)
            await over.wait()

    owner = asyncio.create_task(own())
    client = await opened
    try:
        yield client
    finally:
        over.set()
        await owner

"""The toolset server: one factory for every client, and in front of every call the one choke point.

judge, ask where only a person may allow it, then the tool, the event, and what the tool left in the workspace. Calls on
one workbench run one after another. Nothing here imports a model SDK.
"""

import asyncio
import hashlib
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp_types.methods import serialize_server_result

from andon.guardrails.judge import ROLE_TOOLS, Policy, judge, refusal_of
from andon.guardrails.output import show_hidden
from andon.guardrails.recorded import judged_arguments
from andon.guardrails.redact import markers, without_secrets
from andon.mcp_servers.ask import Asking, NobodyAsked
from andon.mcp_servers.bindings import Binding, bind
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.meter import Meter
from andon.mcp_servers.own_tools import OwnTool, judge_own
from andon.mcp_servers.served_tools import Stop, answer, ended, served_tool
from andon.mcp_servers.settle_call import Hold, settle, watch, with_text
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.ports import Steps
from andon.records.project import ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.tools.definitions import DEFINITIONS

T = TypeVar("T")


@dataclass(frozen=True)
class Workbench:
    """What the tools of one run work on; shared by the servers of all its roles."""

    sandbox: Sandbox
    """The workspace."""
    setup: ProjectSetup
    """Which commands test the project."""
    policy: Policy
    """What the run is held to."""
    docs: Callable[[str], str]
    """Answers docs_lookup."""
    events: Events
    """Told of every call."""
    command_seconds: float = 120.0
    """Time limit of one command."""
    asking: Asking = field(default_factory=NobodyAsked)
    """Answers for a person where only a person may allow a call."""
    meter: Meter | None = None
    """Counts the calls of a run that has a budget."""
    effects: EffectGate | None = None
    """Undoes or holds what calls leave and may not; set once the workspace stands."""
    hold: Hold | None = None
    """Takes what was held, for whoever asks a person; None: nobody is asked."""
    news: Callable[[], str] = str
    """Gives what the next call has to tell of the workspace, once; empty for nothing."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the call that runs."""
    stop: Stop = field(default_factory=Stop)
    """Set once the sandbox is lost; whoever drives the run ends it with that error."""


def build_toolset(
    workbench: Workbench,
    role: Role,
    *,
    own: Sequence[OwnTool] = (),
    steps: Steps | None = None,
    instructions: str | None = None,
) -> MCPServer[Any]:
    """Return a server that lists and runs the tools of `role`, and after them `own`, every call judged first.

    A refused call answers `refused (<rule>): <reason>` as an error; one that did not work answers what went wrong. A
    `RunError` is kept in `workbench.stop` and answered as a protocol error, never as a tool's words.

    Args:
        own: Tools of whoever drives the run.
        steps: Takes every call as a step; None where the connection does so itself, as `ToolConnection`.
        instructions: What clients are told of the server when they connect.
    """
    mine = {tool.name: tool for tool in own}
    calls = itertools.count(1)

    async def choke(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method != "tools/call":
            return await call_next(ctx)

        async def call() -> HandlerResult:
            async with workbench.lock:
                run = partial(_call, workbench, role, mine, ctx, call_next)
                return await _metered(workbench, role, ctx, run, counted=role != "client")

        name, key = f"tool:{_name_of(ctx)}", f"{role}-{next(calls)}"
        try:
            return await _to_the_end(call if steps is None else lambda: steps.step(name, key, call))
        except RunError as error:
            # Of the step or of an event: a disk that is full, say.
            workbench.stop.error = error
            raise ended(error) from error

    bindings = bind(workbench.sandbox, workbench.setup, workbench.docs, workbench.command_seconds)
    edits = "edit_file" in ROLE_TOOLS[role]
    tools = [_curated(workbench, name, bindings[name], edits=edits) for name in ROLE_TOOLS[role]]
    tools += [_own(tool, workbench.stop) for tool in own]
    with _untouched_logging():
        return MCPServer(
            "andon" if role == "client" else f"andon-{role}",
            version=version("andon"),
            instructions=instructions,
            tools=tools,
            middleware=[choke],
            log_level="WARNING",
            subscriptions=False,
        )


async def _to_the_end(call: Callable[[], Awaitable[T]]) -> T:
    """Run a call so that a cancelled one is cancelled once and still ends its processes and closes its sandboxes.

    The server's scopes would interrupt every await of that cleaning up.
    """
    task = asyncio.ensure_future(call())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(task, return_exceptions=True)
        raise


async def _metered(
    workbench: Workbench,
    role: Role,
    ctx: ServerRequestContext[Any, Any],
    run: Callable[[], Awaitable[HandlerResult]],
    *,
    counted: bool,
) -> HandlerResult:
    """Count a call where its run or session does so at this place.

    Of our agents every call counts. Of a client those that are made: it may ask again for what a person has to answer.
    """
    if workbench.meter is None or workbench.stop.error is not None or not counted:
        return await run()
    name, arguments = _name_of(ctx), (ctx.params or {}).get("arguments") or {}
    facts = {"role": role, "tool": name, **_described(arguments)}
    return await workbench.meter.call(
        role, name, arguments, run, lambda decision: _refused(workbench, ctx, decision, facts)
    )


async def _call(
    workbench: Workbench,
    role: Role,
    own: Mapping[str, OwnTool],
    ctx: ServerRequestContext[Any, Any],
    call_next: CallNext,
) -> HandlerResult:
    name, arguments = _name_of(ctx), (ctx.params or {}).get("arguments") or {}
    if workbench.stop.error is not None:
        raise ended(workbench.stop.error)
    facts: dict[str, Any] = {"role": role, "tool": name, **_described(arguments)}
    if (kept := judged_arguments(name, arguments)) is not None and name not in own:
        facts["arguments"] = kept
    decision = asked = await _judged(workbench, role, own, name, arguments)
    if asked.verdict == "ask":
        answered = await workbench.asking.answer(ToolCall(tool=name, arguments=arguments, role=role), asked, ctx)
        if not isinstance(answered, Decision):
            return answered
        decision = answered
    if decision.verdict != "allow":
        return _refused(workbench, ctx, decision, facts)
    run = partial(
        _made, workbench, ToolCall(tool=name, arguments=arguments, role=role), own, ctx, call_next, asked, facts
    )
    return await _metered(workbench, role, ctx, run, counted=role == "client")


async def _made(
    workbench: Workbench,
    call: ToolCall,
    own: Mapping[str, OwnTool],
    ctx: ServerRequestContext[Any, Any],
    call_next: CallNext,
    asked: Decision,
    facts: Mapping[str, Any],
) -> HandlerResult:
    """Make a call that is allowed, and settle what it left."""
    watching = None if call.tool in own else await watch(workbench.effects, call, workbench.events)
    result = await call_next(ctx)
    # The chain below hands back what goes on the wire.
    failed = not isinstance(result, dict) or bool(result.get("isError"))
    redacted = {"redacted": found} if (found := markers(_text_of(result))) else {}
    allowed = {"allowed_by": "a person", "rule": asked.rule} if asked.verdict == "ask" else {}
    workbench.events.emit("tool.called", **facts, outcome="failed" if failed else "done", **redacted, **allowed)
    if watching is not None and workbench.stop.error is None:
        approved = set(asked.rules) if asked.verdict == "ask" else frozenset[str]()
        result = await settle(watching, call, approved, workbench.events, result, workbench.hold)
    return with_text(result, workbench.news())


def _refused(
    workbench: Workbench, ctx: ServerRequestContext[Any, Any], decision: Decision, facts: Mapping[str, Any]
) -> HandlerResult:
    workbench.events.emit("tool.refused", **facts, verdict=decision.verdict, rule=decision.rule, reason=decision.reason)
    refusal = answer(f"refused ({decision.rule}): {show_hidden(refusal_of(decision))}", is_error=True)
    # What a middleware returns is sent as it is, so it is put into the shape of the connection's era here.
    return serialize_server_result(ctx.method, ctx.protocol_version, refusal.model_dump(by_alias=True, mode="json"))


def _text_of(result: HandlerResult) -> str:
    content = result.get("content", []) if isinstance(result, dict) else []
    return "\n".join(str(part.get("text", "")) for part in content)


def _name_of(ctx: ServerRequestContext[Any, Any]) -> str:
    return str((ctx.params or {}).get("name"))


async def needs_person(
    workbench: Workbench, role: Role, own: Mapping[str, OwnTool], name: str, arguments: dict[str, Any]
) -> bool:
    """Say whether a person is to be asked before this call is made; a call that is refused is not asked for.

    Raises:
        RunError: the sandbox is dead.
    """
    async with workbench.lock:
        decision = await decide(workbench, role, own, name, arguments)
    call = ToolCall(tool=name, arguments=arguments, role=role)
    return decision.verdict == "ask" and workbench.asking.is_open(call, decision)


async def _judged(workbench: Workbench, role: Role, own: Mapping[str, OwnTool], name: str, arguments: Any) -> Decision:
    try:
        return await decide(workbench, role, own, name, arguments)
    except RunError as error:
        workbench.stop.error = error
        raise ended(error) from error


async def decide(workbench: Workbench, role: Role, own: Mapping[str, OwnTool], name: str, arguments: Any) -> Decision:
    """Return the judge's verdict on one call; whatever breaks in the judge, the call is refused.

    Raises:
        RunError: the sandbox is dead.
    """
    if name in own:
        return judge_own(own[name], arguments)
    if not isinstance(arguments, dict):
        return Decision(verdict="refuse", rule="arguments", reason="the arguments must be one JSON object")
    call = ToolCall(tool=name, arguments=arguments, role=role)
    try:
        return await judge(call, workbench.policy, workbench.sandbox.resolve)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - boundary: whatever breaks in the judge, the call does not run
        return Decision(verdict="refuse", rule="judge-failed", reason=f"the call could not be judged: {error!r}")


def _curated(workbench: Workbench, name: str, binding: Binding, *, edits: bool) -> Tool:
    definition = DEFINITIONS[name]
    description = definition.described(seconds=workbench.command_seconds, edits=edits)

    def run(arguments: Mapping[str, Any], context: Any) -> Awaitable[str]:
        return binding(arguments)

    return served_tool(name, description, definition.schema, run, workbench.stop, reads_only=definition.reads_only)


def _own(tool: OwnTool, stop: Stop) -> Tool:
    def run(arguments: Mapping[str, Any], context: Any) -> Awaitable[str]:
        told = itertools.count(1)

        async def tell(text: str) -> None:
            await context.report_progress(next(told), message=text)

        return tool.run(tool.arguments.model_validate(arguments), tell)

    return served_tool(tool.name, tool.description, tool.schema, run, stop, reads_only=False)


@contextmanager
def _untouched_logging() -> Iterator[None]:
    """Keep the root logger as it is: making a server configures it, and the face that runs us owns it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def _described(arguments: Any) -> dict[str, str]:
    """Return what events say of arguments: a digest, and the short ones in words."""
    text = json.dumps(arguments, sort_keys=True, default=str)
    short = ""
    if isinstance(arguments, dict):
        named = [
            arguments[key]
            for key in ("path", "command", "args", "pattern", "query", "select", "title")
            if key in arguments
        ]
        short = show_hidden(
            " ".join(part if isinstance(part, str) else json.dumps(part, default=str) for part in named)
        )
    return {
        "digest": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16],
        "summary": without_secrets(short[:2000])[:200],
    }

"""The one function that judges every tool call, by whatever client it came, and every changed path of a final tree."""

import json
import posixpath
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from andon.guardrails import paths
from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.credentials import check_credentials
from andon.guardrails.git_rules import git_uses, strip_globals
from andon.guardrails.origin import Origin, narrowed
from andon.guardrails.places import LEAVE, Ground, Places, judge_use
from andon.guardrails.policy_file import default_rules
from andon.guardrails.programs import command_uses
from andon.guardrails.refusal import Found, Refused, Use
from andon.guardrails.rules import RuleSet, strictest
from andon.records.base import Record
from andon.records.calls import Decision, Role, ToolCall
from andon.records.project import ProtectedRule

Resolve = Callable[[str], Awaitable[str]]
"""Follows every link of a path inside the sandbox: `Sandbox.resolve`."""

_READING = ("list_files", "search", "read_file", "git", "docs_lookup")
ROLE_TOOLS: dict[Role, tuple[str, ...]] = {
    "planner": _READING,
    "executor": tuple(ARGUMENTS),
    "reviewer": (*_READING, "run_tests"),
    "client": tuple(ARGUMENTS),
}
"""Which tools a role may call."""

_WRITING = ("edit_file", "write_file")


@dataclass(frozen=True)
class Policy:
    """What a run is held to, over the floors that nobody can loosen."""

    protected: tuple[ProtectedRule, ...] = ()
    """Areas of the project context: agents change them only where a person allows it."""
    rules: RuleSet = field(default_factory=default_rules)
    """The shipped policy with the repository's own over it."""
    locked: tuple[str, ...] = ()
    """Gitignore patterns of what this task may not touch at all."""
    tracked: frozenset[str] = frozenset()
    """Every file of the base tree; empty: not known."""
    origin: Origin = "person"
    """Who asked for the work."""

    @property
    def ground(self) -> Ground:
        """What paths are judged by."""
        return Ground(self.protected, self.rules, self.locked, self.tracked)


async def judge(call: ToolCall, policy: Policy, resolve: Resolve) -> Decision:
    """Return whether `call` may run, needs a person, or is refused; what is not understood is refused with a reason.

    Raises:
        RunError: from `resolve`, if the sandbox is dead.
    """
    found = Found()
    try:
        arguments = _arguments(call)
        check_credentials(call.arguments)
        _judge_tool(call, policy, found)
        _note_uses(call, arguments, policy, found)
        places = Places(policy.ground, call.role, call.tool, resolve)
        for use in dict.fromkeys(found.uses):
            await judge_use(use, places, found)
        return _decided(found, policy)
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)


def judge_change(path: str, policy: Policy) -> Decision:
    """Return whether a final tree may hold a change at `path` (relative to the repository)."""
    found = Found()
    try:
        Places(policy.ground, "executor", "", None).judge_write(path, found, removes=False)
        return _decided(found, policy)
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)


def refusal_of(decision: Decision) -> str:
    """Return the reason of a decision that lets nothing happen; what only a person may allow says so."""
    nobody = f" (a person would have to allow this, and nobody can be asked here; {LEAVE})"
    asked = nobody if decision.verdict == "ask" else ""
    return f"{decision.reason}{asked}"


def _decided(found: Found, policy: Policy) -> Decision:
    for asked in found.asks:
        if refused := narrowed(asked, policy.origin):
            raise refused
    if found.asks:
        reasons: dict[str, str] = {}
        for asked in found.asks:
            reasons.setdefault(asked.rule, asked.reason)
        rule, *others = reasons
        also = "".join(f"; also ({other}): {reasons[other]}" for other in others)
        return Decision(verdict="ask", rule=rule, reason=reasons[rule] + also, also=tuple(others))
    return Decision(verdict="allow", rule="default", reason="")


def _arguments(call: ToolCall) -> Record:
    model = ARGUMENTS.get(call.tool)
    if model is None:
        raise Refused("unknown-tool", f"there is no tool {call.tool!r}; there are: {', '.join(ROLE_TOOLS[call.role])}")
    if call.tool not in ROLE_TOOLS[call.role]:
        raise Refused("role", f"a {call.role} has no {call.tool}; it has: {', '.join(ROLE_TOOLS[call.role])}")
    try:
        return model.model_validate_json(json.dumps(call.arguments))
    except ValidationError as error:
        faults = "; ".join(f"{_where(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5])
        fields = ", ".join(model.model_fields)
        raise Refused("arguments", f"{faults}; the arguments of {call.tool} are: {fields}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("arguments", f"the arguments are no JSON: {error}") from error


def _where(location: Sequence[object]) -> str:
    return ".".join(map(str, location)) or "arguments"


def _judge_tool(call: ToolCall, policy: Policy, found: Found) -> None:
    rule = strictest(policy.rules.for_tool(call.tool, call.role))
    if rule is not None and rule.verdict == "deny":
        raise Refused(rule.id, rule.reason(program=call.tool))
    if rule is not None and rule.verdict == "ask":
        found.ask(rule.id, rule.reason(program=call.tool))


def _note_uses(call: ToolCall, arguments: Record, policy: Policy, found: Found) -> None:
    """Note the paths that a call names, and what of it needs a person."""
    given = arguments.model_dump()
    if call.tool == "git":
        _git(given["args"], call, policy, found)
    elif call.tool == "run_command":
        command_uses(given["command"], policy.rules, call.role, found)
    elif call.tool == "run_tests":
        found.uses += [_selected(item) for item in given["select"]]
    elif call.tool == "docs_lookup":
        _check_query(given["query"])
    else:
        found.uses.append(Use(given["path"], writes=call.tool in _WRITING))


def _git(args: Sequence[str], call: ToolCall, policy: Policy, found: Found) -> None:
    for arg in args:
        fault = paths.name_fault(arg.replace("\n", " ").replace("\t", " ") or "-")
        if fault:
            raise Refused("name", fault.replace("the path", "an argument"))
    plain, folder = strip_globals(args)
    if folder != ".":
        found.uses.append(Use(folder, writes=False))
    rule = strictest(policy.rules.for_command(["git", *plain], role=call.role, tool=call.tool))
    if rule is None:
        found.ask("git", f"no rule knows git {plain[0] if plain else ''}; read with status, diff, log, show, blame")
    elif rule.verdict == "deny":
        raise Refused(rule.id, rule.reason(program=plain[0]))
    elif rule.verdict == "ask":
        found.ask(rule.id, rule.reason(program=plain[0]))
    git_uses(plain, found, folder, reads_only=call.role in ("planner", "reviewer"))


def _selected(item: str) -> Use:
    path = item.split("::", 1)[0]
    if item.startswith("-"):
        raise Refused("arguments", f"{item!r} is an option; select takes files or ids: tests/test_a.py::test_b")
    return Use(path, writes=False)


def _check_query(query: str) -> None:
    address = re.search(
        r"\w://|^\s*[\w.-]+@|[\\\x00-\x08]|\bfile:|\bdata:|(^|\s)(\.{0,2}/[\w.]|~/)|\bwww\.|\b\d{1,3}(\.\d{1,3}){3}\b",
        query,
    )
    if address or posixpath.isabs(query.strip()):
        raise Refused("docs", "docs_lookup takes a few words or a package name, no address; nothing is fetched")

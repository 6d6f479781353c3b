"""The one function that judges every tool call, by whatever client it came, and every changed path of a final tree."""

import fnmatch
import json
import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from andon.guardrails import paths
from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.git_rules import git_uses
from andon.guardrails.programs import command_uses
from andon.guardrails.protected import match
from andon.guardrails.refusal import Refused, Use
from andon.records.base import Record
from andon.records.calls import Decision, Role, ToolCall
from andon.records.project import ProtectedRule
from andon.sandbox.protocol import WORKSPACE

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

_CLOSED_NAMES = (".git", ".env", "id_rsa", "id_ed25519", "key.pem")
_LEAVE = "leave it, and report what it kept you from under not_done"


@dataclass(frozen=True)
class Policy:
    """What a run is held to, over the floors that nobody can loosen."""

    protected: tuple[ProtectedRule, ...] = ()
    """Areas of the project context that agents may not change."""


async def judge(call: ToolCall, policy: Policy, resolve: Resolve) -> Decision:
    """Return whether `call` may run; what is not understood is refused with a reason the caller can act on.

    Raises:
        RunError: from `resolve`, if the sandbox is dead.
    """
    try:
        arguments = _arguments(call)
        for use in _uses(call.tool, arguments):
            await _judge_use(use, policy, resolve)
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)
    return Decision(verdict="allow", rule="default", reason="")


def judge_change(path: str, policy: Policy) -> Decision:
    """Return whether a final tree may hold a change at `path` (relative to the repository)."""
    try:
        _judge_write(path, policy, removes=False)
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)
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
    except (TypeError, ValueError) as error:
        raise Refused("arguments", f"the arguments are no JSON: {error}") from error


def _where(location: Sequence[object]) -> str:
    return ".".join(map(str, location)) or "arguments"


def _uses(tool: str, arguments: Record) -> Iterable[Use]:
    """Return the paths that a call of `tool` names."""
    given = arguments.model_dump()
    if tool == "git":
        return _git_uses(given["args"])
    if tool == "run_command":
        return command_uses(given["command"])
    if tool == "run_tests":
        return [_selected(item) for item in given["select"]]
    if tool == "docs_lookup":
        _check_query(given["query"])
        return []
    return [Use(given["path"], writes=tool in ("edit_file", "write_file"))]


def _git_uses(args: Sequence[str]) -> list[Use]:
    for arg in args:
        if fault := paths.name_fault(arg or "-"):
            raise Refused("name", fault.replace("the path", "an argument"))
    return git_uses(args)


def _selected(item: str) -> Use:
    path = item.split("::", 1)[0]
    if item.startswith("-"):
        raise Refused("arguments", f"{item!r} is an option; select takes files or ids: tests/test_a.py::test_b")
    return Use(path, writes=False)


def _check_query(query: str) -> None:
    if re.search(r"\w://|^\s*[\w.-]+@|[\\\x00-\x08]", query):
        raise Refused("docs", "docs_lookup takes a few words or a package name, no address; nothing is fetched")


async def _judge_use(use: Use, policy: Policy, resolve: Resolve) -> None:
    if fault := paths.name_fault(use.path):
        raise Refused("name", fault)
    if use.pattern:
        if (spelled := _braces(use.path)) != [use.path]:
            for path in spelled:
                await _judge_use(replace(use, path=path), policy, resolve)
            return
        _judge_pattern(use.path)
    if use.computed:
        _judge_computed(use.path)
        return
    real = await resolve(use.path)
    place = paths.workspace_path(real)
    if place is None:
        if not use.fallback and not (use.outside and paths.open_outside(real)):
            raise Refused("outside-workspace", f"{_shown(use.path, real)} lies outside the workspace; stay inside")
        return
    given = paths.workspace_path(posixpath.join(WORKSPACE, use.path))
    for path in dict.fromkeys((place, given or place)):
        if use.writes:
            _judge_write(path, policy, removes=use.removes)
        else:
            _judge_floors(path, writes=False)


def _judge_floors(path: str, *, writes: bool) -> None:
    if fault := paths.name_fault(path):
        raise Refused("name", fault)
    if paths.is_git(path):
        raise Refused("git-folder", f"{path!r} is git's own folder; use the git tool to read history and state")
    if paths.is_factory(path):
        instead = "leave it as it is" if writes else "its documents are answered by docs_lookup"
        raise Refused("factory-folder", f"{path!r} belongs to the factory and is closed to agents; {instead}")
    if paths.is_secret(path):
        raise Refused("secret-file", f"{path!r} may hold a secret and is closed; use an example file: .env.example")


def _judge_write(path: str, policy: Policy, *, removes: bool) -> None:
    _judge_floors(path, writes=True)
    rule = match(policy.protected, path) or (_inside(policy, path) if removes else None)
    if rule is not None:
        raise Refused("protected-area", f"{path!r} is protected by the project context ({rule.entry!r}); {_LEAVE}")


def _inside(policy: Policy, folder: str) -> ProtectedRule | None:
    """Return the rule that protects something below `folder`, which would go away with it."""
    prefix = "" if folder == "." else paths.fold(folder) + "/"
    covered = ((rule, found) for rule in policy.protected for found in rule.matches)
    return next((rule for rule, found in covered if paths.fold(found).startswith(prefix)), None)


def _judge_pattern(path: str) -> None:
    """Refuse a glob that spells a closed name in part; a bare `*` is fine, since it names nothing in particular."""
    inside = paths.workspace_path(posixpath.join(WORKSPACE, path)) or path
    for position, segment in enumerate(inside.split("/")):
        if not any(character in segment for character in "*?[") or not segment.strip("*?[]"):
            continue
        closed = (*_CLOSED_NAMES, paths.FACTORY) if position == 0 else _CLOSED_NAMES
        hit = next((name for name in closed if fnmatch.fnmatchcase(name, paths.fold(segment))), None)
        if hit:
            raise Refused("pattern", f"{path!r} also stands for {hit!r}, which is closed; name the files you mean")


def _judge_computed(path: str) -> None:
    """Judge what is plain in a path that holds an expansion."""
    if path.startswith("~"):
        raise Refused("outside-workspace", f"{path!r} lies outside the workspace; use paths inside it")
    for segment in path.split("/"):
        plain = re.sub(r"\$(\{[^}]*\}|\w+|\([^)]*\)?)", "", segment)
        _judge_floors(plain or ".", writes=True)


def _braces(path: str) -> list[str]:
    """Return what the braces of `path` stand for; ranges become `*`."""
    found = re.match(r"(.*?)\{([^{}]*)\}(.*)", path, re.DOTALL)
    if not found or not ("," in found[2] or ".." in found[2]):
        return [path]
    choices = found[2].split(",") if "," in found[2] else ["*"]
    spelled = [rest for choice in choices for rest in _braces(f"{found[1]}{choice}{found[3]}")]
    if len(spelled) > 200:
        raise Refused("pattern", f"the braces of {path!r} stand for too many names; write them out")
    return spelled


def _shown(path: str, real: str) -> str:
    return repr(path) if posixpath.normpath(path) == real else f"{path!r} (really {real!r})"

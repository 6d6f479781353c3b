"""A repository's policy as it lies there now: what it says of a call, what in it decides nothing, what it changes."""

import json
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.context.project import load_project
from andon.context.settings import load_settings
from andon.guardrails.judge import Policy, judge
from andon.guardrails.policy_file import POLICY_PATH, RepositoryPolicy, read_policy
from andon.guardrails.protected import resolve_protected
from andon.guardrails.rules import STRICTNESS, Rule, strictest
from andon.line.base_files import CommitFiles
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import UserError
from andon.sandbox.protocol import WORKSPACE
from andon.sandbox.repository import Repository

_LOGS = ("factory/runs/*/audit.jsonl", "factory/.state/runs/*/audit.jsonl")


@dataclass(frozen=True)
class Flip:
    """A recorded call that would be judged otherwise now."""

    run: str
    seq: int
    tool: str
    summary: str
    before: str
    after: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Replayed:
    """What a replay saw."""

    calls: int
    """Calls judged again."""
    skipped: int
    """Calls whose arguments were not kept."""
    runs: int
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class PolicyView:
    """The policy of the working tree over the files of the commit HEAD names."""

    root: Path
    own: RepositoryPolicy
    policy: Policy
    present: bool
    """True if there is a `factory/policy.toml`."""

    @classmethod
    def open(cls, repository: Repository) -> "PolicyView":
        """Read it.

        Raises:
            UserError: the policy, the settings or the project context cannot be read.
        """
        files = CommitFiles(repository, repository.head())
        path = repository.root / POLICY_PATH
        try:
            content = path.read_bytes() if path.is_file() else None
        except OSError as error:
            raise UserError(f"{POLICY_PATH} cannot be read: {error.strerror}. Make it readable.") from error
        own = read_policy(content)
        areas = load_project(files).context.protected_areas
        rules = resolve_protected(areas, files.paths, load_settings(files).protected_paths)
        policy = Policy(protected=tuple(rules), rules=own.rules, tracked=frozenset(files.paths))
        return cls(repository.root, own, policy, content is not None)

    async def explain(self, call: ToolCall) -> Decision:
        """Return the verdict on `call`, links followed as they lie in the working tree."""
        return await judge(call, self.policy, self._real)

    async def _real(self, path: str) -> str:
        return self._followed(path)

    def _followed(self, path: str) -> str:
        inside = posixpath.normpath(posixpath.join(WORKSPACE, path))
        if inside != WORKSPACE and not inside.startswith(WORKSPACE + "/"):
            return inside
        root = os.path.realpath(self.root)
        real = os.path.realpath(os.path.join(root, posixpath.relpath(inside, WORKSPACE)))
        return WORKSPACE + real[len(root) :] if real == root or real.startswith(root + os.sep) else real

    def problems(self) -> list[str]:
        """Return what in the repository's own rules can never matter, a sentence each."""
        own = [rule for rule in self.own.rules.rules if rule.id in self.own.own]
        return [problem for rule in own if (problem := self._problem(rule))]

    def _problem(self, rule: Rule) -> str:
        over: list[Rule] = []
        selectors = rule.commands or [pattern for pattern in rule.paths if not set("*?[") & set(pattern)]
        for selector in selectors:
            best = strictest(one for one in self._covering(rule, selector) if one.id != rule.id)
            if best is None or STRICTNESS[best.verdict] < STRICTNESS[rule.verdict]:
                return ""
            over.append(best)
        if not over:
            return ""
        kind = "contradicts" if over[0].verdict != rule.verdict else "repeats"
        more = "which is stricter, so it never decides" if kind == "contradicts" else "so it never decides"
        return f"rule {rule.id!r} ({rule.verdict}) {kind} {over[0].id!r} ({over[0].verdict}), {more}"

    def _covering(self, rule: Rule, selector: str) -> Iterator[Rule]:
        role: Role = rule.roles[0] if rule.roles else "executor"
        if rule.commands:
            yield from self.own.rules.for_command([*selector.split(), *rule.options[:1]], role=role)
        else:
            writes = rule.access != "read"
            yield from self.own.rules.for_path(selector.strip("/"), writes=writes, role=role, tool="write_file")

    async def replay(self) -> Replayed:
        """Judge the recorded calls of past runs again."""
        flips: list[Flip] = []
        calls = skipped = 0
        runs: set[str] = set()
        for run, event in self._recorded():
            data = event["data"]
            runs.add(run)
            if not isinstance(data.get("arguments"), dict):
                skipped += 1
                continue
            calls += 1
            before = "allow" if event["kind"] == "tool.called" else "ask" if data.get("verdict") == "ask" else "refuse"
            call = ToolCall(tool=data["tool"], arguments=data["arguments"], role=data["role"])
            after = await judge(call, self.policy, _as_written)
            if after.verdict != before:
                summary = str(data.get("summary", ""))
                flips.append(
                    Flip(run, event["seq"], call.tool, summary, before, after.verdict, after.rule, after.reason)
                )
        return Replayed(calls, skipped, len(runs), tuple(flips))

    def _recorded(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the calls of every log once; lines that are no events are passed over."""
        seen: set[tuple[str, int]] = set()
        for pattern in _LOGS:
            for log in sorted(self.root.glob(pattern)):
                run = log.parent.name
                for event in _events(log):
                    if event["kind"] == "run.started":
                        run = str(event["data"].get("run", run))
                    called = event["kind"] in ("tool.called", "tool.refused")
                    if called and {"tool", "role"} <= set(event["data"]) and (run, event["seq"]) not in seen:
                        seen.add((run, event["seq"]))
                        yield run, event


async def _as_written(path: str) -> str:
    """Follow no link: the workspace of a past run is gone."""
    return posixpath.normpath(posixpath.join(WORKSPACE, path))


def _events(log: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("data"), dict) and isinstance(event.get("seq"), int):
            yield event

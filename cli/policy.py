"""`andon policy`: check the repository's policy, explain a verdict, replay past calls against it."""

import argparse
import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.output import clean_text
from andon.guardrails.policy_file import POLICY_PATH
from andon.line.views.policy_view import PolicyView
from andon.records.calls import ToolCall
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_EXITS = {"allow": 0, "ask": 10, "refuse": 30}
_WORDS = {"allow": "allow", "ask": "ask", "refuse": "deny"}


def policy(args: argparse.Namespace) -> int:
    """Run one of the three and return its exit code.

    Raises:
        UserError: no repository, a policy that cannot be read, or a call that is none.
    """
    view = PolicyView.open(Repository.open(Path(args.directory)))
    return {"check": _check, "explain": _explain, "replay": _replay}[args.action](view, args)


def _check(view: PolicyView, args: argparse.Namespace) -> int:
    own, problems = view.own, view.problems()
    if args.json:
        _document(
            "check", policy=own.version, present=view.present, rules=len(own.rules.rules), own=sorted(own.own),
            loosened=list(own.changes), problems=problems,
        )  # fmt: skip
        return 2 if problems else 0
    if not view.present:
        print(f"there is no {POLICY_PATH}; the shipped policy holds")
    print(
        f"policy {own.version}: {len(own.rules.rules)} rules, {len(own.own)} of them of this repository; examples hold"
    )
    for change in own.changes:
        print(clean_text(f"loosened: {change}"))
    for problem in problems:
        print(clean_text(f"{POLICY_PATH}: {problem}"))
    return 2 if problems else 0


def _explain(view: PolicyView, args: argparse.Namespace) -> int:
    call = call_of(args.call, args.role)
    decision = asyncio.run(view.explain(call))
    if args.json:
        _document("explain", policy=view.own.version, tool=call.tool, role=call.role,
                  verdict=_WORDS[decision.verdict], rule=decision.rule, reason=decision.reason)  # fmt: skip
    else:
        because = f"\n  {decision.reason}" if decision.reason else ""
        print(clean_text(f"{_WORDS[decision.verdict]}  ({decision.rule}){because}"))
    return _EXITS[decision.verdict]


def call_of(text: str, role: str) -> ToolCall:
    """Return the call that `text` stands for: `TOOL:{JSON}`, else shell text.

    Raises:
        UserError: the JSON behind a tool's name is malformed.
    """
    tool, colon, rest = text.partition(":")
    if not (colon and tool in ARGUMENTS and rest.lstrip().startswith("{")):
        return _call("run_command", {"command": text}, role)
    try:
        arguments = json.loads(rest)
    except (ValueError, RecursionError) as error:
        raise UserError(f"what follows {tool}: is no JSON: {error}. Write {tool}:" + '{"name": value}') from error
    return _call(tool, arguments, role)


def _call(tool: str, arguments: dict[str, Any], role: str) -> ToolCall:
    try:
        return ToolCall.model_validate({"tool": tool, "arguments": arguments, "role": role})
    except ValidationError as error:
        raise UserError(f"this is no call: {error.errors()[0]['msg']}. See andon policy explain --help.") from error


def _replay(view: PolicyView, args: argparse.Namespace) -> int:
    seen = asyncio.run(view.replay())
    if not seen.calls and not seen.skipped:
        raise UserError("no run has recorded a call in factory/runs/ or factory/.state/: run a task first")
    if args.json:
        flips = [asdict(flip) | {"before": _WORDS[flip.before], "after": _WORDS[flip.after]} for flip in seen.flips]
        _document(
            "replay",
            policy=view.own.version,
            runs=seen.runs,
            calls=seen.calls,
            skipped=seen.skipped,
            flips=flips,
        )
        return 10 if seen.flips else 0
    for flip in seen.flips:
        before, after = _WORDS[flip.before], _WORDS[flip.after]
        print(clean_text(f"{flip.run} #{flip.seq}  {before} -> {after} ({flip.rule})  {flip.tool} {flip.summary}"))
    skipped = f", {seen.skipped} not judged: their arguments were not kept" if seen.skipped else ""
    print(f"{seen.calls} calls of {seen.runs} runs: {len(seen.flips)} verdicts flip{skipped}")
    return 10 if seen.flips else 0


def _document(command: str, **facts: Any) -> None:
    print(json.dumps({"schema_version": 1, "command": command, **facts}, indent=2, ensure_ascii=False))

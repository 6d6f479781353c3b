"""`andon show`: everything about one run for a person, or one of its papers."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.gate_papers import show_plan
from andon.cli.printing import ASK, console_on, say, wants_plain
from andon.cli.progress import stat_lines, used_words
from andon.delivery.checks_table import checks_table
from andon.guardrails.output import clean_text
from andon.line.resumable import can_go_on
from andon.line.views.found_run import FoundRun
from andon.line.views.run_rows import iso
from andon.line.views.runs_view import RunsView
from andon.records.checks import TestResult
from andon.records.plan import Plan
from andon.sandbox.repository import Repository

_VERSION = 1


def show(args: argparse.Namespace) -> int:
    """Print one run, or with `--paper` one of its papers, and return 0.

    Raises:
        UserError: there is no such run, or it has no such paper.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    found = FoundRun.of(repository, args.wanted, RunsView.of(repository, os.environ))
    if args.paper:
        print_paper(found.paper(args.paper))
    elif args.json:
        print_json(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        _print(found, console_on(sys.stdout, plain=wants_plain(sys.stdout)))
        flush_streams()
    return 0


def print_paper(paper: bytes) -> None:
    """Print a paper: on a terminal without control characters and what is hidden made visible, else as it is."""
    if sys.stdout.isatty():
        print(clean_text(paper.decode("utf-8", "backslashreplace")), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(paper)
    flush_streams()


def _document(found: FoundRun) -> dict[str, Any]:
    row, asked, plan = found.row, found.question, _plan(found)
    return {
        "schema_version": _VERSION,
        "run_id": found.run_id,
        "task_id": found.task_id,
        "state": _state(found),
        "task": row.task.model_dump(mode="json") if row else None,
        "run": {
            "lane": row.lane,
            "priority": row.priority,
            "branch": row.branch,
            "base_commit": row.base_commit,
            "phase": row.phase,
            "worker": row.worker,
            "host": row.host,
            "queued_at": iso(row.queued_at),
            "started_at": iso(row.started_at),
            "ended_at": iso(row.ended_at),
        }
        if row
        else None,
        "question": {
            "id": asked.id,
            "subject": asked.gate.subject,
            "question": asked.gate.question,
            "shown": asked.gate.shown,
            "expires_at": iso(asked.expires_at),
            "answer": asked.answer.kind if asked.answer else None,
            "answered_by": asked.answered_by,
        }
        if asked
        else None,
        "plan": plan.model_dump(mode="json") if plan else None,
        "result": found.result.model_dump(mode="json") if found.result else None,
        "papers": {"where": found.where, "names": list(found.papers)},
    }


def _state(found: FoundRun) -> str:
    if found.row is not None:
        return found.row.status
    return "ended" if found.result else "unknown"


def _print(found: FoundRun, console: Console) -> None:
    for name, text in (*_facts(found), *_task(found), *_asked(found)):
        say(console, (text, ASK if name == "asks" else ""), mark=f"{name:<11} ")
    if plan := _plan(found):
        show_plan(console, plan, proposed=plan.criteria_proposed)
    _change(found, console)
    if review := found.papers.get("review.md"):
        console.print()
        say(console, review.decode("utf-8", "replace").strip())
    console.print()
    for name, text in _ending(found):
        say(console, text, mark=f"{name:<11} ")


def _facts(found: FoundRun) -> Iterator[tuple[str, str]]:
    row, result = found.row, found.result
    yield "run", f"{found.run_id}, {_state(found)}"
    if row is not None:
        since = row.started_at or row.queued_at
        yield "since", iso(since) + (f", by worker {row.worker} on {row.host}" if row.status == "running" else "")
        yield "lane", f"{row.lane}, priority {row.priority}"
    yield "base", row.base_commit if row else result.base_commit if result else "unknown"
    if result and result.branch:
        yield "branch", result.branch
        yield "head", result.head_commit or "unknown"
    else:
        yield "branch", f"{row.branch}, not made yet" if row else "none"


def _task(found: FoundRun) -> Iterator[tuple[str, str]]:
    title = found.row.title if found.row else found.result.title if found.result else ""
    yield "task", f"{found.task_id}: {title}"
    if found.row is None:
        return
    task = found.row.task
    for name, texts in (
        ("accept", task.acceptance_criteria),
        ("constraint", task.constraints),
        ("locked", task.locked_paths),
    ):
        yield from ((name, text) for text in texts)
    if task.source:
        yield "source", task.source


def _asked(found: FoundRun) -> Iterator[tuple[str, str]]:
    asked = found.question
    if asked is None:
        return
    if asked.answer is not None:
        yield "answered", f"{asked.answer.kind}, by {asked.answered_by}: {asked.gate.question}"
    elif asked.run_status == "parked":
        until = f" (until {iso(asked.expires_at)})" if asked.expires_at else ""
        yield "asks", asked.gate.question
        yield "", f"andon approve {asked.id}, or andon deny {asked.id} --reason …{until}"


def _change(found: FoundRun, console: Console) -> None:
    result = found.result
    if result and result.files:
        console.print()
        for line in stat_lines(result.files):
            say(console, line, mark="  ")
    try:
        tests = TestResult.model_validate_json(found.papers["test-result.json"])
    except (KeyError, ValidationError):
        return
    console.print()
    for line in checks_table(tests.base, tests.head, tests.comparison).splitlines():
        console.print(f"  {clean_text(line)}".rstrip(), soft_wrap=True)


def _ending(found: FoundRun) -> Iterator[tuple[str, str]]:
    result = found.result
    if result is not None:
        yield "result", f"{result.stop_code} (exit {result.exit_code}): {result.message}"
        yield from (("note", warning) for warning in result.warnings)
        if result.usage.requests:
            yield "used", used_words(result.usage)
        yield from ((f"  {role}", used_words(usage)) for role, usage in result.usage_by_role.items() if usage.requests)
        if result.sandbox:
            yield "sandbox", result.sandbox
        yield "next", result.remedy
        goes_on = found.row and found.row.status == "ended" and can_go_on(result.stop_code)
        if goes_on and "andon resume" not in result.remedy:
            yield "", f"andon resume {found.run_id} goes on where it stopped"
    if found.papers:
        yield "papers", f"in {found.where}: {', '.join(found.papers)}"
        yield "", f"andon show {found.run_id} --paper NAME prints one"


def _plan(found: FoundRun) -> Plan | None:
    try:
        return Plan.model_validate_json(found.papers["plan.json"])
    except (KeyError, ValidationError):
        return None

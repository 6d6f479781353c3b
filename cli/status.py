"""`andon status`: what runs now, how the last run of each task ended, and what waits for a person."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from andon.cli.endings import open_streams, print_json
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.status import Standing, TaskStanding, standing_of, standing_of_one
from andon.line.waiting import Waiting, waiting_in
from andon.sandbox.repository import Repository

_VERSION = 1


def status(args: argparse.Namespace) -> int:
    """Print how the repository stands, or one of its tasks or runs, and return 0.

    Raises:
        UserError: there is no repository, or no such task or run in it.
    """
    open_streams()
    root = Repository.open(Path(args.directory)).root
    standing = standing_of_one(root, args.wanted) if args.wanted else standing_of(root)
    approvals = waiting_in(root, time.time())
    if args.wanted:
        approvals = _asked_by(standing, approvals)
    if args.json:
        print_json(json.dumps(_document(standing, approvals), indent=2, ensure_ascii=False))
    else:
        print("\n".join([*_lines(standing), *_questions(approvals)]))
    return 0


def _asked_by(standing: Standing, approvals: Iterable[Waiting]) -> tuple[Waiting, ...]:
    runs = {one.run_id for task in standing.tasks for one in (task.running, task.last) if one is not None}
    return tuple(one for one in approvals if one.run_id in runs)


def _questions(approvals: Iterable[Waiting]) -> Iterator[str]:
    for number, asked in enumerate(approvals):
        if number == 0:
            yield "asked, and not answered yet"
        yield f"  {_clean(asked.id)}  {_clean(asked.question)}"
        yield f"    next    andon approve {_clean(asked.id)}, or andon deny {_clean(asked.id)} --reason …"


def _document(standing: Standing, approvals: Iterable[Waiting]) -> dict[str, object]:
    return {
        "schema_version": _VERSION,
        "repository": standing.repository,
        "tasks": [asdict(task) for task in standing.tasks],
        "approvals": [asdict(asked) for asked in approvals],
        "unreadable": [{"path": path, "problem": problem} for path, problem in standing.unreadable],
    }


def _lines(standing: Standing) -> Iterator[str]:
    running = [task for task in standing.tasks if task.running]
    waiting = [task for task in standing.tasks if task.needs_person]
    failed = [task for task in standing.tasks if task.status == "stopped"]
    others = [task for task in standing.tasks if task not in running + waiting + failed]
    if not standing.tasks:
        yield f'no task and no run in {standing.repository}: start one with andon run "…"'
    yield from _section("running now", running)
    yield from _section("waiting for you", waiting)
    yield from _section("failed", failed)
    yield from _section("the others", others)
    if standing.unreadable:
        yield "not understood, and left alone"
        yield from (f"  {_clean(path)} {_clean(problem)}" for path, problem in standing.unreadable)


def _section(heading: str, tasks: Iterable[TaskStanding]) -> Iterator[str]:
    for number, task in enumerate(tasks):
        if number == 0:
            yield heading
        yield f"  {_clean(task.task_id)}  {_clean(task.title)}  [{_clean(task.status)}]"
        yield from (f"    {name:<7} {_clean(text)}" for name, text in _facts(task) if text)


def _facts(task: TaskStanding) -> Iterator[tuple[str, str]]:
    if now := task.running:
        yield "run", f"{now.run_id}, process {now.process}" + (f", since {now.since}" if now.since else "")
        yield "doing", now.doing
    if last := task.last:
        yield "last" if task.running else "ended", f"{last.stop_code} (exit {last.exit_code}): {last.message}"
        yield "branch", last.branch or ""
        yield "papers", last.papers
    yield "next", task.next_step


def _clean(text: str) -> str:
    return one_line(clean_text(text))

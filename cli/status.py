"""`andon status`: what runs now, what waits for its turn or for a person, and how the last run of each task ended."""

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from andon.cli.endings import open_streams, print_json
from andon.cli.event_lines import event_line
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.views.runs_view import RunsView
from andon.line.views.status import Standing, TaskStanding, standing_of, standing_of_one
from andon.sandbox.repository import Repository

_VERSION = 2
_SERVE = "nothing works on the queue: start `andon serve`, or work on one run with `andon resume RUN`"


def status(args: argparse.Namespace) -> int:
    """Print how the repository stands, or one of its tasks or runs, and return 0.

    Raises:
        UserError: there is no repository, no such task or run in it, or its tables cannot be read.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    view, now = RunsView.of(repository, os.environ), time.time()
    if args.wanted:
        standing = standing_of_one(repository.root, args.wanted, now, view)
    else:
        standing = standing_of(repository.root, now, view)
    if args.json:
        print_json(json.dumps(_document(standing), indent=2, ensure_ascii=False))
    else:
        print("\n".join([*_lines(standing), *_queue(standing), *_asked(standing)]))
    return 0


def _document(standing: Standing) -> dict[str, object]:
    return {
        "schema_version": _VERSION,
        "repository": standing.repository,
        "tasks": [asdict(task) for task in standing.tasks],
        "more_tasks": standing.more_tasks,
        "runs": dict(standing.counts),
        "queue": [asdict(run) for run in standing.queue],
        "lanes": [dict(lane) for lane in standing.lanes],
        "workers": [asdict(worker) for worker in standing.workers],
        "approvals": [asdict(asked) for asked in standing.approvals],
        "unreadable": [{"path": path, "problem": problem} for path, problem in standing.unreadable],
    }


def _lines(standing: Standing) -> Iterator[str]:
    running = [task for task in standing.tasks if task.running]
    waiting = [task for task in standing.tasks if task.needs_person]
    failed = [task for task in standing.tasks if task.status == "stopped"]
    others = [task for task in standing.tasks if task not in running + waiting + failed]
    if not standing.tasks and not standing.queue:
        yield f'no task and no run in {standing.repository}: start one with andon run "…"'
    yield from _section("running now", running)
    yield from _section("waiting for you", waiting)
    yield from _section("failed", failed)
    yield from _section("the others", others)
    if standing.more_tasks:
        count = "1 more task" if standing.more_tasks == 1 else f"{standing.more_tasks} more tasks"
        yield f"and {count}: `andon status TASK` shows one"
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
        where = [f"worker {now.worker}"] if now.worker else [f"process {now.process}"]
        yield "run", ", ".join([now.run_id, *where, *([f"since {now.since}"] if now.since else [])])
        yield "doing", now.doing
        yield "event", _event(now.event)
    if last := task.last:
        yield "last" if task.running else "ended", f"{last.stop_code} (exit {last.exit_code}): {last.message}"
        yield "branch", last.branch or ""
        yield "papers", last.papers or f"elsewhere: andon show {last.run_id}"
    yield "run", task.run_id if task.question else ""
    yield "asks", task.question
    yield "next", task.next_step


def _event(event: Mapping[str, object] | None) -> str:
    # A phase is told already.
    return "" if event is None or event["kind"] == "phase" else event_line(event)


def _queue(standing: Standing) -> Iterator[str]:
    waiting = standing.counts.get("queued", len(standing.queue))
    if standing.queue:
        yield f"in the queue: {waiting}"
    for run in standing.queue:
        yield f"  {_clean(run.task_id)}  {_clean(run.title)}"
        yield f"    run     {_clean(run.run_id)}, lane {_clean(run.lane)}, priority {run.priority}, since {run.since}"
        if run.waits_for:
            yield f"    waits   {_clean(run.waits_for)}"
    if waiting > len(standing.queue):
        yield f"  and {waiting - len(standing.queue)} more: `andon queue` shows them"
    if standing.queue and not any(worker.kind == "serve" for worker in standing.workers):
        yield _SERVE
    for lane in standing.lanes:
        yield f"lane {_clean(lane['name'])} is {_clean(lane['state'])}: {_clean(lane['reason'])}"
        yield f"    next    andon queue resume {_clean(lane['name'])}"


def _asked(standing: Standing) -> Iterator[str]:
    """Tell the questions that stand at no task."""
    told = {task.run_id for task in standing.tasks if task.question}
    for number, asked in enumerate(one for one in standing.approvals if one.run_id not in told):
        if number == 0:
            yield "asked, and not answered yet"
        yield f"  {_clean(asked.id)}  {_clean(asked.question)}"
        yield f"    next    andon approve {_clean(asked.id)}, or andon deny {_clean(asked.id)} --reason …"


def _clean(text: str) -> str:
    return one_line(clean_text(text))

"""`andon add`: tasks into the queue; what a run could not begin with is refused here."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.intake.intent import task_from_intent
from andon.intake.queue import QUEUE_PATH, find, load_queue
from andon.line.db import runs, workers
from andon.line.db.database import Database, database_url
from andon.line.db.lanes import Lane, lane
from andon.line.db.runs import AlreadyQueued, Run, RunOptions
from andon.line.durable.queueing import new_run_id, planned, put_in
from andon.line.job import queue_path
from andon.line.views.queue_view import NOBODY_WORKS
from andon.records.errors import UserError
from andon.records.task import Task
from andon.sandbox.repository import Repository

_VERSION = 1
_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class _Added:
    run: Run
    added: bool
    """False: a run of the same source was there."""


def add(args: argparse.Namespace) -> int:
    """Queue what the arguments name and return 0, also where all of it was queued already.

    Raises:
        UserError: nothing was queued.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    tasks, queued = _tasks(repository, args)
    options = RunOptions(
        model=args.model,
        planner=args.planner_model,
        executor=args.executor_model,
        reviewer=args.reviewer_model,
        stream=args.stream,
        sandbox=args.sandbox,
        queued=queued,
        started=int(time.time()),
    )
    # All of them before the first row, so that a mistake in the last one queues nothing.
    news = [
        planned(
            repository,
            task,
            lane=args.lane,
            priority=args.priority,
            source_key=args.source.strip() or None,
            options=options,
            environment=os.environ,
        )
        for task in tasks
    ]
    db = Database.open(database_url(os.environ, repository.root))
    try:
        done = []
        for new in news:
            try:
                done.append(_Added(put_in(db, repository, new), added=True))
            except AlreadyQueued as error:
                done.append(_Added(runs.get(db, error.run_id), added=False))
        serving = sum(one.kind == "serve" for one in workers.alive(db))
        _tell(done, lane(db, news[0].repository, args.lane), serving, as_json=args.json)
    finally:
        db.close()
    return 0


def _tasks(repository: Repository, args: argparse.Namespace) -> tuple[list[Task], bool]:
    """Return what is to be queued, and whether it stands in queue.json."""
    if args.all and args.task is not None:
        raise UserError("--all adds every pending task of queue.json: name no task beside it")
    if args.task is None and not args.all:
        raise UserError('say what to add: a sentence as in `andon add "Add a page"`, a task id, or --all')
    if args.task is not None and not _TASK_ID.fullmatch(args.task):
        return [_from_words(args)], False
    extras: Sequence[str] = [*args.accept, *args.constraint, *args.context, *args.lock, *filter(None, [args.source])]
    if extras:
        raise UserError(
            "--accept, --constraint, --context, --lock and --source go with a sentence; a task of queue.json has "
            "its own"
        )
    path = queue_path(repository)
    if not path.exists():
        raise UserError(f'there is no {QUEUE_PATH}: write one, or give the intent as a sentence: andon add "…"')
    queue = load_queue(path)
    if args.task is not None:
        return [find(queue, args.task)], True
    pending = [task for task in queue.tasks if task.status == "pending"]
    if not pending:
        raise UserError(f"no task in {QUEUE_PATH} is pending: add one, or name a task id")
    return pending, True


def _from_words(args: argparse.Namespace) -> Task:
    if not args.task.strip():
        raise UserError('the intent is empty: say what must be different afterwards, as in `andon add "Add …"`')
    task = task_from_intent(
        args.task,
        accept=args.accept,
        context=args.context,
        constraints=args.constraint,
        locked=args.lock,
        id_seed=new_run_id(),
    )
    # Whoever names a source passes on what somebody else wrote.
    return task.model_copy(update={"source": args.source.strip()})


def _tell(done: Sequence[_Added], where: Lane, serving: int, *, as_json: bool) -> None:
    out = sys.stderr if as_json else sys.stdout
    for one in done:
        for line in _lines(one):
            print(one_line(clean_text(line)) if line[0] != " " else f"  {one_line(clean_text(line))}", file=out)
    if where.state != "open":
        reason = one_line(clean_text(where.reason)) or "no reason was given"
        print(f"lane {where.name} is {where.state}: {reason}", file=out)
        print(f"  nothing queued in it begins until somebody runs: andon queue resume {where.name}", file=out)
    if not serving:
        print(NOBODY_WORKS, file=out)
    if as_json:
        print_json(json.dumps(_document(done, where, serving), indent=2, ensure_ascii=False))
    flush_streams()


def _lines(one: _Added) -> list[str]:
    run = one.run
    if not one.added:
        return [f"already queued as {run.id} ({run.status}): {run.title}"]
    said = [f"queued {run.task_id} as {run.id}, lane {run.lane}, priority {run.priority}: {run.title}"]
    return [*said, *(f"  warning: {text}" for text in run.options.warnings)]


def _document(done: Sequence[_Added], where: Lane, serving: int) -> dict[str, object]:
    names = ("task_id", "title", "lane", "priority", "branch", "base_commit", "provider")
    closed = [{"name": where.name, "state": where.state, "reason": where.reason}]
    return {
        "schema_version": _VERSION,
        "repository": done[0].run.repository,
        "runs": [
            {"added": one.added, "run_id": one.run.id}
            | {name: getattr(one.run, name) for name in names}
            | {"warnings": one.run.options.warnings}
            for one in done
        ],
        "lanes": [] if where.state == "open" else closed,
        "workers": serving,
        "exit_code": 0,
    }

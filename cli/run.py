"""`andon run`: find the task, put its run into the queue, and see it to its end."""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from andon.cli.endings import open_streams
from andon.cli.events_out import refuse_both
from andon.cli.going_on import go_on, person_at
from andon.cli.stop import person
from andon.cli.to_its_end import finish, run_to_end
from andon.context.settings import load_settings
from andon.intake.intent import task_from_intent
from andon.intake.queue import find, load_queue, next_pending
from andon.line.base_files import CommitFiles
from andon.line.db import messages, runs, workers
from andon.line.db.database import Database, database_url
from andon.line.db.runs import AlreadyQueued, NewRun, Run, RunOptions
from andon.line.durable.queueing import new_run_id, planned, put_in
from andon.line.durable.worker_ids import bury
from andon.line.job import queue_path
from andon.line.live import ModelFlags, choose_models
from andon.records.errors import RunError, UserError
from andon.records.stops import MEANINGS
from andon.records.task import Task
from andon.sandbox.repository import Repository

__all__ = ["finish", "go_on", "model_flags", "new_run_id", "person_at", "run", "run_to_end"]

_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FIRST = 0
"""The priority of what a person waits for."""


def run(args: argparse.Namespace) -> int:
    """Run the task the arguments name and return its exit code.

    Raises:
        UserError: no run could begin.
    """
    open_streams()
    refuse_both(args)
    repository = Repository.open(Path(args.directory))
    task, queued = _task(repository, args)
    new = planned(repository, task, priority=_FIRST, options=_options(args, queued=queued), environment=os.environ)
    try:
        db = Database.open(database_url(os.environ, repository.root))
        row = _queued(db, repository, new, args)
    except RunError as error:
        raise UserError(f"no run could begin: {error} {MEANINGS[error.code].remedy}") from error
    try:
        return go_on(db, row.id, args)
    except (KeyboardInterrupt, UserError):
        if row.id == new.id and runs.get(db, row.id).status == "queued":
            # It could not begin, which is what the person is told: nobody shall find it in the queue later.
            messages.stop(db, row.id, person())
        raise
    finally:
        db.close()


def _queued(db: Database, repository: Repository, new: NewRun, args: argparse.Namespace) -> Run:
    """Put the run into the queue and return its row, or that of the task's run that has not ended."""
    if not any(worker.kind == "serve" for worker in workers.alive(db)):
        # The run is worked on here: what is missing for a model to answer is said before anything is written.
        settings = load_settings(CommitFiles(repository, new.base_commit))
        choose_models(settings, model_flags(args), os.environ, where=repository.root)
    try:
        return put_in(db, repository, new)
    except AlreadyQueued as error:
        row = _begun_before(db, error)
        print(f"andon: {row.task_id} has run {row.id} already, which goes on now", file=sys.stderr, flush=True)
        return row


def _begun_before(db: Database, error: AlreadyQueued) -> Run:
    """Return the run of the task that has not ended, if it is not going on somewhere.

    Raises:
        UserError: it is going on; says how to follow it.
    """
    bury(db)
    row = runs.get(db, error.run_id)
    if row.status == "running" and any(worker.id == row.worker for worker in workers.alive(db)):
        raise UserError(
            f"another run of {row.task_id} is going on (run {row.id}, worker {row.worker}): wait for its end, "
            f"`andon log -f {row.id}` follows it, `andon stop {row.id}` ends it"
        )
    return row


def _options(args: argparse.Namespace, *, queued: bool) -> RunOptions:
    flags = model_flags(args)
    return RunOptions(
        model=flags.model,
        planner=flags.planner,
        executor=flags.executor,
        reviewer=flags.reviewer,
        stream=flags.stream,
        sandbox=args.sandbox,
        queued=queued,
        started=int(time.time()),
    )


def model_flags(args: argparse.Namespace) -> ModelFlags:
    """Return what the arguments say of the models."""
    return ModelFlags(
        model=args.model,
        planner=args.planner_model,
        executor=args.executor_model,
        reviewer=args.reviewer_model,
        stream=args.stream,
    )


def _task(repository: Repository, args: argparse.Namespace) -> tuple[Task, bool]:
    extras = [*args.accept, *args.constraint, *args.context, *args.lock]
    if args.task is not None and not _TASK_ID.fullmatch(args.task):
        if not args.task.strip():
            raise UserError('the intent is empty: say what must be different afterwards, as in `andon run "Add …"`')
        intent = task_from_intent(
            args.task,
            accept=args.accept,
            context=args.context,
            constraints=args.constraint,
            locked=args.lock,
            id_seed=new_run_id(),
        )
        return intent, False
    if extras:
        raise UserError("--accept, --constraint, --context and --lock go with a sentence; a queued task has its own")
    path = queue_path(repository)
    if not path.exists():
        raise UserError(
            f"there is no {path.relative_to(repository.root)}: write one, or give the intent as a sentence of several "
            'words, as in `andon run "Add a watchlist page"`'
        )
    queue = load_queue(path)
    if args.task is not None:
        return find(queue, args.task), True
    task = next_pending(queue)
    if task is None:
        running = [task.id for task in queue.tasks if task.status == "running"]
        killed = (
            f" ({', '.join(running)}: marked as running, by a run that may have been killed: name the task to go on)"
            if running
            else ""
        )
        raise UserError(
            f"no task in {path.relative_to(repository.root)} is pending: add one, or name a task id{killed}"
        )
    return task, True

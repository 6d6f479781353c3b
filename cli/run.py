"""`andon run`: find the task, run it, say how it ended."""

import argparse
import asyncio
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from andon.cli.progress import Progress, print_ending
from andon.intake.intent import task_from_intent
from andon.intake.queue import find, load_queue, next_pending
from andon.line.engine import Answer, Gate
from andon.line.job import prepare, queue_path
from andon.line.live import live_answerer
from andon.line.run import run_job
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.records.task import Task
from andon.sandbox.repository import Repository

_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def run(args: argparse.Namespace) -> int:
    """Run the task the arguments name and return its exit code.

    Raises:
        UserError: no run could begin.
    """
    repository = Repository.open(Path(args.directory))
    task, queued = _task(repository, args)
    job = prepare(repository, task, run_id=new_run_id(), started=int(time.time()), queued=queued, toolchain=None)
    answerer = live_answerer(job.settings, args.model, os.environ)
    ask = None if args.headless or args.json or not sys.stdin.isatty() else _ask
    progress = Progress(sys.stderr)
    result = run_to_end(lambda: run_job(job, answerer, listeners=[progress.show], ask=ask))
    return finish(result, repository.root, as_json=args.json)


def finish(result: RunResult, root: Path, *, as_json: bool) -> int:
    """Print how a run ended, for people or as the one JSON document, and return its exit code."""
    print_ending(result, root, sys.stderr if as_json else sys.stdout)
    if as_json:
        print(result.model_dump_json(indent=2))
    return result.exit_code


def new_run_id() -> str:
    """Return an id that sorts by time and never repeats."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


def run_to_end(make: Callable[[], Awaitable[RunResult]]) -> RunResult:
    """Run to a result; Ctrl-C and SIGTERM cancel the run, which ends with its report."""

    async def body() -> RunResult:
        task = asyncio.ensure_future(make())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(body())


def _task(repository: Repository, args: argparse.Namespace) -> tuple[Task, bool]:
    extras: Sequence[str] = [*args.accept, *args.constraint, *args.context]
    if args.task is not None and not _TASK_ID.fullmatch(args.task):
        if not args.task.strip():
            raise UserError('the intent is empty: say what must be different afterwards, as in `andon run "Add …"`')
        intent = task_from_intent(
            args.task, accept=args.accept, context=args.context, constraints=args.constraint, id_seed=new_run_id()
        )
        return intent, False
    if extras:
        raise UserError("--accept, --constraint and --context go with a sentence; a queued task has its own")
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
        raise UserError(f"no task in {path.relative_to(repository.root)} is pending: add one, or name a task id")
    return task, True


async def _ask(gate: Gate) -> Answer:
    said = await asyncio.to_thread(input, f"\n{gate.shown}\n{gate.question} [y/N] ")
    return Answer("yes" if said.strip().lower() in ("y", "yes") else "no")

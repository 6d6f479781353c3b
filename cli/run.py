"""`andon run`: find the task, run it, say how it ended."""

import argparse
import asyncio
import os
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from andon.cli.endings import catch_signals, flush_streams, open_streams, print_document
from andon.cli.progress import papers_of, print_ending, watching
from andon.intake.intent import task_from_intent
from andon.intake.queue import find, load_queue, next_pending
from andon.line.steps import Ask
from andon.line.job import Job, prepare, queue_path
from andon.line.live import ModelFlags, live_answerer
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
    open_streams()
    repository = Repository.open(Path(args.directory))
    task, queued = _task(repository, args)
    job = prepare(
        repository,
        task,
        run_id=new_run_id(),
        started=int(time.time()),
        queued=queued,
        toolchain=None,
        tier=args.sandbox,
    )
    with watching(sys.stderr, repository.root, plain=args.plain) as view:

        async def live() -> RunResult:
            async with live_answerer(job.settings, model_flags(args), os.environ, root=repository.root) as answerer:
                return await run_job(job, answerer, listeners=[view.show], ask=_asker(args, job))

        result = run_to_end(live, tell=view.tell)
    return finish(result, repository.root, as_json=args.json)


def finish(result: RunResult, root: Path, *, as_json: bool) -> int:
    """Print how a run ended, for people or as the one JSON document, and return its exit code.

    The code is the run's also where nobody reads: a closed stdout or stderr takes nothing back.
    """
    with suppress(OSError):
        print_ending(result, root, sys.stderr if as_json else sys.stdout)
    if as_json:
        print_document(result)
    flush_streams()
    return result.exit_code


def new_run_id() -> str:
    """Return an id that sorts by time and never repeats."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


def _tell(text: str) -> None:
    print(f"andon: {text}", file=sys.stderr, flush=True)


def run_to_end(make: Callable[[], Awaitable[RunResult]], *, tell: Callable[[str], None] = _tell) -> RunResult:
    """Run to a result; the first Ctrl-C, SIGTERM or hang-up cancels the run, which ends with its report.

    Further ones change nothing: what is being kept and removed is short. They are still taken care of when this has
    returned, so that the result is printed whole. `tell` says a sentence of andon's own to the person.
    """

    async def body() -> RunResult:
        task = asyncio.ensure_future(make())
        catch_signals(_Stopping(asyncio.get_running_loop(), task, tell))
        return await task

    return asyncio.run(body())


class _Stopping:
    """The handler of the signals that end a run."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, task: "asyncio.Future[RunResult]", tell: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._task = task
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A closed loop has nothing left to cancel.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._asked or self._task.done():
            return
        self._asked = True
        with suppress(OSError):
            self._tell("stopping, keeping the tree and the report …")
        self._task.cancel()


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
    extras: Sequence[str] = [*args.accept, *args.constraint, *args.context, *args.lock]
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
        killed = f" ({', '.join(running)}: marked as running, by a run that may have been killed)" if running else ""
        raise UserError(
            f"no task in {path.relative_to(repository.root)} is pending: add one, or name a task id{killed}"
        )
    return task, True


def _asker(args: argparse.Namespace, job: Job) -> Ask | None:
    """Return who is asked at gates; nobody without a terminal to type on and to read from."""
    out = None if args.headless or args.json else person_at(sys.stdin)
    if out is None:
        return None
    # Imported here: what it needs is of use to a person only.
    from andon.cli.questions import Questions

    papers = papers_of(job.repository.root, job.run_id)
    return Questions(sys.stdin, out, papers, proposed=not job.task.acceptance_criteria, plain=args.plain)


def person_at(stdin: TextIO) -> TextIO | None:
    """Return where a person who types on `stdin` reads questions, or None if nobody is there."""
    return next((out for out in (sys.stderr, sys.stdout) if out.isatty()), None) if stdin.isatty() else None

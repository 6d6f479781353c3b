"""`andon serve`: a worker until it is told to leave."""

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from andon.cli.endings import catch_signals, flush_streams, open_streams
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.db.database import VARIABLE, Database, database_url
from andon.line.durable.checkouts import own_state
from andon.line.durable.notices import Notice
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import new_worker_id
from andon.records.errors import RunError
from andon.records.stops import MEANINGS
from andon.sandbox.repository import Repository

_VERSION = 1
_RUNS = {
    "began": "began",
    "parked": "waits for a person",
    "ended": "ended",
    "put-back": "back in the queue",
    "lost": "another worker has it",
}
"""What is said of a run."""


def serve(args: argparse.Namespace) -> int:
    """Work on queued runs until a signal comes or, with --once, nothing can be begun; return the exit code.

    Raises:
        UserError: there is no database here, it cannot be reached, or the engine cannot write beside it.
    """
    open_streams()
    db: Database | None = None
    try:
        db = Database.open(database_url(os.environ, _root(args.directory)))
        state = Path(args.state).absolute() if args.state else own_state(os.environ)
        asyncio.run(_serve(db, state, args, _Said(as_json=args.json)))
    except RunError as error:
        print(f"andon: {clean_text(str(error))} {MEANINGS[error.code].remedy}", file=sys.stderr)
        return MEANINGS[error.code].exit_code
    finally:
        if db is not None:
            db.close()
        flush_streams()
    return 0


async def _serve(db: Database, state: Path, args: argparse.Namespace, say: "_Said") -> None:
    # Imported here: a person who mistyped the database waits for no lane to load.
    from andon.line.durable.phase import Phases, Place

    worker_id = new_worker_id()
    place = Place(db, worker_id, state, os.environ, retries=True)
    worker = Worker(db, worker_id, Phases(place), slots=args.workers, once=args.once, tell=say.notice)
    loop = asyncio.get_running_loop()

    def leave(number: int, frame: FrameType | None) -> None:
        # A closed loop has nothing left to leave.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(worker.leave)

    catch_signals(leave)
    slots = "1 run" if args.workers == 1 else f"{args.workers} runs"
    say.say("serving", f"worker {worker_id}, {slots} at once, database {db.shown}", worker=worker_id, database=db.shown)
    await worker.work()
    say.say("left", f"worker {worker_id} left", worker=worker_id)


def _root(directory: str) -> Path | None:
    if not os.environ.get(VARIABLE, "").strip():
        return Repository.open(Path(directory)).root
    return None


class _Said:
    """What the worker prints on stdout: lines for people, or JSON lines. Nobody has to read it."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def notice(self, notice: Notice) -> None:
        """Print what happened to a run or to the database."""
        run = notice.run
        if run is None:
            words = {"database-gone": "the database is away", "database-back": "the database is back"}[notice.what]
            self.say(notice.what, f"{words}: {notice.text}" if notice.text else words, message=notice.text)
            return
        ended = notice.what in ("ended", "parked")
        told = f": {run.stop_code}, {run.message}" if ended else f": {notice.text}" if notice.text else ""
        facts: dict[str, Any] = {
            "run": run.id, "task": run.task_id, "title": run.title, "repository": run.repository, "phase": run.phase,
            "attempt": run.attempt, "message": run.message if ended else notice.text,
        }  # fmt: skip
        if ended:
            facts |= {"stop_code": run.stop_code, "exit_code": run.result.exit_code if run.result else None}
        self.say(notice.what, f"{run.id} {_RUNS[notice.what]} ({run.task_id}: {run.title}){told}", **facts)

    def say(self, event: str, words: str, **facts: Any) -> None:
        """Print one line."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            text = json.dumps({"schema_version": _VERSION, "at": at, "event": event, **facts}, ensure_ascii=False)
        else:
            text = f"{at[11:19]} {one_line(clean_text(words))}"
        # A closed stdout ends no worker.
        with suppress(OSError):
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
            sys.stdout.flush()

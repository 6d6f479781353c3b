"""`andon queue`: what waits and why, what runs, what waits for a person, and the lanes."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.stop import person
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.db.database import Database, database_url, exists
from andon.line.db.lanes import Lane, lane, open_lane, pause
from andon.line.identity import identity_of
from andon.line.views.queue_view import NOBODY_WORKS, Board, Entry, board_of, lane_document, nothing_queued
from andon.records.errors import UserError
from andon.records.lanes import DEFAULT_LANE
from andon.sandbox.repository import Repository

_VERSION = 1
_SHOWN = 20


def queue(args: argparse.Namespace) -> int:
    """Show the queue, or close or open a lane of it, and return 0.

    Raises:
        UserError: no repository or database, or the lane is so already.
    """
    open_streams()
    if args.reason and args.what != "pause":
        raise UserError("--reason goes with pause")
    if args.what is None:
        return _show(args)
    repository = Repository.open(Path(args.directory))
    db = Database.open(database_url(os.environ, repository.root))
    try:
        name, where = args.lane or DEFAULT_LANE, identity_of(repository)
        if args.what == "pause":
            before, now = lane(db, where, name), pause(db, where, name, reason=args.reason, by=person())
        else:
            before = open_lane(db, where, name, by=person())
            now = lane(db, where, name)
        _tell_lane(now, before, as_json=args.json)
    finally:
        db.close()
    return 0


def _show(args: argparse.Namespace) -> int:
    repository = Repository.open(Path(args.directory))
    url = database_url(os.environ, repository.root)
    if exists(url):
        db = Database.open(url)
        try:
            board = board_of(db, repository)
        finally:
            db.close()
    else:
        # Looking makes no database.
        board = nothing_queued(repository)
    if args.json:
        print_json(json.dumps({"schema_version": _VERSION, **board.document()}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(board)))
    flush_streams()
    return 0


def _tell_lane(now: Lane, before: Lane, *, as_json: bool) -> None:
    if as_json:
        document = {
            "schema_version": _VERSION,
            "lane": lane_document(now),
            "before": before.state,
            "lesson": before.lesson,
        }
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
    elif now.state == "paused":
        print(f"lane {now.name} is paused: what is queued in it begins after `andon queue resume {now.name}`")
    else:
        print(f"lane {now.name} is open again; it was {before.state}: {_clean(before.reason) or 'no reason was given'}")
        for line in before.lesson.splitlines():
            print(f"  {_clean(line)}".rstrip())
    flush_streams()


def _lines(board: Board) -> Iterator[str]:
    counts = board.counts
    if not any(counts.values()):
        yield f"nothing is queued in {_clean(board.repository)}"
    yield from _section("queued", board.queued, counts["queued"], _of_queued)
    yield from _section("running", board.running, counts["running"], _of_running)
    yield from _section("waiting for a person", board.parked, counts["parked"], _of_parked)
    yield from _section("in queue.json, not queued (andon add TASK-ID)", board.pending, len(board.pending), _of_task)
    yield from _section("lanes that are not open", board.lanes, len(board.lanes), _of_lane)
    yield from _section("model servers that rest", board.providers, len(board.providers), _of_provider)
    yield from _section("not understood, and left alone", board.unreadable, len(board.unreadable), _of_unreadable)
    if board.workers or any(counts.values()):
        yield from _section("workers", board.workers, len(board.workers), _of_worker)
        if not any(one["kind"] == "serve" for one in board.workers):
            yield NOBODY_WORKS
    yield from (f"not understood: {_clean(path)} {_clean(problem)}" for path, problem in board.problems)


def _section(heading: str, entries: Sequence[Entry], count: int, lines: Callable[[Entry], list[str]]) -> Iterator[str]:
    if count:
        yield f"{heading}: {count}"
    for entry in entries[:_SHOWN]:
        first, *more = (_clean(line) for line in lines(entry))
        yield f"  {first}"
        yield from (f"    {line}".rstrip() for line in more)
    if count > _SHOWN:
        yield f"  and {count - _SHOWN} more; --json lists them"


def _of_task(one: Entry) -> list[str]:
    return [f"{one['task_id']}  {one['title']}"]


def _of_run(one: Entry) -> str:
    return f"{one['run_id']}  {one['task_id']}  {one['title']}"


def _of_queued(one: Entry) -> list[str]:
    return [f"{_of_run(one)}  [lane {one['lane']}, priority {one['priority']}]", one["detail"]]


def _of_running(one: Entry) -> list[str]:
    gone = "its worker is gone; another one takes it over"
    return [_of_run(one), f"on {one['worker']} since {one['since']}" if one["alive"] else gone]


def _of_parked(one: Entry) -> list[str]:
    if one["approval"] is None:
        return [_of_run(one), one["question"], "answered, or too late to answer: a worker goes on with it"]
    until = f", until {one['expires_at']}" if one["expires_at"] else ""
    return [_of_run(one), one["question"], f"next: andon approve {one['approval']}{until}"]


def _of_unreadable(one: Entry) -> list[str]:
    return [f"{_of_run(one)}  [{one['status']}]", one["problem"]]


def _of_lane(one: Entry) -> list[str]:
    said = f"{one['name']} is {one['state']} since {one['changed_at']} by {one['by']}: {one['reason']}"
    return [said, *one["lesson"].splitlines(), f"next: andon queue resume {one['name']}"]


def _of_provider(one: Entry) -> list[str]:
    return [f"{one['name']} until {one['until']}, failed {one['failures']} times: {one['reason']}"]


def _of_worker(one: Entry) -> list[str]:
    return [f"{one['id']}  {one['kind']}, {one['slots']} at once, since {one['since']}"]


def _clean(text: str) -> str:
    # Two spaces part the columns.
    return "  ".join(one_line(part) for part in clean_text(text).split("  "))

"""The queue as a person or a script sees it: what waits and why, what runs, what is asked, lanes, servers, workers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from andon.line.db import approvals, runs, workers
from andon.line.db.database import Database
from andon.line.db.foreign import Unreadable
from andon.line.db.lanes import Lane, closed_lanes
from andon.line.db.providers import resting
from andon.line.db.runs import Run
from andon.line.db.waits import Waiting, clock, waiting
from andon.line.identity import identity_of
from andon.line.views.status_files import Problems, queue_of
from andon.sandbox.repository import Repository

NOBODY_WORKS = "nothing works on the queue: start 'andon serve' or use 'andon run'"
"""Said where there is work and no worker."""
LONGEST = 1000
"""How many entries a list holds at most."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Board:
    """One look at the queue of a repository; the entries are those of `andon queue --json`."""

    repository: str
    counts: Mapping[str, int]
    """All runs that are queued, running or parked."""
    pending: Sequence[Entry]
    """Tasks of queue.json that wait for somebody to queue or run them."""
    queued: Sequence[Entry] = ()
    """In the order in which they begin."""
    running: Sequence[Entry] = ()
    parked: Sequence[Entry] = ()
    lanes: Sequence[Entry] = ()
    """Those that are not open."""
    providers: Sequence[Entry] = ()
    """Model servers that rest."""
    workers: Sequence[Entry] = ()
    unreadable: Sequence[Entry] = ()
    """Runs that this andon cannot read; they are in none of the lists."""
    problems: Problems = field(default_factory=list)
    """What of queue.json was not understood: path and sentence."""

    def document(self) -> dict[str, Any]:
        """Return it as `andon queue --json` prints it."""
        return dict(vars(self)) | {"problems": [{"path": path, "problem": text} for path, text in self.problems]}


def nothing_queued(repository: Repository) -> Board:
    """Return how the queue of a repository stands that has no database yet."""
    return _board(repository, identity_of(repository), {}, frozenset())


def board_of(db: Database, repository: Repository) -> Board:
    """Return how the queue of a repository stands now."""
    name = identity_of(repository)
    alive = workers.alive(db)
    served = any(one.kind == "serve" for one in alive)
    left: list[Unreadable] = []
    questions = {one.run_id: one for one in approvals.open_questions(db, name, left)}
    asks_unread = {one.run_id for one in left}
    going_on = db.read("SELECT task_id FROM runs WHERE repository = ? AND status <> 'ended'", (name,))
    counts = {str(status): count for status, count in runs.count_by_status(db, name).items()}
    return _board(
        repository,
        name,
        counts,
        frozenset(row["task_id"] for row in going_on),
        queued=[_queued(one) for one in waiting(db, name, served=served, limit=LONGEST, unreadable=left)],
        running=[
            _running(run, alive={one.id for one in alive}) for run in _oldest(db, name, "running", left)
        ],
        parked=[
            _parked(run, questions.get(run.id))
            for run in _oldest(db, name, "parked", left)
            if run.id not in asks_unread
        ],
        lanes=[lane_document(one) for one in closed_lanes(db, name)],
        providers=[
            {"name": one.name, "failures": one.failures, "until": clock(one.blocked_until), "reason": one.reason}
            for one in resting(db)
        ],
        workers=[
            {"id": one.id, "host": one.host, "pid": one.pid, "kind": one.kind, "slots": one.slots,
             "since": clock(one.started_at)}
            for one in alive
        ],
        # One whose row and question cannot be read is one run.
        unreadable=list({one.run_id: asdict(one) for one in left}.values()),
    )  # fmt: skip


def _board(
    repository: Repository, name: str, counts: Mapping[str, int], going_on: frozenset[str], **lists: Any
) -> Board:
    problems: Problems = []
    pending = [
        {"task_id": task_id, "title": entry["title"]}
        for task_id, entry in queue_of(repository.root, problems).items()
        if entry["status"] == "pending" and task_id not in going_on
    ]
    all_counts = {status: counts.get(status, 0) for status in ("queued", "running", "parked")}
    return Board(name, all_counts, pending[:LONGEST], problems=problems, **lists)


def _oldest(db: Database, repository: str, status: runs.Status, left: list[Unreadable]) -> list[Run]:
    found = runs.listed(db, repository=repository, statuses=[status], limit=LONGEST, unreadable=left)
    return list(reversed(found))


def _named(run: Run) -> dict[str, Any]:
    return {"run_id": run.id, "task_id": run.task_id, "title": run.title, "lane": run.lane, "branch": run.branch}


def _queued(one: Waiting) -> Entry:
    run = one.run
    more = {"priority": run.priority, "provider": run.provider, "queued_at": clock(run.queued_at)}
    return {**_named(run), **more, "why": one.why, "detail": one.detail}


def _running(run: Run, alive: set[str]) -> Entry:
    since = clock(run.started_at or run.changed_at)
    return {**_named(run), "worker": run.worker, "alive": run.worker in alive, "since": since, "attempt": run.attempt}


def _parked(run: Run, asked: approvals.Question | None) -> Entry:
    """Return a parked run; one whose question cannot be answered any more waits for a worker alone."""
    return {
        **_named(run),
        "question": run.gate.question if run.gate else "",
        "approval": asked.id if asked else None,
        "expires_at": clock(asked.expires_at) if asked and asked.expires_at is not None else None,
        "answered": asked is None,
    }


def lane_document(lane: Lane) -> dict[str, Any]:
    """Return a lane as commands print it."""
    return {
        "name": lane.name,
        "state": lane.state,
        "reason": lane.reason,
        "lesson": lane.lesson,
        "by": lane.by,
        "changed_at": clock(lane.changed_at) if lane.changed_at else None,
    }

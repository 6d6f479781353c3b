"""Who works on which run next: one run to one worker, in an order, and never two whose branches would collide."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from andon.line.db import lanes, messages, runs
from andon.line.db.connection import Params
from andon.line.db.database import Database, DatabaseGone, Row
from andon.line.db.foreign import result_of
from andon.line.db.rows import Run, run_of
from andon.line.db.workers import DEAD_AFTER
from andon.line.durable.giving_up import result_without_work
from andon.records.errors import UserError
from andon.records.stops import StopCode

IN_ORDER = "r.priority, r.queued_at, r.id"
"""The order in which runs begin, lower first."""

MOST_ATTEMPTS = 25
"""A run whose worker died is not begun again once its phase was claimed so often: it would kill every worker in turn.

Claims that were given back count too, as the row does not tell them apart: after an outage of a model server there may
be twenty of them, to which a death or two must not be added in vain.
"""
_MANY = 500
"""Rows that are looked at together once the first was passed over."""

Why = Literal["lost", "answered", "queued"]
_Over = Literal["expired", "stopped", "hopeless"]
_Read = Callable[[str, Params], list[Row]]

_LOST = """
SELECT r.* FROM runs r WHERE r.status = 'running'
AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = r.worker AND w.beat_at > {now} - {dead_after})
"""

_SETTLED = """
SELECT r.*,
CASE WHEN EXISTS (SELECT 1 FROM approvals a WHERE a.run_id = r.id AND a.answer IS NULL) THEN 1 ELSE 0 END AS expired
FROM runs r WHERE r.status = 'parked' AND (r.wanted = 'stop' OR 0 = (SELECT count(*) FROM approvals a
WHERE a.run_id = r.id AND a.answer IS NULL AND (a.expires_at IS NULL OR a.expires_at > {now})))
"""

# A run that has begun never waits for a queued one: two of them could wait for each other.
_TURN = """
SELECT r.* FROM runs r WHERE r.status = 'queued' AND (r.wanted = 'stop' OR (
(r.attempt > 0 OR (r.repository, r.lane) NOT IN (SELECT l.repository, l.name FROM lanes l WHERE l.state <> 'open'))
AND r.not_before <= {now}
AND NOT EXISTS (SELECT 1 FROM providers p WHERE p.name = r.provider AND p.blocked_until > {now})
AND (r.provider_limit IS NULL OR r.provider_limit > (SELECT count(*) FROM runs o
WHERE o.status = 'running' AND o.provider = r.provider))
AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.repository = r.repository AND o.branch = r.branch
AND (o.status IN ('running', 'parked') OR (o.status = 'queued' AND o.attempt > 0 AND r.attempt = 0)))
AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.repository = r.repository AND o.task_id = r.task_id
AND (o.status IN ('running', 'parked') OR (o.status = 'queued' AND o.attempt > 0 AND r.attempt = 0)))))
"""

_TAKE = """
UPDATE runs SET status = 'running', worker = ?, attempt = CASE WHEN status = 'parked' THEN 1 ELSE attempt + 1 END,
started_at = COALESCE(started_at, {now}), changed_at = {now}
WHERE id = ? AND status = ? AND phase = ? AND COALESCE(worker, '') = ?
AND EXISTS (SELECT 1 FROM workers w WHERE w.id = ? AND w.beat_at > {now} - {dead_after})
RETURNING *
"""

_TOO_LATE = """
UPDATE approvals SET answer = 'no', text = 'nobody answered in time', answered_by = 'andon', channel = 'expiry',
answered_at = {now} WHERE run_id = ? AND answer IS NULL AND expires_at <= {now}
"""

_END = """
UPDATE runs SET status = 'ended', gate = NULL, stop_code = ?, message = ?, result = ?, ended_at = {now},
changed_at = {now} WHERE id = ? AND status = 'parked' AND phase = ?
"""

# Without its worker, so that one that comes back does not take this end for its own.
_GIVE_UP = """
UPDATE runs SET status = 'ended', gate = NULL, worker = NULL, stop_code = ?, message = ?, result = ?, ended_at = {now},
changed_at = {now} WHERE id = ? AND status = 'running' AND phase = ? AND attempt = ? AND COALESCE(worker, '') = ?
AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = runs.worker AND w.beat_at > {now} - {dead_after})
"""


@dataclass(frozen=True)
class Claim:
    """A run that is a worker's now."""

    run: Run
    """As it stands after the claim."""
    why: Why
    """`lost`: its worker died; `answered`: its question was answered; `queued`: its turn has come."""


def claim(db: Database, worker: str, only: str | None = None) -> Claim | None:
    """Give the worker of this id the run that is next, or the run `only` if it can go on; None: there is none.

    First come runs whose worker is dead, then parked ones with an answer, then queued ones by priority and age. No
    queued run begins before its time, beside one of its branch or task that has begun, where its lane is closed (unless
    it had begun before), while its provider rests, or while as many runs ask that one as may. A run whose question
    nobody answered in time is ended, and so is one that is to stop and has no worker, and one whose worker died at
    its attempt number `MOST_ATTEMPTS`; their lanes count that. `Run.attempt` is how often the phase was claimed.

    A row written by another version of andon stays as it is, for a worker of that version; the next one is given.
    A worker without a fresh beat gets nothing: the others would take it away at once.
    """
    passed: set[str] = set()
    # Nearly always there is nothing to do, and a read keeps out of the way of those who write.
    while (found := _next(db.read, db.now, only, passed)) is not None:
        row, why = found
        if why == "expired":
            _expire(db, row)
        elif why == "hopeless":
            _give_up(db, row)
        elif why == "stopped":
            _stop(db, row["id"])
        else:
            return _take(db, worker, only, passed)
        _count_end(db, row["id"])
        # One whose row changed meanwhile has its turn at the next look.
        passed.add(row["id"])
    return None


def _next(read: _Read, now: str, only: str | None, passed: Collection[str]) -> tuple[Row, Why | _Over] | None:
    """Return the first run there is something to do for, and what. Those in `passed` are left out."""
    one, params = ("", ()) if only is None else (" AND r.id = ?", (only,))
    for sql in (_LOST, _SETTLED, _TURN):
        ordered = f"{sql.format(now=now, dead_after=DEAD_AFTER)}{one} ORDER BY {IN_ORDER}"
        seen = 0
        while rows := read(f"{ordered} LIMIT {_MANY if seen else 1} OFFSET {seen}", params):
            for row in rows:
                if row["id"] not in passed and (what := _what(row)) is not None:
                    return row, what
            seen += len(rows)
    return None


def _what(row: Row) -> Why | _Over | None:
    """Return what there is to do for a run that was found; None: nothing that this version of andon can do."""
    if row["status"] == "parked" and row["expired"] and row["wanted"] != "stop":
        return "expired"
    try:
        run_of(row)
    except UserError:
        return None
    if row["status"] == "running":
        return "hopeless" if row["attempt"] >= MOST_ATTEMPTS else "lost"
    if row["wanted"] == "stop":
        return "stopped"
    return "answered" if row["status"] == "parked" else "queued"


def _take(db: Database, worker: str, only: str | None, passed: Collection[str]) -> Claim | None:
    # Alone, so that no two claims at once each see a free branch.
    with db.transaction(alone="queue") as transaction:
        found = _next(transaction.execute, db.now, only, passed)
        if found is None:
            return None
        row, why = found
        if why == "expired" or why == "stopped" or why == "hopeless":
            return None
        was: tuple[Any, ...] = (row["id"], row["status"], row["phase"], row["worker"] or "")
        rows = transaction.execute(_TAKE.format(now=db.now, dead_after=DEAD_AFTER), (worker, *was, worker))
        return Claim(run_of(rows[0]), why) if rows else None


def _expire(db: Database, row: Row) -> None:
    """End a run nobody answered in time, as it would have ended where nobody can be asked."""
    with db.transaction() as transaction:
        transaction.execute(_TOO_LATE.format(now=db.now), (row["id"],))
        if not transaction.changed:
            # A person was quicker.
            return
        [kept] = transaction.execute("SELECT * FROM runs WHERE id = ?", (row["id"],))
        result = result_of(kept)
        ended = result.model_copy(update={"message": f"Nobody answered in time: {result.message}"})
        said = (ended.stop_code.value, ended.message, ended.model_dump_json())
        transaction.execute(_END.format(now=db.now), (*said, row["id"], row["phase"]))


def _stop(db: Database, run_id: str) -> None:
    """End a run that was told to stop and that nobody works on."""
    try:
        messages.stop(db, run_id, "andon")
    except DatabaseGone:
        raise
    except UserError:
        # Somebody else ended it first.
        return


def _give_up(db: Database, row: Row) -> None:
    """End a run whose workers die of it."""
    run = run_of(row)
    message = f"The worker of the run died, and its phase had been begun {run.attempt} times: it is not begun again."
    result = result_without_work(run, StopCode.INTERNAL, message)
    said = (result.stop_code.value, message, result.model_dump_json())
    with db.transaction() as transaction:
        sql = _GIVE_UP.format(now=db.now, dead_after=DEAD_AFTER)
        transaction.execute(sql, (*said, run.id, run.phase, run.attempt, run.worker or ""))


def _count_end(db: Database, run_id: str) -> None:
    """Have the lane of a run that ended here count it; one that cannot be read says no limit."""
    try:
        run = runs.get(db, run_id)
    except DatabaseGone:
        raise
    except UserError:
        return
    if run.status == "ended":
        lanes.note_end(db, run, run.options.halt_after)

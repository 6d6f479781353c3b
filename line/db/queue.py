"""Who works on which run next: one run to one worker, in an order, and never two whose branches would collide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from andon.line.db import messages
from andon.line.db.connection import Params
from andon.line.db.database import Database, Row
from andon.line.db.rows import Run, run_of
from andon.line.db.workers import DEAD_AFTER
from andon.records.errors import UserError
from andon.records.result import RunResult

IN_ORDER = "r.priority, r.queued_at, r.id"
"""The order in which runs begin, lower first."""

Why = Literal["lost", "answered", "queued"]
_Over = Literal["expired", "stopped"]
_Read = Callable[[str, Params], list[Row]]

_LOST = """
SELECT r.id, r.status, r.phase, r.worker FROM runs r WHERE r.status = 'running'
AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = r.worker AND w.beat_at > {now} - {dead_after})
"""

_SETTLED = """
SELECT r.id, r.status, r.phase, r.worker,
CASE WHEN EXISTS (SELECT 1 FROM approvals a WHERE a.run_id = r.id AND a.answer IS NULL) THEN 1 ELSE 0 END AS expired
FROM runs r WHERE r.status = 'parked' AND 0 = (SELECT count(*) FROM approvals a WHERE a.run_id = r.id
AND a.answer IS NULL AND (a.expires_at IS NULL OR a.expires_at > {now}))
"""

# A run that has begun never waits for a queued one: two of them could wait for each other.
_TURN = """
SELECT r.id, r.status, r.phase, r.worker, r.wanted FROM runs r WHERE r.status = 'queued' AND (r.wanted = 'stop' OR (
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
    nobody answered in time is ended, and so is a queued one that is to stop. `Run.attempt` is how often the phase was
    claimed.

    A worker without a fresh beat gets nothing: the others would take it away at once.

    Raises:
        UserError: the row was written by another version of andon; it stays as it is.
    """
    # Nearly always there is nothing to do, and a read keeps out of the way of those who write.
    while (found := _next(db.read, db.now, only)) is not None:
        row, why = found
        if why == "expired":
            _expire(db, row)
        elif why == "stopped":
            try:
                messages.stop(db, row["id"], "andon")
            except UserError:
                # Somebody else ended it first.
                return None
        else:
            return _take(db, worker, only)
    return None


def _next(read: _Read, now: str, only: str | None) -> tuple[Row, Why | _Over] | None:
    """Return the first run there is something to do for, and what."""
    one, params = ("", ()) if only is None else (" AND r.id = ?", (only,))

    def first(sql: str) -> Row | None:
        filled = sql.format(now=now, dead_after=DEAD_AFTER)
        rows = read(f"{filled}{one} ORDER BY {IN_ORDER} LIMIT 1", params)
        return rows[0] if rows else None

    if row := first(_LOST):
        return row, "lost"
    if row := first(_SETTLED):
        return row, "expired" if row["expired"] else "answered"
    if row := first(_TURN):
        return row, "stopped" if row["wanted"] == "stop" else "queued"
    return None


def _take(db: Database, worker: str, only: str | None) -> Claim | None:
    # Alone, so that no two claims at once each see a free branch.
    with db.transaction(alone="queue") as transaction:
        found = _next(transaction.execute, db.now, only)
        if found is None:
            return None
        row, why = found
        if why == "expired" or why == "stopped":
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
        [kept] = transaction.execute("SELECT result FROM runs WHERE id = ?", (row["id"],))
        result = RunResult.model_validate_json(kept["result"])
        ended = result.model_copy(update={"message": f"Nobody answered in time: {result.message}"})
        said = (ended.stop_code.value, ended.message, ended.model_dump_json())
        transaction.execute(_END.format(now=db.now), (*said, row["id"], row["phase"]))

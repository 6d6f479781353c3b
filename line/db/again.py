"""A run that stopped goes on: it is queued again in the phase it was in, or waits at its question again."""

from andon.line.db import approvals, runs
from andon.line.db.database import Conflict, Database
from andon.line.db.rows import Run, gate_json
from andon.line.db.workers import DEAD_AFTER
from andon.line.resumable import can_go_on
from andon.records.errors import UserError

_BACK = (
    "UPDATE runs SET status = ?, gate = ?, worker = NULL, attempt = ?, not_before = 0, wanted = '', stop_code = NULL, "
    "message = '', result = NULL, delivery = NULL, ended_at = NULL, noted_at = NULL, changed_at = {now} "
    "WHERE id = ? AND status = 'ended'"
)
_UNSAY_STOP = (
    "UPDATE approvals SET answer = NULL, text = '', answered_by = '', channel = '', answered_at = NULL "
    "WHERE id = ? AND answer = 'stop'"
)


def again(db: Database, run_id: str) -> Run:
    """Put a run that ended back into the queue and return its row; one that has not ended stays as it is.

    Nothing of what it did is lost: it goes on in the phase it was in. One that was stopped while it waited for a
    person, or whose question was answered with `stop`, waits at that question again.

    Raises:
        UserError: there is none, it ended in a way that going on changes nothing about, nobody answered it in time, or
            what asked for it has another run by now.
    """
    run = runs.get(db, run_id)
    if run.status == "ended":
        _refuse_final(run)
        asked = _open_question(db, run)
        # A person who asks for it does not wait for a lane: what has begun before goes on in a closed one too.
        begun = max(run.attempt, 1 if run.started_at is not None else 0)
        to = ("parked", gate_json(asked.gate), begun) if asked else ("queued", None, begun)
        try:
            with db.transaction() as tx:
                tx.execute(_BACK.format(now=db.now), [*to, run_id])
                if tx.changed and asked:
                    tx.execute(_UNSAY_STOP, [asked.id])
        except Conflict as error:
            raise UserError(
                f"{run.source_key} has another run by now: `andon status` shows it; stop that one, or let it end"
            ) from error
        run = runs.get(db, run_id)
    return run


def _refuse_final(run: Run) -> None:
    if run.stop_code and can_go_on(run.stop_code):
        return
    said = f"run {run.id} ended with {run.stop_code}: {run.message}"
    if run.stop_code == "delivered":
        raise UserError(f"{said} There is nothing left to do")
    raise UserError(f"{said} Going on would end in the same way: start the task again with `andon run {run.task_id}`")


def _open_question(db: Database, run: Run) -> approvals.Question | None:
    """Return the question the run was stopped at, or by; None if it was not, or has an answer to go on with."""
    if not db.read("SELECT id FROM approvals WHERE run_id = ? AND phase = ?", [run.id, run.phase]):
        return None
    asked = approvals.question(db, run.id)
    if asked.phase != run.phase or (asked.answer is not None and asked.answer.kind != "stop"):
        return None
    late = "SELECT id FROM approvals WHERE id = ? AND expires_at IS NOT NULL AND expires_at <= "
    if db.read(f"{late}{db.now}", [asked.id]):
        raise UserError(f"nobody answered run {run.id} in time: start the task again with `andon run {run.task_id}`")
    return asked


def let_go(db: Database, run_id: str) -> None:
    """Give a run whose worker is dead back to the queue, as another worker would find it; any other stays as it is."""
    alive = f"SELECT 1 FROM workers WHERE workers.id = runs.worker AND workers.beat_at > {db.now} - ?"  # noqa: S608
    with db.transaction() as tx:
        tx.execute(
            f"UPDATE runs SET status = 'queued', worker = NULL, changed_at = {db.now} "  # noqa: S608  (constants)
            f"WHERE id = ? AND status = 'running' AND NOT EXISTS ({alive})",
            [run_id, DEAD_AFTER],
        )

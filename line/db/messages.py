"""What people tell runs: to stop, or a sentence for the agents."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from dataclasses import dataclass
from typing import Literal

from andon.line.db.database import Database, Row, Transaction
from andon.line.db.rows import COLUMNS, Run, run_of
from andon.line.db.runs import get
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode

Kind = Literal["stop", "say"]
_ALL = ", ".join(COLUMNS)


@dataclass(frozen=True)
class Message:
    """One message."""

    id: int
    """Grows with every message."""
    run_id: str
    """Whom it is for."""
    kind: Kind
    """What it is."""
    text: str
    """What was said."""
    said_by: str
    """Who said it."""
    at: float
    """When, seconds since 1970."""


def send(db: Database, run_id: str, kind: Kind, text: str, by: str) -> None:
    """Leave a message for a run, without the secrets in its text.

    Raises:
        UserError: there is no such run, or it has ended.
    """
    # Imported here: those who only look at messages do without the patterns.
    from andon.guardrails.redact import without_secrets

    text = without_secrets(text)
    with db.transaction() as tx:
        _send(db, tx, _open_run(tx, run_id), kind, text, by)


def take(db: Database, run_id: str, kind: Kind) -> list[Message]:
    """Return what was not taken before, oldest first, and note that it is taken."""
    columns = "id, run_id, kind, text, said_by, at"
    if not db.read(
        "SELECT id FROM messages WHERE run_id = ? AND kind = ? AND taken_at IS NULL LIMIT 1", [run_id, kind]
    ):
        return []
    with db.transaction() as tx:
        rows = tx.execute(
            f"UPDATE messages SET taken_at = {db.now} WHERE run_id = ? AND kind = ? AND taken_at IS NULL "
            f"RETURNING {columns}",
            [run_id, kind],
        )
    return sorted((Message(**row) for row in rows), key=lambda message: message.id)


def stop(db: Database, run_id: str, by: str, *, task_too: bool = False) -> Run:
    """Let a run end: at once where nobody works on it, else its worker is told. Returns the run as it is then.

    A run that never began leaves the status of its task as it is, unless the task is stopped with it (`task_too`).

    Raises:
        UserError: there is no such run, or it has ended.
    """
    with db.transaction() as tx:
        run = _open_run(tx, run_id)
        _send(db, tx, run, "stop", "", by)
        if run.status == "running":
            tx.execute("UPDATE runs SET wanted = 'stop' WHERE id = ?", [run_id])
        else:
            _end(db, tx, run, f"{by} stopped the run while nobody worked on it.")
            if run.started_at is None and not task_too:
                tx.execute(f"UPDATE runs SET noted_at = {db.now} WHERE id = ?", [run_id])
    return get(db, run_id)


def _open_run(tx: Transaction, run_id: str) -> Run:
    # The write comes first: from here on no worker can claim, park or end the run until this transaction is over.
    rows: list[Row] = tx.execute(f"UPDATE runs SET wanted = wanted WHERE id = ? RETURNING {_ALL}", [run_id])
    if not rows:
        raise UserError(f"there is no run {run_id!r}; `andon status` lists them")
    run = run_of(rows[0])
    if run.status == "ended":
        raise UserError(f"run {run_id} has ended already ({run.stop_code}); `andon show {run_id}` shows it")
    return run


def _send(db: Database, tx: Transaction, run: Run, kind: Kind, text: str, by: str) -> None:
    tx.execute(
        f"INSERT INTO messages (run_id, kind, text, said_by, at) VALUES (?, ?, ?, ?, {db.now})",
        [run.id, kind, text, by],
    )


def _end(db: Database, tx: Transaction, run: Run, message: str) -> None:
    meaning = MEANINGS[StopCode.INTERRUPTED]
    result = run.result or RunResult(
        run_id=run.id,
        task_id=run.task_id,
        title=run.title,
        status=meaning.status,
        stop_code=StopCode.INTERRUPTED,
        exit_code=meaning.exit_code,
        message=message,
        remedy=meaning.remedy,
        base_commit=run.base_commit,
        warnings=run.options.warnings,
    )
    stopped = {
        "status": meaning.status,
        "stop_code": StopCode.INTERRUPTED,
        "exit_code": meaning.exit_code,
        "message": message,
        "remedy": meaning.remedy,
    }
    tx.execute(
        "UPDATE runs SET status = 'ended', wanted = 'stop', gate = NULL, worker = NULL, stop_code = ?, message = ?, "
        f"result = ?, changed_at = {db.now}, ended_at = {db.now} WHERE id = ?",
        [StopCode.INTERRUPTED, message, result.model_copy(update=stopped).model_dump_json(), run.id],
    )

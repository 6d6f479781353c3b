"""How a worker lets a run go: parked at a question, ended, or given back. Fenced by the worker's name."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

import hashlib
import secrets

from andon.line.db.database import Database, Transaction
from andon.line.db.rows import Fenced, gate_json
from andon.line.steps import Gate
from andon.records.errors import RunError
from andon.records.result import RunResult
from andon.records.stops import StopCode

_TRIES = 5


def park(
    db: Database,
    run_id: str,
    worker: str,
    *,
    phase: int,
    checkpoint: str,
    gate: Gate,
    expires: float | None,
    result: RunResult,
) -> None:
    """Let the run wait for a person at `gate`; the answer begins phase `phase + 1` from `checkpoint`.

    A question of that name that nobody answered yet is asked anew. Doing it twice is fine.

    Args:
        db: the database.
        run_id: the run.
        worker: who works on it.
        phase: the one that ends here.
        checkpoint: digest of the blob to go on from.
        gate: what is asked.
        expires: from when it cannot be answered any more, seconds since 1970; None: never.
        result: how things stand.

    Raises:
        Fenced: another worker has it, or it is in another phase.
    """
    with db.transaction() as tx:
        tx.execute(
            "UPDATE runs SET status = 'parked', phase = ?, checkpoint = ?, gate = ?, worker = NULL, stop_code = ?, "
            f"message = ?, result = ?, changed_at = {db.now} "
            "WHERE id = ? AND worker = ? AND status = 'running' AND phase = ?",
            [phase + 1, checkpoint, gate_json(gate), result.stop_code, result.message, result.model_dump_json(), run_id,
             worker, phase],
        )  # fmt: skip
        if tx.changed:
            _ask(db, tx, run_id, phase + 1, gate, expires)
            return
        sql = "SELECT 1 AS there FROM runs WHERE id = ? AND status = 'parked' AND phase = ? AND gate = ?"
        if not tx.execute(sql, [run_id, phase + 1, gate_json(gate)]):
            raise Fenced(run_id)


def _ask(db: Database, tx: Transaction, run_id: str, phase: int, gate: Gate, expires: float | None) -> None:
    question = gate_json(gate)
    digest = hashlib.sha256(question.encode()).hexdigest()
    tx.execute(
        f"UPDATE approvals SET phase = ?, question = ?, digest = ?, asked_at = {db.now}, expires_at = ? "
        "WHERE run_id = ? AND gate = ? AND answer IS NULL",
        [phase, question, digest, expires, run_id, gate.name],
    )
    for _ in range(_TRIES):
        if tx.changed or tx.execute(
            "SELECT 1 AS there FROM approvals WHERE run_id = ? AND gate = ?", [run_id, gate.name]
        ):
            return
        tx.execute(
            "INSERT INTO approvals (id, run_id, phase, gate, question, digest, asked_at, expires_at, text, "
            f"answered_by, channel) VALUES (?, ?, ?, ?, ?, ?, {db.now}, ?, '', '', '') ON CONFLICT DO NOTHING",
            [secrets.token_hex(4), run_id, phase, gate.name, question, digest, expires],
        )
    if not tx.changed:
        raise RunError(StopCode.INTERNAL, f"No free id for the question {gate.name!r} of run {run_id}.")


def end(db: Database, run_id: str, worker: str, *, result: RunResult, delivery: str | None) -> None:
    """Note how the run ended, and the blob with its branch. Doing it twice is fine; the row keeps the worker.

    Raises:
        Fenced: another worker has it, or somebody else ended it.
    """
    with db.transaction() as tx:
        tx.execute(
            "UPDATE runs SET status = 'ended', gate = NULL, stop_code = ?, message = ?, result = ?, delivery = ?, "
            f"changed_at = {db.now}, ended_at = {db.now} WHERE id = ? AND worker = ? AND status = 'running'",
            [result.stop_code, result.message, result.model_dump_json(), delivery, run_id, worker],
        )
        sql = "SELECT 1 AS there FROM runs WHERE id = ? AND worker = ? AND status = 'ended'"
        if not tx.changed and not tx.execute(sql, [run_id, worker]):
            raise Fenced(run_id)


def put_back(db: Database, run_id: str, worker: str, *, not_before: float, message: str) -> None:
    """Give the run back: it is queued in the phase it was in, and nobody begins it before `not_before`.

    Raises:
        Fenced: another worker has it, or it has ended.
    """
    with db.transaction() as tx:
        tx.execute(
            f"UPDATE runs SET status = 'queued', worker = NULL, not_before = ?, message = ?, changed_at = {db.now} "
            "WHERE id = ? AND worker = ? AND status = 'running'",
            [not_before, message, run_id, worker],
        )
        if not tx.changed:
            raise Fenced(run_id)

"""The questions of runs, and what people answered. Those of IDE clients lie in files (`line/ide/approvals.py`)."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

import json
import re
from dataclasses import dataclass, replace

from pydantic import ValidationError

from andon.line.db.database import Database, Row
from andon.line.db.foreign import Unreadable
from andon.line.db.rows import Status, adapter, answer_of
from andon.line.steps import Answer, Gate
from andon.records.errors import UserError

_ID = re.compile(r"[0-9a-f]{8}")
_SELECT = (
    "SELECT a.*, r.repository, r.task_id, r.title, r.lane, r.branch, r.status, r.status AS run_status "
    "FROM approvals a JOIN runs r ON r.id = a.run_id "
)


@dataclass(frozen=True)
class Question:
    """One question and, once there is one, its answer. Times are seconds since 1970."""

    id: str
    """Eight hexadecimal digits."""
    run_id: str
    """Whose it is."""
    repository: str
    """Where that run works."""
    task_id: str
    """On what."""
    title: str
    """In a sentence."""
    run_status: Status
    """Where the run stands."""
    phase: int
    """The phase that the answer begins."""
    gate: Gate
    """What is asked."""
    digest: str
    """SHA-256 of the question's JSON."""
    asked_at: float
    expires_at: float | None
    """From then on it cannot be answered; None: never."""
    answer: Answer | None
    answered_by: str
    channel: str
    answered_at: float | None


def open_questions(db: Database, repository: str | None, unreadable: list[Unreadable] | None = None) -> list[Question]:
    """Return what can be answered now, oldest first: of one repository, or of all.

    Runs whose question cannot be read go to `unreadable`.

    Raises:
        UserError: one cannot be read, and nobody takes those.
    """
    where, params = ("", []) if repository is None else ("AND r.repository = ? ", [repository])
    rows = db.read(
        f"{_SELECT}WHERE r.status = 'parked' AND a.answer IS NULL "
        f"AND (a.expires_at IS NULL OR a.expires_at > {db.now}) {where}ORDER BY a.asked_at, a.run_id, a.id",
        params,
    )
    found = []
    for row in rows:
        try:
            found.append(_question(row))
        except UserError as error:
            if unreadable is None:
                raise
            unreadable.append(Unreadable.of(row, row["run_id"], str(error)))
    return found


def question(db: Database, wanted: str) -> Question:
    """Return one question by its id, or the newest of a run by the run's id; answered or not.

    Raises:
        UserError: there is none, or it is not of this version.
    """
    column = "a.id" if _ID.fullmatch(wanted) else "a.run_id"
    rows = db.read(f"{_SELECT}WHERE {column} = ? ORDER BY a.asked_at DESC, a.phase DESC LIMIT 1", [wanted])
    if not rows:
        raise UserError(f"no question {wanted!r} and none of a run of that id; `andon approve` lists what waits")
    return _question(rows[0])


def answer(db: Database, approval_id: str, answer: Answer, *, by: str, channel: str, digest: str) -> None:
    """Note what a person answered, as `answer_to_keep` has it; a worker goes on with the run then.

    Args:
        db: the database.
        approval_id: which question.
        answer: what was said.
        by: who said it.
        channel: where: `terminal`, …
        digest: `Question.digest` of what the person was shown.

    Raises:
        UserError: it is not there, asks something else by now, was answered, has expired, its run has ended, or it
            cannot be answered like that.
    """
    asked = question(db, approval_id)
    if asked.digest != digest:
        raise _why_not(asked, digest)
    _refuse_unfit(asked, answer)
    kept = answer_to_keep(answer)
    with db.transaction() as tx:
        tx.execute(
            f"UPDATE approvals SET answer = ?, text = ?, answered_by = ?, channel = ?, answered_at = {db.now} "
            f"WHERE id = ? AND digest = ? AND answer IS NULL AND (expires_at IS NULL OR expires_at > {db.now}) "
            "AND EXISTS (SELECT 1 FROM runs WHERE runs.id = approvals.run_id AND runs.status <> 'ended')",
            [kept.kind, kept.text, by, channel, asked.id, digest],
        )
        if tx.changed:
            return
    raise _why_not(question(db, asked.id), digest)


def answer_to_keep(answer: Answer) -> Answer:
    """Return an answer without secrets in its text; an edited document stays JSON.

    Raises:
        UserError: the edited document is no JSON.
    """
    # Imported here: those who only look at questions do without the patterns.
    from andon.context.strict_json import parse_json
    from andon.guardrails.redact import redacted_values, without_secrets

    if answer.kind != "edit":
        return replace(answer, text=without_secrets(answer.text))
    document = parse_json(answer.text.encode("utf-8", "surrogatepass"), "the edited document")
    clean = redacted_values(document)
    # To the byte as the person left it where nothing was taken out: its digest was shown.
    return answer if clean == document else replace(answer, text=json.dumps(clean, indent=2, ensure_ascii=False))


def _refuse_unfit(asked: Question, given: Answer) -> None:
    if given.kind == "kind" and not asked.gate.kind:
        raise UserError(f"{asked.id} cannot be allowed for the rest of the run: say yes to this one alone")
    if given.kind == "edit" and not asked.gate.editable:
        raise UserError(f"{asked.id} holds nothing that can be edited: say yes or no")


def _why_not(now: Question, digest: str) -> UserError:
    if now.answer is not None:
        return UserError(f"{now.id} was answered already: {now.answer.kind}")
    if now.run_status == "ended":
        return UserError(f"{now.id} cannot be answered: its run {now.run_id} has ended")
    if now.digest != digest:
        return UserError(f"{now.id} asks something else by now: read it again")
    return UserError(f"{now.id} has expired: start the task again")


def answers_of(db: Database, run_id: str) -> dict[str, Answer]:
    """Return what was answered in a run, by the name of the gate."""
    rows = db.read("SELECT gate, answer, text FROM approvals WHERE run_id = ? AND answer IS NOT NULL", [run_id])
    return {row["gate"]: answer_of(row["answer"], row["text"]) for row in rows}


def _question(row: Row) -> Question:
    try:
        gate = adapter(Gate).validate_json(row["question"])
        answered = answer_of(row["answer"], row["text"]) if row["answer"] else None
    except ValidationError as error:
        raise UserError(
            f"question {row['id']} of run {row['run_id']} was written by another version of andon "
            f"({error.errors()[0]['msg']}): use that version"
        ) from error
    return Question(
        id=row["id"],
        run_id=row["run_id"],
        repository=row["repository"],
        task_id=row["task_id"],
        title=row["title"],
        run_status=row["run_status"],
        phase=row["phase"],
        gate=gate,
        digest=row["digest"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        answer=answered,
        answered_by=row["answered_by"],
        channel=row["channel"],
        answered_at=row["answered_at"],
    )

"""What people answered in a run, beside what exactly they were asked."""

from andon.line.db.database import Database
from andon.line.db.rows import adapter, answer_of
from andon.line.steps import Answer, Gate


def answered(db: Database, run_id: str) -> dict[str, tuple[Gate, Answer]]:
    """Return question and answer of every gate of the run that was answered, by the gate's name."""
    rows = db.read(
        "SELECT gate, question, answer, text FROM approvals WHERE run_id = ? AND answer IS NOT NULL", [run_id]
    )
    return {
        row["gate"]: (adapter(Gate).validate_json(row["question"]), answer_of(row["answer"], row["text"]))
        for row in rows
    }

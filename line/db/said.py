"""What people have said to a run and its agents have not read yet."""

from collections.abc import Collection

from andon.line.db.database import Database
from andon.line.db.messages import Message


def unread(db: Database, run_id: str) -> list[Message]:
    """Return the sentences for the agents of a run that none of them has read, oldest first."""
    rows = db.read(
        "SELECT id, run_id, kind, text, said_by, at FROM messages "
        "WHERE run_id = ? AND kind = 'say' AND taken_at IS NULL ORDER BY id",
        [run_id],
    )
    return [Message(**row) for row in rows]


def note_read(db: Database, ids: Collection[int]) -> None:
    """Note that these messages were read; once more changes nothing."""
    sql = f"UPDATE messages SET taken_at = {db.now} WHERE id = ? AND taken_at IS NULL"  # noqa: S608 - a constant
    with db.transaction() as tx:
        for one in ids:
            tx.execute(sql, [one])

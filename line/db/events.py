"""The events of runs, so that other processes and machines can follow them."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from andon.line.db.database import Database, Row, Transaction
from andon.line.db.rows import Fenced

_AT_ONCE = 50
_COLUMNS = "seq, at, kind, line, place"


@dataclass(frozen=True)
class EventRow:
    """One event as it is stored."""

    seq: int
    """From 1, without gaps."""
    at: str
    """UTC, ISO 8601 with milliseconds."""
    kind: str
    """What happened."""
    line: str
    """The whole sealed line of audit.jsonl, without its line break."""
    place: str = ""
    """Its place in the run's body; empty where it has none."""


def append(db: Database, run_id: str, worker: str, rows: Sequence[EventRow]) -> None:
    """Store events of a run: all of them or none. Storing the same ones again is fine.

    Raises:
        Fenced: the run is another worker's, or another event has one of their numbers.
    """
    if not rows:
        return
    with db.transaction() as tx:
        tx.execute(f"UPDATE runs SET changed_at = {db.now} WHERE id = ? AND worker = ?", [run_id, worker])
        if not tx.changed:
            raise Fenced(run_id)
        for part in _parts(rows):
            _insert(tx, run_id, part)


def _insert(tx: Transaction, run_id: str, rows: Sequence[EventRow]) -> None:
    marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))
    params = [value for row in rows for value in (run_id, *astuple(row))]
    sql = f"INSERT INTO events (run_id, {_COLUMNS}) VALUES {marks} ON CONFLICT DO NOTHING"
    tx.execute(sql, params)
    if tx.changed == len(rows):
        return
    sql = f"SELECT {_COLUMNS} FROM events WHERE run_id = ? AND seq IN ({', '.join('?' * len(rows))})"
    stored = {row["seq"]: row["line"] for row in tx.execute(sql, [run_id, *(row.seq for row in rows)])}
    if any(stored.get(row.seq) != row.line for row in rows):
        raise Fenced(run_id)


def after(db: Database, run_id: str, seq: int, limit: int = 500) -> list[EventRow]:
    """Return the events after the number `seq`, in order."""
    sql = f"SELECT {_COLUMNS} FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [_event(row) for row in db.read(sql, [run_id, seq, limit])]


def last(db: Database, run_id: str) -> EventRow | None:
    """Return the last event; None if nothing happened yet."""
    rows = db.read(f"SELECT {_COLUMNS} FROM events WHERE run_id = ? ORDER BY seq DESC LIMIT 1", [run_id])
    return _event(rows[0]) if rows else None


def _event(row: Row) -> EventRow:
    return EventRow(row["seq"], row["at"], row["kind"], row["line"], row["place"])


def _parts(rows: Sequence[EventRow]) -> Iterator[Sequence[EventRow]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]

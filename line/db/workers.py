"""Who works: every worker says so again and again, by the clock of the database."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from dataclasses import dataclass
from typing import Literal

from andon.line.db.database import Database

DEAD_AFTER = 12.0
"""Seconds of silence after which a worker's runs may be taken by another."""
_FORGOTTEN_AFTER = 86_400.0


@dataclass(frozen=True)
class Worker:
    """One worker process. Times are seconds since 1970, zero for one that was not read from the table."""

    id: str
    """`host:pid:random`."""
    host: str
    pid: int
    kind: Literal["serve", "run"]
    """Takes what comes, or works on one run alone."""
    slots: int
    """How many runs it works on at once."""
    version: str
    """Of andon."""
    started_at: float = 0.0
    beat_at: float = 0.0


def beat(db: Database, worker: Worker) -> None:
    """Say that the worker is alive."""
    with db.transaction() as tx:
        tx.execute(f"UPDATE workers SET beat_at = {db.now} WHERE id = ?", [worker.id])
        if tx.changed:
            return
        tx.execute(
            "INSERT INTO workers (id, host, pid, kind, slots, started_at, beat_at, version) "
            f"VALUES (?, ?, ?, ?, ?, {db.now}, {db.now}, ?)",
            [worker.id, worker.host, worker.pid, worker.kind, worker.slots, worker.version],
        )
        tx.execute(f"DELETE FROM workers WHERE beat_at < {db.now} - ?", [_FORGOTTEN_AFTER])


def leave(db: Database, worker_id: str) -> None:
    """Say that it works no more."""
    with db.transaction() as tx:
        tx.execute("DELETE FROM workers WHERE id = ?", [worker_id])


def alive(db: Database) -> list[Worker]:
    """Return those that were heard of within `DEAD_AFTER` seconds, the oldest first."""
    rows = db.read(
        "SELECT id, host, pid, kind, slots, version, started_at, beat_at FROM workers "
        f"WHERE beat_at > {db.now} - ? ORDER BY started_at, id",
        [DEAD_AFTER],
    )
    return [Worker(**row) for row in rows]

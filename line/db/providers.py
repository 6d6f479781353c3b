"""Model servers that failed: how long queued runs that would ask them are held back."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from dataclasses import dataclass

from andon.line.db.database import Database, Row

FIRST_REST = 15.0
"""Seconds a server rests after its first failure; twice as long after each further one."""
LONGEST_REST = 900.0
"""Seconds it rests at most by that count. What it asks for itself (Retry-After) may be longer."""


@dataclass(frozen=True)
class Provider:
    """A model server that failed and has not answered since."""

    name: str
    """Its host, as in `runs.provider`."""
    failures: int
    """Outages in a row."""
    blocked_until: float
    """Unix seconds by the database's clock."""
    reason: str
    """The last failure, in a sentence."""


def failed(db: Database, name: str, reason: str, *, retry_after: float = 0.0) -> Provider:
    """Let no queued run ask the server `name` for a while, and return until when.

    Runs that fail while it rests belong to the outage that is known: they make the rest no longer by themselves.
    `retry_after` is what the server asked for, in seconds.
    """
    with db.transaction() as transaction:
        # The row is locked by this, and a new one begins at nothing.
        [row] = transaction.execute(
            "INSERT INTO providers (name, failures, blocked_until, reason) VALUES (?, 0, 0, '') "
            f"ON CONFLICT (name) DO UPDATE SET reason = providers.reason RETURNING *, {db.now} AS now",
            (name,),
        )
        now, before = float(row["now"]), _provider(row)
        resting = before.blocked_until > now
        failures = before.failures if resting else before.failures + 1
        rest = 0.0 if resting else min(FIRST_REST * 2.0 ** min(failures - 1, 30), LONGEST_REST)
        until = max(before.blocked_until, now + rest, now + retry_after)
        transaction.execute(
            "UPDATE providers SET failures = ?, blocked_until = ?, reason = ? WHERE name = ?",
            (failures, until, reason, name),
        )
    return Provider(name, failures, until, reason)


def worked(db: Database, name: str) -> None:
    """Forget the failures of a server that answered."""
    # Nearly always there are none, and a read keeps out of the way of those who write.
    if db.read("SELECT name FROM providers WHERE name = ?", (name,)):
        with db.transaction() as transaction:
            transaction.execute("DELETE FROM providers WHERE name = ?", (name,))


def resting(db: Database) -> list[Provider]:
    """Return the servers that rest now, by name."""
    sql = f"SELECT * FROM providers WHERE blocked_until > {db.now} ORDER BY name"
    return [_provider(row) for row in db.read(sql)]


def _provider(row: Row) -> Provider:
    return Provider(row["name"], int(row["failures"]), float(row["blocked_until"]), row["reason"])

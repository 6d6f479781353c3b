"""Large contents, named by their SHA-256, so that machines without a shared disk can hand them on."""

import hashlib

from andon.line.db.database import Database
from andon.records.errors import RunError
from andon.records.stops import StopCode

PART = 4 * 1024 * 1024
"""Bytes in one row."""


def put(db: Database, content: bytes) -> str:
    """Store `content` and return its digest in hex. What is there already is not stored again.

    Name it in a row within a day: what no row names is deleted then (`sweep.py`).
    """
    digest = hashlib.sha256(content).hexdigest()
    parts = [content[start : start + PART] for start in range(0, len(content), PART)] or [b""]
    # First of all: from here on no sweep deletes it for a day, and one that was at it is done when this returns.
    with db.transaction() as tx:
        tx.execute(
            f"INSERT INTO blob_puts (digest, put_at) VALUES (?, {db.now}) "  # noqa: S608 - a constant
            "ON CONFLICT (digest) DO UPDATE SET put_at = excluded.put_at",
            [digest],
        )
    there = {row["part"] for row in db.read("SELECT part FROM blobs WHERE digest = ?", [digest])}
    for number, part in enumerate(parts):
        if number not in there:
            # One transaction each: others can write between them, and nobody has the digest before the last.
            with db.transaction() as tx:
                sql = "INSERT INTO blobs (digest, part, content) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
                tx.execute(sql, [digest, number, part])
    return digest


def get(db: Database, digest: str) -> bytes:
    """Return the content of that digest.

    Raises:
        RunError: `internal` if it is missing, or is not what was stored.
    """
    rows = db.read("SELECT content FROM blobs WHERE digest = ? ORDER BY part", [digest])
    content = b"".join(bytes(row["content"]) for row in rows)
    if not rows:
        raise RunError(StopCode.INTERNAL, f"The database holds no content {digest[:12] or '(without name)'}.")
    if hashlib.sha256(content).hexdigest() != digest:
        raise RunError(StopCode.INTERNAL, f"The content {digest[:12]} in the database is not what was stored.")
    return content

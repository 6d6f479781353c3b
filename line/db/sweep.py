"""Deletes what nobody can need any more, so that the tables do not grow for ever.

Runs, events, approvals and papers are the record: they stay.
"""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

import json

from andon.line.db.database import Database
from andon.line.resumable import can_go_on
from andon.records.stops import StopCode

_DAY = 86_400.0
_RUNS_AT_ONCE = 100
_BLOBS_AT_ONCE = 1000
_FINAL = tuple(code.value for code in StopCode if not can_go_on(code))

# What a checkpoint says of its pack never changes: its name is its digest. Most are asked about at every sweep.
_packs: dict[str, str] = {}


def swept(db: Database, *, keep_days: float = 30.0) -> list[str]:
    """Delete contents that nothing names and messages that were taken; return the runs whose journals may go.

    Those are the oldest 100 at most that ended more than `keep_days` ago or cannot be gone on with. A run is returned
    again until `note_forgotten`. Any number of processes may sweep at once.

    Raises:
        DatabaseGone: it cannot be reached.
        RunError: `disk-failed`.
    """
    _delete_blobs(db)
    _delete_messages(db, keep_days * _DAY)
    marks = ", ".join("?" * len(_FINAL))
    rows = db.read(
        "SELECT id FROM runs WHERE status = 'ended' AND (forgotten_at IS NULL OR forgotten_at < ended_at) "
        f"AND (ended_at < {db.now} - ? OR stop_code IN ({marks})) ORDER BY ended_at, id LIMIT ?",
        [keep_days * _DAY, *_FINAL, _RUNS_AT_ONCE],
    )
    return [row["id"] for row in rows]


def note_forgotten(db: Database, run_id: str) -> None:
    """Note that the journal of a run was deleted; no sweep returns it until it has gone on and ended again."""
    with db.transaction() as tx:
        tx.execute(f"UPDATE runs SET forgotten_at = {db.now} WHERE id = ? AND status = 'ended'", [run_id])


def _delete_messages(db: Database, keep: float) -> None:
    # One at a time: two that delete the same rows in another order would wait for each other.
    with db.transaction("sweep") as tx:
        tx.execute(
            f"DELETE FROM messages WHERE taken_at < {db.now} - ? "
            "AND run_id IN (SELECT id FROM runs WHERE status = 'ended')",
            [keep],
        )


def _delete_blobs(db: Database) -> None:
    # A content is put before a row names it, and putting it writes its row in `blob_puts`, also where it was there
    # already. So what somebody is about to name is younger than a day; and what a worker is about to name for its run
    # was put while that run was running, which protects it however long the process slept in between. The bound is read
    # before the names are: what is named after that was put after the bound. Deleting looks at the bound once more, in
    # the row that putting writes: one of the two waits for the other, and a content that is put again is there.
    bound = _bound(db)
    old = [row["digest"] for row in db.read("SELECT digest FROM blob_puts WHERE put_at < ? ORDER BY put_at", [bound])]
    if not old:
        return
    named, checkpoints = _named(db)
    candidates = [digest for digest in old if digest not in named]
    if candidates:
        packs = {_pack_of(db, checkpoint) for checkpoint in checkpoints}
        candidates = [digest for digest in candidates if digest not in packs]
    for digest in candidates[:_BLOBS_AT_ONCE]:
        # One transaction each: others can write between them.
        with db.transaction() as tx:
            tx.execute("DELETE FROM blob_puts WHERE digest = ? AND put_at < ?", [digest, bound])
            if tx.changed:
                tx.execute("DELETE FROM blobs WHERE digest = ?", [digest])


def _bound(db: Database) -> float:
    """Return the time before which a content was put that may be deleted."""
    [row] = db.read(
        f"SELECT {db.now} AS now, MIN(COALESCE(started_at, queued_at)) AS began FROM runs WHERE status = 'running'"
    )
    day_ago = float(row["now"]) - _DAY
    return day_ago if row["began"] is None else min(day_ago, float(row["began"]))


def _named(db: Database) -> tuple[set[str], set[str]]:
    """Return the digests that rows name, and those of checkpoints among them."""
    rows = db.read("SELECT base_blob, checkpoint, delivery FROM runs")
    named = {digest for row in rows for digest in row.values() if digest}
    named.update(row["digest"] for row in db.read("SELECT digest FROM papers"))
    return named, {row["checkpoint"] for row in rows if row["checkpoint"]}


def _pack_of(db: Database, checkpoint: str) -> str:
    """Return the digest a checkpoint names as its pack; empty if it names none or cannot be read.

    One of a newer andon is read too, as far as that goes.
    """
    if checkpoint not in _packs:
        rows = db.read("SELECT content FROM blobs WHERE digest = ? ORDER BY part", [checkpoint])
        try:
            document = json.loads(b"".join(bytes(row["content"]) for row in rows))
        except ValueError:
            return ""
        _packs[checkpoint] = str(document.get("pack") or "") if isinstance(document, dict) else ""
    return _packs[checkpoint]

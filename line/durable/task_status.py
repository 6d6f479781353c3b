"""The status of a task in queue.json once its run has ended, whoever ended it and wherever.

A worker on another machine, a question that nobody answered, `andon stop`: none of them may have the checkout that the
run was queued from. So whoever ends a run writes its row alone, and the machine of the checkout writes the file at the
next look of any worker there, or of a command that ends or follows runs. The row says whether that was done.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from andon.intake.queue import QUEUE_PATH, update_status
from andon.line.db.database import Database, Row
from andon.line.db.foreign import result_of
from andon.line.identity import host_name
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.sandbox.bundles import has_commit
from andon.sandbox.repository import Repository

_AT_ONCE = 100
_A_DAY = 86_400.0
"""Seconds for which a file that cannot be written to is tried again."""
_LATER = (
    "SELECT 1 FROM runs o WHERE o.repository = r.repository AND o.task_id = r.task_id AND o.host = r.host "
    "AND o.root = r.root AND o.queued_at > r.queued_at"
)
_ENDED = (
    f"SELECT r.*, CASE WHEN EXISTS ({_LATER}) THEN 1 ELSE 0 END AS later FROM runs r "  # noqa: S608
    "WHERE r.host = ? AND r.status = 'ended' AND r.noted_at IS NULL AND r.ended_at > {now} - ? "
    "ORDER BY r.ended_at DESC, r.id LIMIT ?"
)
_NOTED = (
    "UPDATE runs AS r SET noted_at = {now} WHERE r.id = ? AND r.status = 'ended' AND r.noted_at IS NULL "
    "AND r.ended_at = ?"
)


def note_ends(db: Database) -> list[str]:
    """Set the status of tasks whose runs were queued from checkouts of this user on this machine and ended since.

    Each end is noted once: what a person changes in the file afterwards stays. A task that has a later run, or whose
    entry tells of this end already, is left as it is. Any number of processes may do this at once.

    Returns what could not be set, a sentence for each task; for a day it is tried again.

    Raises:
        DatabaseGone: it cannot be reached.
        RunError: `disk-failed`.
    """
    said = []
    for row in db.read(_ENDED.format(now=db.now), [host_name(), _A_DAY, _AT_ONCE]):
        if row["later"] or not _stands_in_queue(row):
            _note(db, row)
        elif _is_ours(row):
            said += _set(db, row)
    return said


def _note(db: Database, row: Row, *conditions: str) -> bool:
    """Say in the row that its end is noted; False if it was by now, or is not its end any more."""
    with db.transaction() as tx:
        tx.execute(" AND ".join([_NOTED.format(now=db.now), *conditions]), [row["id"], row["ended_at"]])
        return tx.changed == 1


def _set(db: Database, row: Row) -> list[str]:
    result = result_of(row)
    last = {
        "runId": row["id"],
        "stopCode": str(result.stop_code),
        "exitCode": result.exit_code,
        "branch": result.branch,
    }

    def unless(entry: Mapping[str, Any]) -> bool:
        if _told(entry, result):
            _note(db, row)
            return True
        # While the file is locked: a run that began meanwhile writes its own status after this.
        return not _is_the_same(row) or not _note(db, row, f"NOT EXISTS ({_LATER})")

    try:
        update_status(Path(row["root"], QUEUE_PATH), row["task_id"], result.status, last, unless=unless)
    except (UserError, OSError) as error:
        # The row is the truth; a queue file that is gone or broken takes nothing from it.
        return [f"{row['root']}: the status of {row['task_id']} was not set to {result.status!r}: {error}"]
    return []


def _is_ours(row: Row) -> bool:
    """Say whether what the run was queued from lies here still; of another user it is noted by that one's commands."""
    try:
        return Path(row["root"]).stat().st_uid == os.geteuid()
    except (OSError, ValueError):
        return False


def _is_the_same(row: Row) -> bool:
    """Say whether it is the repository that the run was queued from."""
    try:
        return has_commit(Repository.open(Path(row["root"])).git_dir, row["base_commit"])
    except (UserError, OSError):
        return False


def _told(entry: Mapping[str, Any], result: RunResult) -> bool:
    """Say whether the entry tells of this end, as the worker that concluded the run in this checkout left it."""
    last = entry.get("last_run", entry.get("lastRun"))
    told = (result.run_id, str(result.stop_code), result.status)
    return isinstance(last, Mapping) and (last.get("runId"), last.get("stopCode"), entry.get("status")) == told


def _stands_in_queue(row: Row) -> bool:
    try:
        return json.loads(row["options"]).get("queued") is True
    except (ValueError, AttributeError, RecursionError):
        return False

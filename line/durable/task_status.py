"""The status of a task in queue.json once its run has ended, whoever ended it and wherever.

A worker on another machine, a question that nobody answered, `andon stop`: none of them may have the checkout that the
run was queued from. So whoever ends a run writes its row alone, and the machine of the checkout writes the file at the
next look of any worker there, or of a command that ends or follows runs. The row says whether that was done.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from andon.intake.queue import QUEUE_PATH, update_status
from andon.line.db.database import Database, Row
from andon.line.db.foreign import result_of
from andon.line.identity import host_name
from andon.records.errors import UserError
from andon.records.result import RunResult

_AT_ONCE = 100
_ENDED = (
    "SELECT r.*, (SELECT count(*) FROM runs o WHERE o.repository = r.repository AND o.task_id = r.task_id "
    "AND o.host = r.host AND o.root = r.root AND o.queued_at > r.queued_at) AS later "
    "FROM runs r WHERE r.host = ? AND r.status = 'ended' AND r.noted_at IS NULL ORDER BY r.ended_at, r.id LIMIT ?"
)


def note_ends(db: Database) -> list[str]:
    """Set the status of tasks whose runs were queued from checkouts on this machine and have ended since the last look.

    Each end is noted once: what a person changes in the file afterwards stays. A task that has a later run, or whose
    entry tells of this end already, is left as it is. Any number of processes may do this at once.

    Returns what could not be set, a sentence for each task; it is not tried again.

    Raises:
        DatabaseGone: it cannot be reached.
        RunError: `disk-failed`.
    """
    said = []
    for row in db.read(_ENDED, [host_name(), _AT_ONCE]):
        if _stands_in_queue(row) and not row["later"]:
            said += _set(Path(row["root"], QUEUE_PATH), row)
        with db.transaction() as tx:
            # One that goes on again meanwhile is noted when it ends.
            tx.execute(f"UPDATE runs SET noted_at = {db.now} WHERE id = ? AND status = 'ended'", [row["id"]])  # noqa: S608
    return said


def _set(path: Path, row: Row) -> list[str]:
    result = result_of(row)
    last = {
        "runId": row["id"],
        "stopCode": str(result.stop_code),
        "exitCode": result.exit_code,
        "branch": result.branch,
    }
    if not Path(row["root"]).is_dir() or _told(path, row["task_id"], result):
        return []
    try:
        update_status(path, row["task_id"], result.status, last)
    except (UserError, OSError) as error:
        # The row is the truth; a queue file that is gone or broken takes nothing from it.
        return [f"the task's status was not set to {result.status!r}: {error}"]
    return []


def _told(path: Path, task_id: str, result: RunResult) -> bool:
    """Say whether the entry tells of this end, as the worker that concluded the run in this checkout left it."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        for entry in json.loads(path.read_bytes()):
            last: Any = entry.get("last_run", entry.get("lastRun"))
            if task_id in (entry.get("id"), entry.get("task_id")) and last["runId"] == result.run_id:
                return bool(last.get("stopCode") == str(result.stop_code))
    return False


def _stands_in_queue(row: Row) -> bool:
    try:
        return json.loads(row["options"]).get("queued") is True
    except (ValueError, AttributeError):
        return False

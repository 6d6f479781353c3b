"""Rows of the tables as commands look at them, read without a schema library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andon.line.db.connection import Row

COLUMNS = (
    "id, task_id, title, lane, status, priority, branch, worker, not_before, provider, queued_at, started_at, "
    "stop_code, message, result, root, host"
)
"""What `run_row` needs."""


@dataclass(frozen=True)
class RunRow:
    """One run, as its row says."""

    id: str
    task_id: str
    title: str
    lane: str
    status: str
    """`queued`, `running`, `parked` or `ended`."""
    priority: int
    branch: str
    worker: str
    """Who works on it; empty if nobody does."""
    not_before: float
    provider: str
    queued_at: float
    """Unix seconds, as the database counts them; likewise below."""
    started_at: float | None
    stop_code: str
    """Empty until it has ended."""
    message: str
    result: Mapping[str, Any]
    """Its result as JSON; empty if it left none."""
    root: str
    """The work tree it was queued in, on `host`."""
    host: str


@dataclass(frozen=True)
class Asked:
    """A question of a run."""

    id: str
    """What `andon approve` takes."""
    question: str
    """What is asked, in a line."""
    run_id: str
    expires_at: float | None
    """Unix seconds; None: never."""
    answer: str
    """Empty until a person has answered."""


@dataclass(frozen=True)
class Worker:
    """A worker that is alive."""

    id: str
    host: str
    process: int
    kind: str
    """`serve` takes whatever waits, `run` works on one run."""
    slots: int


def iso(seconds: float | None) -> str:
    """Return a time as ISO 8601 in UTC; empty for none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:19] + "Z"


def run_row(row: "Row") -> RunRow:
    """Return the run of a row with `COLUMNS`; a result that cannot be read is left out."""
    try:
        result = json.loads(row["result"] or "{}")
    except ValueError:
        result = {}
    return RunRow(
        **{name: row[name] for name in ("id", "task_id", "title", "lane", "status", "branch", "root", "host")},
        priority=int(row["priority"]),
        worker=row["worker"] or "",
        not_before=float(row["not_before"] or 0),
        provider=row["provider"] or "",
        queued_at=float(row["queued_at"]),
        started_at=None if row["started_at"] is None else float(row["started_at"]),
        stop_code=row["stop_code"] or "",
        message=row["message"] or "",
        result=result if isinstance(result, dict) else {},
    )


def asked_of(row: "Row") -> Asked:
    """Return the question of a row of `approvals`; words that cannot be read are left out."""
    try:
        question = str(json.loads(row["question"])["question"])
    except (ValueError, KeyError, TypeError):
        question = ""
    expires = None if row["expires_at"] is None else float(row["expires_at"])
    return Asked(row["id"], question, row["run_id"], expires, row["answer"] or "")

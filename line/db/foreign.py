"""Rows that this andon cannot read: a newer one wrote them, or they are damaged. They are named, and hide no others."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from andon.line.db.database import Row
from andon.line.db.rows import Run, run_of
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode


@dataclass(frozen=True)
class Unreadable:
    """A run of which only the plain columns can be told."""

    run_id: str
    task_id: str
    title: str
    lane: str
    branch: str
    status: str
    """Where it stands, as in `Run.status`."""
    problem: str
    """What cannot be read, and what to do, in a sentence."""

    @classmethod
    def of(cls, row: Row, run_id: str, problem: str) -> "Unreadable":
        """Return what a row tells that has these columns, the id apart."""
        return cls(run_id, row["task_id"], row["title"], row["lane"], row["branch"], row["status"], problem)


def readable(rows: Iterable[Row], unreadable: list[Unreadable] | None) -> list[Run]:
    """Return the runs of rows with all columns, in their order; those that cannot be read go to `unreadable`.

    Raises:
        UserError: one cannot be read, and nobody takes those (None).
    """
    found = []
    for row in rows:
        try:
            found.append(run_of(row))
        except UserError as error:
            if unreadable is None:
                raise
            unreadable.append(Unreadable.of(row, row["id"], str(error)))
    return found


def result_of(row: Row) -> RunResult:
    """Return how things stood when the run was parked or ended; of a result that cannot be read, what its columns say.

    A stop code that this andon does not know is told as `needs-person`.
    """
    try:
        return RunResult.model_validate_json(row["result"] or "")
    except ValidationError:
        code = StopCode(row["stop_code"]) if row["stop_code"] in list(StopCode) else StopCode.NEEDS_PERSON
    return RunResult(
        run_id=row["id"],
        task_id=row["task_id"],
        title=row["title"],
        status=MEANINGS[code].status,
        stop_code=code,
        exit_code=MEANINGS[code].exit_code,
        message=row["message"],
        remedy=MEANINGS[code].remedy,
        base_commit=row["base_commit"],
    )

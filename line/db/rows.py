"""Runs as rows: the types, and the way in and out of the table."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from andon.line.db.database import Row, Transaction
from andon.line.steps import Answer, Gate
from andon.records.base import Record
from andon.records.errors import UserError
from andon.records.lanes import DEFAULT_LANE
from andon.records.result import RunResult
from andon.records.task import Task

Status = Literal["queued", "running", "parked", "ended"]
"""Where a run stands: waits for a worker, is worked on, waits for a person, is over."""


class RunOptions(Record):
    """What the person who queued a run chose, and what was told then."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    model: str | None = None
    """For every role; None: what the repository says."""
    planner: str | None = None
    """For the planner alone."""
    executor: str | None = None
    """For the executor alone."""
    reviewer: str | None = None
    """For the reviewer alone."""
    stream: bool | None = None
    """Whether answers are streamed; None: what the repository says."""
    sandbox: str | None = None
    """The tier; None: the best that works."""
    queued: bool = False
    """True if the task stands in queue.json, where its status is noted."""
    halt_after: int = Field(default=3, ge=0)
    """As `[limits] halt_after` of the repository said then, for whoever ends the run without its files."""
    warnings: list[str] = Field(default_factory=list)
    """What a person should know."""
    started: int
    """Date of the run's commits, seconds since 1970."""


@dataclass(frozen=True)
class NewRun:
    """What is told of a run when it is queued."""

    id: str
    """Sorts by time and never repeats."""
    repository: str
    """`identity_of` the repository."""
    host: str
    """The machine whose checkout it was queued from."""
    root: str
    """That checkout."""
    task: Task
    """What is wanted."""
    branch: str
    """What it would deliver."""
    base_commit: str
    """Where it starts."""
    options: RunOptions
    """What was chosen."""
    lane: str = DEFAULT_LANE
    """Which lane it runs in."""
    priority: int = 100
    """Lower goes first."""
    source_key: str | None = None
    """Names what asked for it: unique in the repository among runs that have not ended."""
    base_blob: str | None = None
    """Digest of the base as a bundle, where other machines share the database."""
    provider: str = ""
    """Which model server it asks."""
    provider_limit: int | None = None
    """It begins only while fewer runs than that ask the server; None: whatever others do."""
    flow: int = 1
    """Version of the way a run goes."""


@dataclass(frozen=True)
class Run:
    """One row. Times are seconds since 1970 by the database's clock."""

    id: str
    repository: str
    host: str
    root: str
    lane: str
    task_id: str
    title: str
    task: Task
    source_key: str | None
    priority: int
    branch: str
    base_commit: str
    base_blob: str | None
    provider: str
    provider_limit: int | None
    options: RunOptions
    status: Status
    phase: int
    """From 0; the one that is worked on or comes next."""
    checkpoint: str
    """Digest of the blob that phase starts from; empty: from the beginning."""
    gate: Gate | None
    """The question it is parked at, or was answered before the phase it is in."""
    worker: str | None
    """Who works on it, or who ended it."""
    attempt: int
    """How often it was claimed."""
    flow: int
    not_before: float
    wanted: str
    """`stop` once a person wants it to end."""
    stop_code: str | None
    message: str
    result: RunResult | None
    delivery: str | None
    queued_at: float
    started_at: float | None
    changed_at: float
    ended_at: float | None


COLUMNS = tuple(one.name for one in fields(Run))
"""In the order of `Run`."""


class Fenced(Exception):
    """The run is another worker's by now, or has ended: nothing was written."""


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the JSON reader and writer of a dataclass."""
    return TypeAdapter(kind)


def gate_json(gate: Gate) -> str:
    """Return a question as it is stored and signed."""
    return adapter(Gate).dump_json(gate).decode()


def run_of(row: Row) -> Run:
    """Return the run of a row with all columns.

    Raises:
        UserError: a document in it is not of this version.
    """
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    try:
        values["task"] = Task.model_validate_json(row["task"])
        values["options"] = RunOptions.model_validate_json(row["options"])
        values["gate"] = adapter(Gate).validate_json(row["gate"]) if row["gate"] else None
        values["result"] = RunResult.model_validate_json(row["result"]) if row["result"] else None
    except ValidationError as error:
        raise UserError(
            f"run {row['id']} was written by another version of andon ({error.errors()[0]['msg']}): use that version"
        ) from error
    return Run(**values)


def insert(tx: Transaction, run: Run) -> bool:
    """Write a whole row as it is; False if its id or the source it has is there already."""
    row: Row = vars(run) | {
        "task": run.task.model_dump_json(),
        "options": run.options.model_dump_json(),
        "gate": gate_json(run.gate) if run.gate else None,
        "result": run.result.model_dump_json() if run.result else None,
    }
    marks = ", ".join("?" * len(COLUMNS))
    sql = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    tx.execute(sql, [row[name] for name in COLUMNS])
    return tx.changed == 1


def answer_of(kind: str, text: str) -> Answer:
    """Return an answer as it was stored."""
    answer: Answer = adapter(Answer).validate_python({"kind": kind, "text": text})
    return answer

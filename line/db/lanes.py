"""Lanes: whether one takes work in, a person's pause, and the stop of the line after the same stop several times."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from dataclasses import dataclass
from typing import Any, Literal

from andon.line.db.database import Database, Row, Transaction
from andon.line.db.rows import Run
from andon.records.errors import UserError
from andon.records.lanes import LANE_NAME
from andon.records.stops import MEANINGS, StopCode

LaneState = Literal["open", "paused", "halted"]

_NOT_COUNTED = (StopCode.INTERRUPTED, StopCode.NEEDS_PERSON, StopCode.QUESTION, StopCode.LANE_HALTED)

# Those that do not count are passed over; a delivered run is one of the row and ends it.
_MARKS = ", ".join("?" * len(_NOT_COUNTED))
_LAST_ENDED = (
    "SELECT id, task_id, title, stop_code FROM runs WHERE repository = ? AND lane = ? AND status = 'ended' "
    f"AND ended_at > ? AND stop_code NOT IN ({_MARKS}) ORDER BY ended_at DESC, id DESC LIMIT ?"
)


@dataclass(frozen=True)
class Lane:
    """How a lane stands. One that was never closed has no row and is open."""

    repository: str
    name: str
    state: LaneState = "open"
    """`paused` by a person, or `halted` by the line; in both no queued run begins."""
    reason: str = ""
    """Why it is not open, in a sentence."""
    lesson: str = ""
    """Of a halted lane: what the runs that stopped have in common, drafted from records alone."""
    by: str = ""
    """Who closed or opened it last."""
    changed_at: float = 0.0
    """When, in Unix seconds by the database's clock."""


def check_lane(name: str) -> str:
    """Return `name` if it can be a lane's.

    Raises:
        UserError: it cannot.
    """
    if not LANE_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a lane: write 1 to 64 letters, digits, '.', '_' or '-', with a letter or "
            "digit first"
        )
    return name


def lane(db: Database, repository: str, name: str) -> Lane:
    """Return how the lane stands."""
    rows = db.read("SELECT * FROM lanes WHERE repository = ? AND name = ?", (repository, name))
    return _lane(rows[0]) if rows else Lane(repository, name)


def closed_lanes(db: Database, repository: str) -> list[Lane]:
    """Return the lanes that are not open, by name."""
    sql = "SELECT * FROM lanes WHERE repository = ? AND state <> 'open' ORDER BY name"
    return [_lane(row) for row in db.read(sql, (repository,))]


def pause(db: Database, repository: str, name: str, *, reason: str, by: str) -> Lane:
    """Let no queued run of the lane begin until it is opened; runs that began go on.

    Raises:
        UserError: it is not open as it is, or the name is none.
    """
    check_lane(name)
    with db.transaction() as transaction:
        found = _locked(db, transaction, repository, name)
        if found.state != "open":
            raise UserError(f"lane {name} is {found.state} already: {found.reason or 'no reason was given'}")
        return _set(db, transaction, Lane(repository, name, "paused", reason.strip(), by=by))


def open_lane(db: Database, repository: str, name: str, *, by: str) -> Lane:
    """Open a lane that was paused or halted and return how it stood before; stops are counted from now on.

    Raises:
        UserError: it is open, or the name is none.
    """
    check_lane(name)
    with db.transaction() as transaction:
        found = _locked(db, transaction, repository, name)
        if found.state == "open":
            others = [one["name"] for one in transaction.execute(
                "SELECT name FROM lanes WHERE repository = ? AND state <> 'open' ORDER BY name", (repository,)
            )]  # fmt: skip
            known = f"closed are: {', '.join(others)}" if others else "no lane of this repository is closed"
            raise UserError(f"lane {name} is open, there is nothing to resume; {known}")
        _set(db, transaction, Lane(repository, name, by=by))
        return found


def note_end(db: Database, run: Run, halt_after: int) -> Lane | None:
    """Halt the lane of `run`, which has ended, if it is the last of `halt_after` runs in a row with one stop code.

    Deliveries end a row; interrupted runs and those that need a person are passed over. Counted are runs that ended
    since the lane was last closed or opened. With `halt_after` 0 no lane is ever halted.

    Returns the lane if this call halted it.
    """
    if halt_after < 1:
        return None
    with db.transaction() as transaction:
        found = _locked(db, transaction, run.repository, run.lane)
        if found.state == "halted":
            return None
        wanted = (run.repository, run.lane, found.changed_at, *_NOT_COUNTED, halt_after)
        ended = transaction.execute(_LAST_ENDED, wanted)
        codes = {StopCode(row["stop_code"]) for row in ended}
        if len(ended) < halt_after or run.id not in {row["id"] for row in ended}:
            return None
        if len(codes) > 1 or StopCode.DELIVERED in codes:
            return None
        reason, lesson = _reason(ended), _lesson(ended)
        return _set(db, transaction, Lane(run.repository, run.lane, "halted", reason, lesson, by="andon"))


def _reason(ended: list[Row]) -> str:
    runs = ", ".join(row["id"] for row in reversed(ended))
    if len(ended) == 1:
        return f"a run stopped with {ended[0]['stop_code']}: {runs}"
    return f"{len(ended)} runs in a row stopped with {ended[0]['stop_code']}: {runs}"


def _lesson(ended: list[Row]) -> str:
    """Return what stands in records about the stops: no word of a model is among it."""
    code = StopCode(ended[0]["stop_code"])
    meaning = MEANINGS[code]
    tasks = [f"- {row['task_id']}: {row['title']} (run {row['id']})" for row in reversed(ended)]
    return "\n".join(
        [
            f"# {len(ended)} × {code.value} in a row",
            "",
            f"These runs ended as {meaning.status}, exit {meaning.exit_code}:",
            *tasks,
            "",
            f"What andon advises for {code.value}: {meaning.remedy}",
            "What they have in common, and what was changed so that it does not come again: (a person writes this)",
        ]
    )


def _locked(db: Database, transaction: Transaction, repository: str, name: str) -> Lane:
    """Return how the lane stands; nobody else changes it before the transaction ends."""
    sql = (
        "INSERT INTO lanes (repository, name, state, reason, lesson, by, changed_at) "
        "VALUES (?, ?, 'open', '', '', '', 0) ON CONFLICT (repository, name) "
        "DO UPDATE SET state = lanes.state RETURNING *"
    )
    return _lane(transaction.execute(sql, (repository, name))[0])


def _set(db: Database, transaction: Transaction, wanted: Lane) -> Lane:
    values: tuple[Any, ...] = (wanted.state, wanted.reason, wanted.lesson, wanted.by, wanted.repository, wanted.name)
    rows = transaction.execute(
        f"UPDATE lanes SET state = ?, reason = ?, lesson = ?, by = ?, changed_at = {db.now} "
        "WHERE repository = ? AND name = ? RETURNING *",
        values,
    )
    return _lane(rows[0])


def _lane(row: Row) -> Lane:
    return Lane(
        repository=row["repository"],
        name=row["name"],
        state=row["state"],
        reason=row["reason"],
        lesson=row["lesson"],
        by=row["by"],
        changed_at=float(row["changed_at"]),
    )

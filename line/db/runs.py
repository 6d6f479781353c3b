"""The table of runs: queued, found, counted. Workers get them in `queue.py` and let them go in `leaving.py`."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from collections.abc import Collection

from andon.line.db.database import Database
from andon.line.db.foreign import Unreadable, readable
from andon.line.db.leaving import end, park, put_back
from andon.line.db.rows import COLUMNS, Fenced, NewRun, Run, RunOptions, Status, insert, run_of
from andon.records.errors import UserError

__all__ = [
    "AlreadyQueued", "Fenced", "NewRun", "Run", "RunOptions", "Status", "add", "count_by_status", "end", "find", "get",
    "insert", "listed", "park", "put_back",
]  # fmt: skip

_ALL = ", ".join(COLUMNS)
_TRIES = 5


class AlreadyQueued(UserError):
    """What asks for this run has one that has not ended."""

    def __init__(self, run_id: str, source_key: str) -> None:
        super().__init__(f"{source_key} is queued already as run {run_id}: wait for its end, or `andon stop {run_id}`")
        self.run_id = run_id
        """That run."""


def add(db: Database, run: NewRun) -> Run:
    """Queue a run and return its row.

    Raises:
        AlreadyQueued: a run of the same source has not ended.
        UserError: a run of that id exists.
    """
    for _ in range(_TRIES):
        with db.transaction() as tx:
            now: float = tx.execute(f"SELECT {db.now} AS now")[0]["now"]
            row = _queued(run, now)
            if insert(tx, row):
                return row
            other = tx.execute(
                "SELECT id FROM runs WHERE repository = ? AND source_key = ? AND status <> 'ended'",
                [run.repository, run.source_key],
            )
            if other:
                raise AlreadyQueued(other[0]["id"], run.source_key or "")
            if tx.execute("SELECT id FROM runs WHERE id = ?", [run.id]):
                break
    raise UserError(f"a run {run.id} is there already: run the command again")


def _queued(run: NewRun, now: float) -> Run:
    return Run(
        id=run.id,
        repository=run.repository,
        host=run.host,
        root=run.root,
        lane=run.lane,
        task_id=run.task.id,
        title=run.task.title,
        task=run.task,
        source_key=run.source_key,
        priority=run.priority,
        branch=run.branch,
        base_commit=run.base_commit,
        base_blob=run.base_blob,
        provider=run.provider,
        provider_limit=run.provider_limit,
        options=run.options,
        status="queued",
        phase=0,
        checkpoint="",
        gate=None,
        worker=None,
        attempt=0,
        flow=run.flow,
        not_before=0.0,
        wanted="",
        stop_code=None,
        message="",
        result=None,
        delivery=None,
        queued_at=now,
        started_at=None,
        changed_at=now,
        ended_at=None,
    )


def get(db: Database, run_id: str) -> Run:
    """Return one run.

    Raises:
        UserError: there is none of that id.
    """
    rows = db.read(f"SELECT {_ALL} FROM runs WHERE id = ?", [run_id])
    if not rows:
        raise UserError(f"there is no run {run_id!r}; `andon status` lists them")
    return run_of(rows[0])


def find(db: Database, repository: str | None, wanted: str) -> Run:
    """Return the run a person means: by its id, by a task's id (its newest run), or by the beginning of a run's id.

    Raises:
        UserError: nothing fits, several do, or the run is one of another repository.
    """
    where, here = ("repository = ? AND ", [repository]) if repository is not None else ("", [])
    newest = f"SELECT {_ALL} FROM runs WHERE {where}task_id = ? ORDER BY queued_at DESC, id DESC LIMIT 1"
    for sql, params in ((f"SELECT {_ALL} FROM runs WHERE {where}id = ?", [*here, wanted]), (newest, [*here, wanted])):
        if rows := db.read(sql, params):
            return run_of(rows[0])
    begin = f"SELECT {_ALL} FROM runs WHERE {where}substr(id, 1, ?) = ? ORDER BY id DESC LIMIT 3"
    rows = db.read(begin, [*here, len(wanted), wanted]) if wanted else []
    if len(rows) == 1:
        return run_of(rows[0])
    if rows:
        named = ", ".join(row["id"] for row in rows)
        raise UserError(f"several runs begin with {wanted!r} ({named}): write more of the id")
    other = db.read("SELECT repository FROM runs WHERE id = ?", [wanted])
    if other:
        raise UserError(f"run {wanted} is one of {other[0]['repository']}: change into that repository")
    raise UserError(f"no run and no task's run is called {wanted!r}; `andon status` lists them")


def listed(
    db: Database,
    *,
    repository: str | None,
    statuses: Collection[Status] = (),
    limit: int = 100,
    unreadable: list[Unreadable] | None = None,
) -> list[Run]:
    """Return the newest runs first: of one repository or all, of those statuses or any.

    Those that cannot be read go to `unreadable` and count for the limit.

    Raises:
        UserError: one cannot be read, and nobody takes those.
    """
    conditions, params = [], []
    if repository is not None:
        conditions.append("repository = ?")
        params.append(repository)
    if statuses:
        conditions.append(f"status IN ({', '.join('?' * len(statuses))})")
        params.extend(statuses)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    sql = f"SELECT {_ALL} FROM runs {where}ORDER BY queued_at DESC, id DESC LIMIT ?"
    return readable(db.read(sql, [*params, limit]), unreadable)


def count_by_status(db: Database, repository: str | None) -> dict[Status, int]:
    """Return how many runs stand where; a status of none is left out."""
    where, params = ("", []) if repository is None else ("WHERE repository = ? ", [repository])
    rows = db.read(f"SELECT status, COUNT(*) AS runs FROM runs {where}GROUP BY status ORDER BY status", params)
    return {row["status"]: row["runs"] for row in rows}

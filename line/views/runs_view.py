"""How runs stand in the tables, read without a schema library: for commands that only look.

What a text in a row says came from a task or a run: whoever shows it cleans it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from andon.line.views.run_rows import COLUMNS, Asked, RunRow, Worker, asked_of, run_row
from andon.records.errors import UserError

if TYPE_CHECKING:
    from andon.line.db.database import Database
    from andon.sandbox.repository import Repository

ACTIVE = ("running", "parked", "queued")
"""What a run is before it has ended; of a task's runs the first of these stands for it, else its newest."""

_AT_ONCE = 500
_SHORTEST = 6
"""Letters a run's id may be cut to; it begins with a date."""


@dataclass(frozen=True)
class RunsView:
    """The runs of one repository in the tables."""

    db: "Database"
    repository: str
    """Its identity there."""

    @classmethod
    def of(cls, repository: "Repository", environment: Mapping[str, str]) -> "RunsView | None":
        """Open the tables the environment names; None where there are none, since nothing was ever queued here.

        Raises:
            UserError: they are there and cannot be read.
        """
        from andon.line.db.database import Database, database_url, exists

        url = database_url(environment, repository.root)
        if not exists(url):
            return None
        from andon.line.identity import identity_of

        return cls(Database.open(url), identity_of(repository))

    def now(self) -> float:
        """Return the time by the database's clock."""
        return float(self.db.read(f"SELECT {self.db.now} AS now")[0]["now"])

    def counts(self) -> dict[str, int]:
        """Return how many runs there are of each status."""
        sql = "SELECT status, COUNT(*) AS n FROM runs WHERE repository = ? GROUP BY status"
        return {row["status"]: int(row["n"]) for row in self.db.read(sql, (self.repository,))}

    def tasks(self) -> set[str]:
        """Return the ids of all tasks that have a run."""
        sql = "SELECT DISTINCT task_id FROM runs WHERE repository = ?"
        return {row["task_id"] for row in self.db.read(sql, (self.repository,))}

    def recent(self, status: str, limit: int) -> list[str]:
        """Return ids of tasks of the last `limit` runs of that status, newest first."""
        sql = "SELECT task_id FROM runs WHERE status = ? AND repository = ? ORDER BY queued_at DESC LIMIT ?"
        rows = self.db.read(sql, (status, self.repository, limit))
        return list(dict.fromkeys(row["task_id"] for row in rows))

    def queued(self, limit: int) -> list[RunRow]:
        """Return what waits in the queue, first come first."""
        sql = (
            f"SELECT {COLUMNS} FROM runs WHERE status = 'queued' AND repository = ? "  # noqa: S608  (constants)
            "ORDER BY priority, queued_at, id LIMIT ?"
        )
        return [run_row(row) for row in self.db.read(sql, (self.repository, limit))]

    def of_tasks(self, task_ids: Sequence[str]) -> dict[str, RunRow]:
        """Return by task the run that stands for it: the one that goes on, waits or is queued, else the newest."""
        best: dict[str, tuple[int, float, str]] = {}
        for some in _parts(task_ids):
            sql = (
                f"SELECT id, task_id, status, queued_at FROM runs WHERE repository = ? AND task_id IN ({_marks(some)})"  # noqa: S608
            )
            for row in self.db.read(sql, (self.repository, *some)):
                rank = _rank(row["status"]), float(row["queued_at"]), str(row["id"])
                best[row["task_id"]] = max(rank, best.get(row["task_id"], rank))
        found = self._runs([run_id for _, _, run_id in best.values()])
        return {run.task_id: run for run in found}

    def named(self, wanted: str) -> RunRow | None:
        """Return the run of that id, or the only one whose id begins so, or the one that stands for that task.

        Raises:
            UserError: several runs begin so.
        """
        found = self._runs([wanted])
        if not found and (of_task := self.of_tasks([wanted])):
            return of_task[wanted]
        if not found and len(wanted) >= _SHORTEST:
            sql = "SELECT id FROM runs WHERE repository = ? AND substr(id, 1, ?) = ? ORDER BY id DESC LIMIT 6"
            ids = [row["id"] for row in self.db.read(sql, (self.repository, len(wanted), wanted))]
            if len(ids) > 1:
                raise UserError(f"several runs begin with {wanted!r}: {', '.join(ids[:5])}; name one of them")
            found = self._runs(ids)
        return found[0] if found else None

    def named_or_last(self, wanted: str) -> RunRow | None:
        """Return what `named` does, and for `last` the run that changed last; None if there is none."""
        newest = self.wrote_last() if wanted == "last" else None
        return self.named(newest[0] if newest else wanted)

    def busy_with(self, run: RunRow) -> str:
        """Return the run that goes on or waits for a person on the same branch or task; empty if none does."""
        sql = (
            "SELECT id FROM runs WHERE repository = ? AND status IN ('running', 'parked') AND id <> ? "
            "AND (branch = ? OR task_id = ?) LIMIT 1"
        )
        rows = self.db.read(sql, (self.repository, run.id, run.branch, run.task_id))
        return str(rows[0]["id"]) if rows else ""

    def questions(self, run_ids: Sequence[str]) -> dict[str, Asked]:
        """Return the last question of each run that asked one."""
        found: dict[str, Asked] = {}
        for some in _parts(run_ids):
            sql = (
                "SELECT id, run_id, question, expires_at, answer FROM approvals "  # noqa: S608  (marks only)
                f"WHERE run_id IN ({_marks(some)}) ORDER BY asked_at, phase"
            )
            for row in self.db.read(sql, some):
                found[row["run_id"]] = asked_of(row)
        return found

    def closed_lanes(self) -> list[dict[str, str]]:
        """Return the lanes that take nothing up: name, state, reason and lesson of each."""
        sql = "SELECT name, state, reason, lesson FROM lanes WHERE repository = ? AND state <> 'open' ORDER BY name"
        return [dict(row) for row in self.db.read(sql, (self.repository,))]

    def resting(self, provider: str) -> float:
        """Return until when a model server is left alone after failures, unix seconds; 0 if it is not."""
        rows = self.db.read("SELECT blocked_until FROM providers WHERE name = ?", (provider,))
        return float(rows[0]["blocked_until"] or 0) if rows else 0.0

    def workers(self) -> list[Worker]:
        """Return the workers that are alive, of any repository."""
        from andon.line.db.workers import DEAD_AFTER

        sql = (
            f"SELECT id, host, pid, kind, slots FROM workers WHERE beat_at > {self.db.now} - ? ORDER BY started_at, id"  # noqa: S608
        )
        rows = self.db.read(sql, (DEAD_AFTER,))
        return [Worker(row["id"], row["host"], int(row["pid"]), row["kind"], int(row["slots"])) for row in rows]

    def last_event(self, run_id: str, kind: str = "") -> dict[str, Any] | None:
        """Return a run's last event, of that kind if one is named; None if there is none or it cannot be read."""
        only, more = ("AND kind = ? ", (kind,)) if kind else ("", ())
        sql = f"SELECT line FROM events WHERE run_id = ? {only}ORDER BY seq DESC LIMIT 1"  # noqa: S608
        rows = self.db.read(sql, (run_id, *more))
        try:
            event = json.loads(rows[0]["line"]) if rows else None
        except ValueError:
            return None
        return event if isinstance(event, dict) and isinstance(event.get("data"), dict) else None

    def wrote_last(self) -> tuple[str, float] | None:
        """Return the run that began or changed last, and when in Unix seconds; None if none has begun."""
        sql = (
            "SELECT id, changed_at FROM runs WHERE repository = ? AND started_at IS NOT NULL "
            "ORDER BY changed_at DESC, id DESC LIMIT 1"
        )
        rows = self.db.read(sql, (self.repository,))
        return (rows[0]["id"], float(rows[0]["changed_at"])) if rows else None

    def _runs(self, run_ids: Sequence[str]) -> list[RunRow]:
        found: list[RunRow] = []
        for some in _parts(run_ids):
            sql = f"SELECT {COLUMNS} FROM runs WHERE repository = ? AND id IN ({_marks(some)})"  # noqa: S608
            found += [run_row(row) for row in self.db.read(sql, (self.repository, *some))]
        return found


def _rank(status: str) -> int:
    return len(ACTIVE) - ACTIVE.index(status) if status in ACTIVE else 0


def _marks(some: Sequence[str]) -> str:
    return ", ".join("?" * len(some))


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]

"""Why each queued run still waits: the same conditions as `queue.claim`, told to a person one by one."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from andon.line.db.database import Database
from andon.line.db.foreign import Unreadable, readable
from andon.line.db.lanes import Lane, closed_lanes
from andon.line.db.providers import Provider, resting
from andon.line.db.queue import IN_ORDER
from andon.line.db.rows import COLUMNS, Run

WhyWaits = Literal[
    "stopping",
    "not-before",
    "lane-paused",
    "lane-halted",
    "provider-resting",
    "provider-full",
    "branch-busy",
    "its-turn",
    "no-worker",
]


@dataclass(frozen=True)
class Waiting:
    """A queued run and what it waits for."""

    run: Run
    why: WhyWaits
    detail: str
    """The same in a sentence."""


@dataclass(frozen=True)
class _Facts:
    now: float
    lanes: Mapping[str, Lane]
    providers: Mapping[str, Provider]
    asking: Mapping[str, int]
    """How many runs, of all repositories, ask a server now."""
    branches: dict[str, str]
    """Who holds a branch, in words."""
    tasks: dict[str, str]
    """Who works on a task, in words."""


def waiting(
    db: Database, repository: str, *, served: bool, limit: int = 100, unreadable: list[Unreadable] | None = None
) -> list[Waiting]:
    """Return the queued runs of a repository in the order in which they would begin, the first `limit`.

    `served` says whether anybody works on the queue. Runs that cannot be read go to `unreadable` and count for the
    limit; no run waits for one of those that has not begun.

    Raises:
        UserError: one cannot be read, and nobody takes those.
    """
    facts = _facts(db, repository)
    columns = ", ".join(f"r.{name}" for name in COLUMNS)
    sql = f"SELECT {columns} FROM runs r WHERE r.repository = ? AND r.status = 'queued' ORDER BY {IN_ORDER} LIMIT ?"
    found = []
    for run in readable(db.read(sql, (repository, limit)), unreadable):
        why, detail = _why(run, facts) or _turn(served)
        found.append(Waiting(run, why, detail))
        # Whoever comes later on the same branch waits for this one.
        facts.branches.setdefault(run.branch, f"branch {run.branch} is taken first by run {run.id}, which is queued")
        facts.tasks.setdefault(run.task_id, f"task {run.task_id} is taken first by run {run.id}, which is queued")
    return found


def _why(run: Run, facts: _Facts) -> tuple[WhyWaits, str] | None:
    if run.wanted == "stop":
        return "stopping", "a person stopped it"
    if run.not_before > facts.now:
        because = f" ({run.message})" if run.message else ""
        return "not-before", f"not before {clock(run.not_before)}{because}"
    if (lane := facts.lanes.get(run.lane)) and run.attempt == 0:
        why: WhyWaits = "lane-halted" if lane.state == "halted" else "lane-paused"
        return why, f"lane {lane.name} is {lane.state}: {lane.reason or 'no reason was given'}"
    if provider := facts.providers.get(run.provider):
        return "provider-resting", f"{provider.name} rests until {clock(provider.blocked_until)}: {provider.reason}"
    if run.provider_limit is not None and (asking := facts.asking.get(run.provider, 0)) >= run.provider_limit:
        detail = f"{run.provider} is asked by as many runs as it may be: {asking} ([limits] provider_runs)"
        return "provider-full", detail
    for held in (facts.branches.get(run.branch), facts.tasks.get(run.task_id)):
        if held and f"run {run.id}," not in held:
            return "branch-busy", held
    return None


def _turn(served: bool) -> tuple[WhyWaits, str]:
    if served:
        return "its-turn", "begins when a worker has a free slot"
    return "no-worker", "nothing works on the queue: start `andon serve`"


def _facts(db: Database, repository: str) -> _Facts:
    [clock_row] = db.read(f"SELECT {db.now} AS now")
    begun = db.read(
        "SELECT id, branch, task_id, status FROM runs WHERE repository = ? "
        "AND (status IN ('running', 'parked') OR (status = 'queued' AND attempt > 0)) ORDER BY id",
        (repository,),
    )
    asking = db.read("SELECT provider, count(*) AS runs FROM runs WHERE status = 'running' GROUP BY provider")
    doing = {"running": "which runs", "parked": "which waits for a person", "queued": "which goes on first"}
    return _Facts(
        now=float(clock_row["now"]),
        lanes={one.name: one for one in closed_lanes(db, repository)},
        providers={one.name: one for one in resting(db)},
        asking={row["provider"]: int(row["runs"]) for row in asking},
        branches={
            row["branch"]: f"branch {row['branch']} is held by run {row['id']}, {doing[row['status']]}" for row in begun
        },
        tasks={
            row["task_id"]: f"task {row['task_id']} is worked on by run {row['id']}, {doing[row['status']]}"
            for row in begun
        },
    )


def clock(at: float) -> str:
    """Return a time in Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

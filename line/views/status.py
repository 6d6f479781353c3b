"""How things stand in a repository: what runs now, how the last run of each task ended, what waits and for whom.

Read from the tables, the queue, the locks of living runs and the results they left, without loading a model or a schema
library: what is damaged or foreign is named, and hides nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.line.ide.waiting import Waiting, waiting_in
from andon.line.views.run_rows import Worker
from andon.line.views.runs_view import RunsView
from andon.line.views.status_files import (
    QUEUE_PATH,
    STATE,
    Problems,
    Running,
    queue_of,
    result_at,
    results_of,
    running_of,
)
from andon.line.views.status_rows import Last, Queued, Rows, queue_standing
from andon.records.errors import UserError

_WAITING = ("waiting-approval", "ready-for-pr", "failed-review")
_FINISHED = ("delivered", "done")


@dataclass(frozen=True)
class TaskStanding:
    """How one task stands."""

    task_id: str
    title: str
    status: str
    """A task status of DESIGN §5; `running` only while a worker has the task."""
    needs_person: bool
    """True if a person has to judge what a run left: answer it, read its review, or take its branch."""
    next_step: str
    """What that is, or the command that runs it; empty while it runs."""
    running: Running | None = None
    last: Last | None = None
    run_id: str = ""
    """The run in the tables that stands for it; empty if there is none."""
    question: str = ""
    """What that run asks; empty if nothing, or once it was answered."""


@dataclass(frozen=True)
class Standing:
    """How a repository stands."""

    repository: str
    tasks: tuple[TaskStanding, ...]
    """Those of the queue in its order, then others by id; of the tables' the ones that changed last."""
    unreadable: tuple[tuple[str, str], ...]
    """Path relative to the repository, and what is wrong with what lies there."""
    approvals: tuple[Waiting, ...] = ()
    """Questions that nobody answered: of IDE clients, then of the runs shown."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Runs in the tables, by `queued`, `running`, `parked` and `ended`."""
    more_tasks: int = 0
    """Tasks of the tables that are neither among `tasks` nor in `queue`."""
    queue: tuple[Queued, ...] = ()
    """What begins next, first come first."""
    lanes: tuple[Mapping[str, str], ...] = ()
    """Lanes that take nothing up: name, state, reason, lesson."""
    workers: tuple[Worker, ...] = ()
    """Who is alive."""


def standing_of(root: Path, now: float, view: RunsView | None = None) -> Standing:
    """Read how the repository at `root` stands at `now`, in Unix seconds. Nothing is written."""
    problems: Problems = []
    queued = queue_of(root, problems)
    rows = Rows.of(view, root, list(queued)) if view else Rows()
    results = {result["task_id"]: result for result in results_of(root, problems, rows.known)}
    running = dict(running_of(root, problems))
    folded = {task_id.casefold(): task_id for task_id in [*queued, *sorted({*results, *rows.runs})]}
    for name, held in running.items():
        # A lock's name is folded; the row of its run says how the task is written.
        folded.setdefault(name, next((task for task, run in rows.runs.items() if run.id == held.run_id), name))
    tasks = tuple(
        _task(task_id, queued.get(task_id), results.get(task_id), running.get(name), rows)
        for name, task_id in folded.items()
    )
    first, lanes = queue_standing(view, rows) if view else ((), ())
    return Standing(
        repository=str(root),
        tasks=tasks,
        unreadable=tuple(problems),
        approvals=(*waiting_in(root, now), *rows.waiting()),
        counts=view.counts() if view else {},
        more_tasks=len(rows.known - {task.task_id for task in tasks} - {run.task_id for run in first}),
        queue=first,
        lanes=lanes,
        workers=rows.workers,
    )


def standing_of_one(root: Path, wanted: str, now: float, view: RunsView | None = None) -> Standing:
    """Return how one task stands, or one run, given by its id; a run may be an older one of its task.

    Raises:
        UserError: there is neither a task nor a run of that id.
    """
    whole = standing_of(root, now, view)
    problems = list(whole.unreadable)
    rows = Rows.of_run(view, root, wanted) if view else Rows()
    found = [task for task in whole.tasks if wanted in (task.task_id, *_runs_of(task))]
    if not found and rows.runs:
        queued = queue_of(root, [])
        held = {one.run_id: one for _, one in running_of(root, [])}
        found = [_task(id_, queued.get(id_), None, held.get(run.id), rows) for id_, run in rows.runs.items()]
    elif not found and "/" not in wanted and not wanted.startswith("."):
        path = root / STATE / "runs" / wanted / "result.json"
        if path.exists() and (result := result_at(root, path, problems)) is not None:
            found = [_task(result["task_id"], None, result | {"run_folder": f"{STATE}/runs/{wanted}"}, None, Rows())]
    if not found:
        known = ", ".join(task.task_id for task in whole.tasks[:20]) or "none yet"
        raise UserError(f"there is no task and no run {wanted!r} here; tasks: {known}. `andon status` shows them all")
    runs = {run for task in found for run in _runs_of(task)}
    asked = {one.id: one for one in (*whole.approvals, *rows.waiting()) if one.run_id in runs}
    return Standing(
        whole.repository,
        tuple(found),
        tuple(problems),
        tuple(asked.values()),
        queue=tuple(one for one in whole.queue if one.run_id in runs),
        workers=whole.workers,
    )


def _runs_of(task: TaskStanding) -> list[str]:
    return [*(one.run_id for one in (task.running, task.last) if one is not None), *([task.run_id] * bool(task.run_id))]


def _task(
    task_id: str,
    entry: Mapping[str, str] | None,
    result: Mapping[str, Any] | None,
    running: Running | None,
    rows: Rows,
) -> TaskStanding:
    run = rows.runs.get(task_id)
    if run is not None and (running is None or running.run_id == run.id):
        title = (entry or {}).get("title") or run.title
        if run.status != "ended":
            status, question, step = rows.active(run)
            going = rows.running(run, running) if run.status == "running" else None
            return TaskStanding(task_id, title, status, bool(question), step, going, None, run.id, question)
        result = rows.result(run)
        if entry is not None and entry["status"] == "running":
            entry = dict(entry) | {"status": result["status"]}
    title = (entry or result or {}).get("title") or (running.title if running else "")
    last = Last.of(result) if result else None
    run_id = run.id if run else ""
    if running is not None:
        return TaskStanding(task_id, title, "running", False, "", running, last, run_id)
    status = (entry or result or {}).get("status", "pending")
    again = f"andon run {task_id}" if entry else f'andon run "{title}"'
    needs_person = False
    if status == "running":
        status, step = "stopped", f"the process of its run is gone: run it again with `{again}`"
    elif status == "pending":
        step = f"run it with `{again}`"
    elif status in _FINISHED:
        step = ""
    else:
        step = result["remedy"] if result else f"read why in {QUEUE_PATH}, then run it again with `{again}`"
        needs_person = status in _WAITING
    return TaskStanding(task_id, title, status, needs_person, step, None, last, run_id)

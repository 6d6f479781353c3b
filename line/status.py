"""How things stand in a repository: what runs now, how the last run of each task ended, what waits and for whom.

Read from the queue, the locks of living runs and the results they left, without loading a model or a schema library:
what is damaged or foreign is named, and hides nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.line.status_files import QUEUE_PATH, STATE, Problems, Running, queue_of, result_at, results_of, running_of
from andon.records.errors import UserError

_WAITING = ("waiting-approval", "ready-for-pr", "failed-review")
_FINISHED = ("delivered", "done")


@dataclass(frozen=True)
class Last:
    """How the last run of a task ended."""

    run_id: str
    stop_code: str
    exit_code: int
    message: str
    branch: str | None
    papers: str
    """Where they lie, relative to the repository."""


@dataclass(frozen=True)
class TaskStanding:
    """How one task stands."""

    task_id: str
    title: str
    status: str
    """A task status of DESIGN §5; `running` only while a process holds the task."""
    needs_person: bool
    """True if a person has to judge what a run left: answer it, read its review, or take its branch."""
    next_step: str
    """What that is, or the command that runs it; empty while it runs."""
    running: Running | None = None
    last: Last | None = None


@dataclass(frozen=True)
class Standing:
    """How a repository stands."""

    repository: str
    tasks: tuple[TaskStanding, ...]
    """Those of the queue in its order, then others by id."""
    unreadable: tuple[tuple[str, str], ...]
    """Path relative to the repository, and what is wrong with what lies there."""


def standing_of(root: Path) -> Standing:
    """Read how the repository at `root` stands now. Nothing is written."""
    problems: Problems = []
    queued = queue_of(root, problems)
    results = {result["task_id"]: result for result in results_of(root, problems)}
    running = dict(running_of(root, problems))
    folded = {task_id.casefold(): task_id for task_id in [*queued, *sorted(results)]}
    for name in running:
        folded.setdefault(name, name)
    tasks = [
        _task(task_id, queued.get(task_id), results.get(task_id), running.get(name)) for name, task_id in folded.items()
    ]
    return Standing(str(root), tuple(tasks), tuple(problems))


def standing_of_one(root: Path, wanted: str) -> Standing:
    """Return how one task stands, or one run, given by its id; a run may be an older one of its task.

    Raises:
        UserError: there is neither a task nor a run of that id.
    """
    whole = standing_of(root)
    found = [task for task in whole.tasks if wanted in (task.task_id, *_runs_of(task))]
    if not found and "/" not in wanted and not wanted.startswith("."):
        path = root / STATE / "runs" / wanted / "result.json"
        problems = list(whole.unreadable)
        if path.exists() and (result := result_at(root, path, problems)) is not None:
            found = [_task(result["task_id"], None, result | {"run_folder": f"{STATE}/runs/{wanted}"}, None)]
        whole = Standing(whole.repository, whole.tasks, tuple(problems))
    if not found:
        known = ", ".join(task.task_id for task in whole.tasks[:20]) or "none yet"
        raise UserError(f"there is no task and no run {wanted!r} here; tasks: {known}. `andon status` shows them all")
    return Standing(whole.repository, tuple(found), whole.unreadable)


def _runs_of(task: TaskStanding) -> list[str]:
    return [one.run_id for one in (task.running, task.last) if one is not None]


def _task(
    task_id: str, entry: Mapping[str, str] | None, result: Mapping[str, Any] | None, running: Running | None
) -> TaskStanding:
    title = (entry or result or {}).get("title") or (running.title if running else "")
    last = _last(result) if result else None
    if running is not None:
        return TaskStanding(task_id, title, "running", False, "", running, last)
    status = (entry or result or {}).get("status", "pending")
    again = f"andon run {task_id}" if entry else f'andon run "{title}"'
    if status == "running":
        step = f"the process of its run is gone: run it again with `{again}`"
        return TaskStanding(task_id, title, "stopped", False, step, None, last)
    if status == "pending":
        return TaskStanding(task_id, title, status, False, f"run it with `{again}`", None, last)
    if status in _FINISHED:
        return TaskStanding(task_id, title, status, False, "", None, last)
    step = result["remedy"] if result else f"read why in {QUEUE_PATH}, then run it again with `{again}`"
    return TaskStanding(task_id, title, status, status in _WAITING, step, None, last)


def _last(result: Mapping[str, Any]) -> Last:
    branch = result.get("branch")
    return Last(
        result["run_id"],
        result["stop_code"],
        result["exit_code"],
        result["message"],
        branch if isinstance(branch, str) else None,
        result["run_folder"],
    )

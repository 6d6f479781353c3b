"""The end of a run: its result, its papers, and the status of its task."""

from contextlib import suppress
from typing import TYPE_CHECKING

from andon.delivery.taking import taking
from andon.intake.queue import update_status
from andon.line.job import Job, queue_path
from andon.line.lane import Lane
from andon.line.log.event_log import EventStream
from andon.line.report import write_papers
from andon.line.resumable import can_go_on
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState
from andon.records.errors import RunError, UserError
from andon.records.result import FileStat, RunResult
from andon.records.stops import MEANINGS, StopCode, TaskStatus
from andon.sandbox.host_git import GitError

if TYPE_CHECKING:
    from andon.records.events import EventKind


async def conclude(
    job: Job,
    answered_by: str,
    folder: RunFolder,
    events: EventStream,
    state: RunState,
    code: StopCode,
    message: str,
    *,
    waits: bool = False,
) -> RunResult:
    """Write the papers and the task's status; what cannot be written is a warning, and changes no outcome.

    With `waits` the run goes on when a person has answered.
    """
    result = _result(job, answered_by, folder, state, code, message)
    result, problems = await _put_away(job, folder, events, state, result, waits=waits)
    try:
        set_status(job, result.status, _last_run(result))
    except UserError as error:
        problems.append(f"the task's status could not be set to {result.status!r}: {error}")
    if problems:
        result = result.model_copy(update={"warnings": [*result.warnings, *problems]})
        with suppress(RunError):
            folder.write("result.json", result.model_dump_json(indent=2) + "\n")
            folder.publish()
    return result


async def _put_away(
    job: Job, folder: RunFolder, events: EventStream, state: RunState, result: RunResult, *, waits: bool
) -> tuple[RunResult, list[str]]:
    try:
        write_papers(folder, job, result, state.lane)
        kind: EventKind = "run.parked" if waits else "run.ended"
        events.emit(kind, stop_code=result.stop_code, exit_code=result.exit_code, message=result.message)
        await events.flush()
        events.close()
        # Written a second time, since it names the end of the stream; a run killed before this has the first.
        result = result.model_copy(update={"audit": events.head})
        folder.write("result.json", result.model_dump_json(indent=2) + "\n")
        folder.publish()
    except (RunError, GitError) as error:
        return result, [f"not every paper of this run could be written: {error}"]
    return result, []


def _result(job: Job, answered_by: str, folder: RunFolder, state: RunState, code: StopCode, message: str) -> RunResult:
    lane = state.lane
    changed = lane is not None and lane.tree != lane.base_tree
    return RunResult(
        run_id=job.run_id,
        task_id=job.task.id,
        title=job.task.title,
        status=MEANINGS[code].status,
        stop_code=code,
        exit_code=MEANINGS[code].exit_code,
        message=message,
        remedy=_remedy(code, folder, kept=changed and state.branch is None),
        base_commit=job.base_commit,
        branch=state.branch,
        head_commit=state.head_commit,
        tree=lane.tree if lane and changed else None,
        files=_files(lane) if lane and changed else [],
        checks=lane.comparison if lane and lane.checked == lane.tree else None,
        outside_plan=_outside(lane) if lane and changed else [],
        review_rounds=len(lane.reviews) if lane else 0,
        sandbox=state.facts.tier,
        setup=state.facts.setup,
        answered_by=answered_by,
        usage=state.usage.sum,
        usage_by_role=state.usage.by_role,
        warnings=state.warnings,
        run_folder=folder.shown,
    )


def _files(lane: Lane) -> list[FileStat]:
    try:
        return lane.store.stat(lane.base_tree, lane.tree)
    except (GitError, OSError):
        # The repository is gone; what is known without it is said.
        return []


def _outside(lane: Lane) -> list[str]:
    try:
        return lane.outside_plan()
    except (GitError, OSError):
        return []


def _remedy(code: StopCode, folder: RunFolder, *, kept: bool) -> str:
    remedy = MEANINGS[code].remedy
    if folder.lock is None and can_go_on(code):
        remedy += f" `andon resume {folder.run_id}` goes on where it stopped."
    return f"{remedy} To take the change as it is: {taking(f'{folder.shown}/diff.patch')}" if kept else remedy


def _last_run(result: RunResult) -> dict[str, object]:
    return {
        "runId": result.run_id,
        "stopCode": str(result.stop_code),
        "exitCode": result.exit_code,
        "branch": result.branch,
        "proposalFile": f"{result.run_folder}/proposal.md",
        "prBodyPath": f"{result.run_folder}/pr-body.md",
    }


def set_status(job: Job, status: TaskStatus, last_run: dict[str, object]) -> None:
    """Set the status of a queued task in its queue.

    Raises:
        UserError: as `update_status`.
    """
    if job.queued:
        update_status(queue_path(job.repository), job.task.id, status, last_run)

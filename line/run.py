"""One run from a prepared job to a result, in this process; `phase.py` has those that outlive it."""

import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

from andon.line.answerer import Answerer
from andon.line.budget import asking_off_the_clock, budget_of
from andon.line.conclude import conclude
from andon.line.course import Course, work
from andon.line.db.rows import Fenced
from andon.line.disk import disk_failure
from andon.line.job import Job
from andon.line.log.event_log import EventLog, Listener
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState, UsageSum
from andon.line.steps import Ask, InProcessEngine
from andon.line.stop_of import stop_of
from andon.line.uninterrupted import uninterrupted
from andon.records.errors import LastingFailure, RunError, UserError
from andon.records.parked import Parked
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.host_git import GitError


async def run_job(
    job: Job,
    answerer: Answerer,
    *,
    listeners: Sequence[Listener] = (),
    ask: Ask | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunResult:
    """Run one job to its end in this process and return what happened; every end but a broken disk is a result.

    The run's papers lie in `factory/runs/<task-id>/` afterwards and the task's entry in the queue has its status.
    `clock` gives seconds for the limits on time; it is read within steps.

    Raises:
        UserError: no run could begin.
    """
    budget = budget_of(job.settings, answerer.names, clock)
    folder = RunFolder.create(job.repository.root, job.run_id, job.task.id)
    try:
        state = RunState(usage=UsageSum(), budget=budget, warnings=list(job.warnings))
        events = _begun(folder, [state.usage, state.effects, *listeners])
        engine = InProcessEngine(events, asking_off_the_clock(ask, budget))
        course = Course(job, answerer, folder, events, engine, state, AsyncExitStack())
        code, message = await ending(course)
        await uninterrupted(clean_up(course, keep_tree=code is not StopCode.DELIVERED))
        return await conclude(job, answerer.label, folder, events, state, code, message)
    finally:
        folder.release()


def _begun(folder: RunFolder, listeners: Sequence[Listener]) -> EventLog:
    try:
        return EventLog(folder.path / "audit.jsonl", listeners)
    except RunError as error:
        raise UserError(f"no run could begin: {error} {MEANINGS[error.code].remedy}") from error


async def ending(course: Course) -> tuple[StopCode, str]:
    """Work, and return how it ended, whatever ended it.

    Raises:
        Fenced: another process has the run.
        Parked: the run waits for a person, and its engine keeps it till then.
    """
    state = course.state
    try:
        await work(course)
    except asyncio.CancelledError:
        code, message = StopCode.INTERRUPTED, "The run was interrupted."
    except Fenced:
        raise
    except Exception as error:
        if isinstance(error, Parked) and course.engine.parks:
            raise
        code, message = stop_of(error)
        state.lasting = isinstance(error, LastingFailure)
        if code is StopCode.INTERNAL:
            with suppress(RunError):
                course.folder.write("internal-error.txt", traceback.format_exc())
    if state.branch is not None:
        # The branch is made in one step; what came after it does not take it back.
        return StopCode.DELIVERED, f"Branch {state.branch} holds the change and the papers."
    return code, message


async def clean_up(course: Course, *, keep_tree: bool) -> None:
    """Keep the work in flight, whatever ended the run, and leave no process and no workspace behind."""
    state = course.state
    if keep_tree:
        await _keep_tree(state)
    try:
        await course.stack.aclose()
    except Exception as error:  # noqa: BLE001  (the boundary of a run: it has ended; what is left behind is said)
        state.warnings.append(f"something of the sandbox could not be removed: {type(error).__name__}: {error}")


async def _keep_tree(state: RunState) -> None:
    lane = state.lane
    if lane is None or lane.under_review:
        return
    try:
        await lane.keep()
    except (RunError, GitError, OSError) as error:
        kept = "no changed tree was stored before" if lane.tree == lane.base_tree else "the last stored tree stands"
        state.warnings.append(f"the workspace could not be taken again, {kept}: {disk_failure(error) or error}")

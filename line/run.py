"""One run from a prepared job to a result: the order of calls here is the way of a task."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from andon.delivery.branch import deliver
from andon.guardrails.approvals import Grants
from andon.guardrails.budgets import Budget
from andon.line.asks import Asks
from andon.line.base_warnings import base_warnings
from andon.line.budget import asking_off_the_clock, budget_of
from andon.line.claims import doubt
from andon.line.coming_sandbox import ComingSandbox
from andon.line.conclude import conclude, set_status
from andon.line.db.rows import Fenced
from andon.line.disk import disk_failure
from andon.line.event_log import EventLog, EventStream, Listener
from andon.line.ground import Early, Ground
from andon.line.house_rules import policy_of
from andon.line.job import Job
from andon.line.lane import Lane
from andon.line.report import Committed, committed_papers
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState, UsageSum
from andon.line.sandboxes import Sandboxes
from andon.line.saved import Checkpoint, Facts, restore_lane
from andon.line.steps import Ask, Engine, Gate, InProcessEngine
from andon.line.stop_of import stop_of
from andon.line.uninterrupted import uninterrupted
from andon.mcp_servers.ask import Granted
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.calls import Role
from andon.records.checks import CheckRecord
from andon.records.errors import RunError, UserError
from andon.records.parked import Parked
from andon.records.result import RunResult
from andon.records.review import Review
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.host_git import GitError
from andon.sandbox.protocol import Sandbox

if TYPE_CHECKING:
    from agents import Model

ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")

AgentsPhase = Callable[[Job, Lane, AsyncExitStack, "dict[str, Any] | None"], Awaitable[Review]]
"""Has the models speak; see `agents_phase`."""


@dataclass(frozen=True)
class Answerer:
    """Who answers as the model, for every role."""

    models: Callable[[], "Mapping[Role, Model]"]
    """Makes the model of each role. Called once, in a thread, while the base is checked: it may load what it needs."""
    label: str
    """For the result: a model's name, or what a cassette says of itself."""
    names: Mapping[Role, str] = field(default_factory=dict)
    """The model of each role, for its price; empty where nobody is paid."""


@dataclass
class Course:
    """One phase of a run, and what it works with; a run in one process is a single phase."""

    job: Job
    answerer: Answerer
    folder: RunFolder
    events: EventStream
    engine: Engine
    state: RunState
    stack: AsyncExitStack
    saved: Checkpoint | None = None
    """Where the phase before ended; None: at the beginning."""
    early: Early | None = None
    """What of its beginning was begun before the engine stood."""


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
        if code is StopCode.INTERNAL:
            with suppress(RunError):
                course.folder.write("internal-error.txt", traceback.format_exc())
    if state.branch is not None:
        # The branch is made in one step; what came after it does not take it back.
        return StopCode.DELIVERED, f"Branch {state.branch} holds the change and the papers."
    return code, message


async def work(course: Course) -> None:
    """Do the work of a phase: from the start, or from where the phase before waited, to a delivered branch.

    Raises:
        Exception: whatever ends the phase sooner.
    """
    job, events, state, saved = course.job, course.events, course.state, course.saved
    if saved is None:
        events.emit("run.started", run=job.run_id, task=job.task.id, title=job.task.title, base=job.base_commit)
        for warning in job.warnings:
            events.emit("warning", text=warning)
    else:
        events.emit("run.resumed", run=job.run_id, task=job.task.id)
    await course.engine.begin()
    set_status(job, "running", {})
    # Loading the agent SDK takes two seconds, in which the sandbox starts and the base is checked.
    loading = asyncio.create_task(asyncio.to_thread(_load, course.answerer, state.budget))
    course.stack.push_async_callback(_settled, loading)
    lane = await _lane(course)
    if saved is None:
        _warn(course, lane)
    review = saved.review if saved else None
    if review is None:
        agents_phase = await asyncio.shield(loading)
        review = await agents_phase(job, lane, course.stack, saved.agents if saved else None)
    state.review = review
    await _deliver(course, lane, review)


async def _lane(course: Course) -> Lane:
    """Return the lane, with its workspace and what the base shows."""
    job, engine, state, saved, early = course.job, course.engine, course.state, course.saved, course.early
    ground = early.ground if early else Ground.of(job, course.folder, course.events)
    policy, unmatched = policy_of(job)
    asks = _asks(job, engine, course.events)
    lane: Lane

    async def start() -> Sandbox:
        return await ground.sandboxes.workspace(lane.workspace())

    sandbox = early.sandbox if early else ComingSandbox(start, at_once=False)
    course.stack.push_async_callback(sandbox.close)
    lane = state.lane = Lane(
        job=job,
        store=ground.store,
        sandbox=sandbox,
        open_sandbox=ground.sandboxes.fresh,
        setup=ground.setup,
        policy=policy,
        engine=engine,
        events=course.events,
        folder=course.folder,
        base_tree=ground.base_tree,
        base=[],
        asks=asks,
        effects=EffectGate(sandbox, policy, BaseTree.of(ground.store, ground.base_tree), kinds=asks.grants.kinds),
        effect_log=state.effects,
        tree=ground.base_tree,
    )
    asks.granted.state = lambda: lane.effects.state
    if saved is not None:
        restore_lane(lane, saved.lane, saved.workspace)
        lane.base, state.facts = saved.base, saved.facts
        ground.sandboxes.go_on(saved.facts.tier)
        lane.stood = True
        return lane
    state.warnings += unmatched
    course.events.emit("phase", name="sandbox")
    try:
        state.facts = await engine.step("sandbox", "workspace", lambda: _stand(sandbox, ground.sandboxes), Facts)
    except RunError:
        state.facts = Facts(tier=ground.sandboxes.tier)
        raise
    if not sandbox.begun:
        ground.sandboxes.go_on(state.facts.tier)
    lane.stood = True
    state.warnings += [f"sandbox: {note}" for note in state.facts.notes]
    lane.base = await _base_checks(course, ground, early)
    return lane


async def _stand(sandbox: ComingSandbox, sandboxes: Sandboxes) -> Facts:
    stands = await sandbox.there()
    return Facts(tier=stands.tier, notes=stands.notes, setup=sandboxes.installed)


def _warn(course: Course, lane: Lane) -> None:
    lane.write_test_result()
    for warning in base_warnings(lane.base, static_declined=lane.setup.static_declined):
        course.state.warnings.append(warning)
        course.events.emit("warning", text=warning)


async def _settled(loading: "asyncio.Task[AgentsPhase]") -> None:
    """Wait for the thread that loads: a run that ended early leaves none behind, and what failed there is no news."""
    await asyncio.wait({loading})
    loading.exception()


def _load(answerer: Answerer, budget: Budget) -> AgentsPhase:
    from andon.line.agents_phase import agents_phase

    models = answerer.models()
    return lambda job, lane, stack, saved: agents_phase(job, lane, models, stack, budget, saved)


async def _base_checks(course: Course, ground: Ground, early: Early | None) -> list[CheckRecord]:
    course.events.emit("phase", name="base-checks")
    steps = await early.over(course.engine) if early else course.engine
    base = await ground.check_base(steps)
    for record in base:
        course.events.emit("check.ended", phase="base", name=record.name, outcome=record.outcome, reason=record.reason)
    return base


def _asks(job: Job, engine: Engine, events: EventStream) -> Asks:
    # The engine keeps no run alive after its process, so nothing that was allowed grows old in it.
    grants = Grants(clock=lambda: 0.0)
    granted = Granted(
        grants,
        run=job.run_id,
        policy=job.policy.version,
        parks=job.settings.approvals.unattended == "park" or engine.someone_there,
    )
    return Asks(engine, events, grants, granted)


async def _deliver(course: Course, lane: Lane, review: Review) -> None:
    job, state = course.job, course.state
    if review.verdict != "pass":
        raise RunError(StopCode.FAILED_REVIEW, "The reviewer failed the change; review.md says why.")
    if lane.comparison is None:
        raise RunError(StopCode.INTERNAL, "the lane ended without checks")
    if closed := lane.closed():
        raise RunError(StopCode.POLICY_REFUSED, f"The change touches what is closed to agents: {'; '.join(closed)}")
    code, why = doubt(lane.comparison, review) or (None, "")
    if code is StopCode.CHECKS_FAILED:
        raise RunError(code, f"The checks are red: {why}.")
    if code is not None:
        question = f"Deliver although {why}?"
        answer = await lane.engine.wait(Gate("evidence", "evidence", question, code))
        if answer.kind != "yes":
            raise RunError(code, f"A person said no: {question} {answer.text}".rstrip())

    async def papers() -> Committed:
        return committed_papers(job, lane, state.warnings)

    committed = await lane.engine.step("papers", job.branch, papers, Committed)
    # The commit that holds them is to be the same one however often it is made.
    course.events.anchor(committed.anchor)

    async def make_branch() -> tuple[str, str]:
        return deliver(
            job.repository,
            lane.store,
            base_commit=job.base_commit,
            tree=lane.tree,
            papers={name: text.encode() for name, text in committed.papers.items()},
            task=job.task,
            title=job.task.title,
            branch=job.branch,
            when=job.started,
        )

    _, state.head_commit = await lane.engine.step("deliver", job.branch, make_branch, tuple[str, str])
    state.branch = job.branch


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

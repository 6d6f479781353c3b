"""One run from a prepared job to a result: the order of calls here is the way of a task."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from andon.context.detect import detect
from andon.delivery.branch import deliver
from andon.guardrails.approvals import Grants
from andon.guardrails.budgets import Budget
from andon.line.asks import Asks
from andon.line.base_warnings import base_warnings
from andon.line.budget import asking_off_the_clock, budget_of
from andon.line.checks import check_tree
from andon.line.claims import doubt
from andon.line.conclude import conclude, set_status
from andon.line.disk import disk_failure
from andon.line.steps import Ask, Gate, InProcessEngine
from andon.line.event_log import EventLog, Listener
from andon.line.house_rules import policy_of
from andon.line.job import Job
from andon.line.lane import Lane
from andon.line.report import committed_papers
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState, UsageSum
from andon.line.sandboxes import Sandboxes
from andon.line.stop_of import stop_of
from andon.line.uninterrupted import uninterrupted
from andon.mcp_servers.ask import Granted
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.calls import Role
from andon.records.checks import CheckRecord
from andon.records.errors import RunError, UserError
from andon.records.project import ProjectSetup
from andon.records.result import RunResult
from andon.records.review import Review
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.host_git import GitError
from andon.sandbox.protocol import Sandbox
from andon.sandbox.store import TreeStore

if TYPE_CHECKING:
    from agents import Model

ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")

AgentsPhase = Callable[[Job, Lane, AsyncExitStack], Awaitable[Review]]
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


async def run_job(
    job: Job,
    answerer: Answerer,
    *,
    listeners: Sequence[Listener] = (),
    ask: Ask | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunResult:
    """Run one job to its end and return what happened; every end but a broken disk is a result, never an exception.

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
        stack = AsyncExitStack()
        engine = InProcessEngine(events, asking_off_the_clock(ask, budget))
        code, message = await _ending(job, answerer, folder, events, engine, state, stack)
        await uninterrupted(_clean_up(state, stack, keep_tree=code is not StopCode.DELIVERED))
        return conclude(job, answerer.label, folder, events, state, code, message)
    finally:
        folder.release()


def _begun(folder: RunFolder, listeners: Sequence[Listener]) -> EventLog:
    try:
        return EventLog(folder.path / "audit.jsonl", listeners)
    except RunError as error:
        raise UserError(f"no run could begin: {error} {MEANINGS[error.code].remedy}") from error


async def _ending(
    job: Job,
    answerer: Answerer,
    folder: RunFolder,
    events: EventLog,
    engine: InProcessEngine,
    state: RunState,
    stack: AsyncExitStack,
) -> tuple[StopCode, str]:
    try:
        await _work(job, answerer, folder, events, engine, state, stack)
    except asyncio.CancelledError:
        code, message = StopCode.INTERRUPTED, "The run was interrupted."
    except Exception as error:  # noqa: BLE001  (the boundary of a run: whatever breaks is a typed stop with a report)
        code, message = stop_of(error)
        if code is StopCode.INTERNAL:
            with suppress(RunError):
                folder.write("internal-error.txt", traceback.format_exc())
    if state.branch is not None:
        # The branch is made in one step; what came after it does not take it back.
        return StopCode.DELIVERED, f"Branch {state.branch} holds the change and the papers."
    return code, message


async def _work(
    job: Job,
    answerer: Answerer,
    folder: RunFolder,
    events: EventLog,
    engine: InProcessEngine,
    state: RunState,
    stack: AsyncExitStack,
) -> None:
    events.emit("run.started", run=job.run_id, task=job.task.id, title=job.task.title, base=job.base_commit)
    for warning in job.warnings:
        events.emit("warning", text=warning)
    set_status(job, "running", {})
    # Loading the agent SDK takes two seconds, in which the sandbox starts and the base is checked.
    loading = asyncio.create_task(asyncio.to_thread(_load, answerer, state.budget))
    stack.push_async_callback(_settled, loading)
    store = TreeStore.create(folder.path / "store.git", job.repository)
    base_tree = store.tree_of(job.base_commit)
    setup = detect(job.files, job.settings)
    policy, unmatched = policy_of(job)
    state.warnings += unmatched
    sandboxes = Sandboxes(job, setup, store, events)

    async def start() -> Sandbox:
        try:
            sandbox = await sandboxes.workspace(base_tree)
        finally:
            state.sandbox_tier = sandboxes.tier
        state.setup = sandboxes.installed
        stack.push_async_callback(sandbox.close)
        return sandbox

    events.emit("phase", name="sandbox")
    sandbox = await engine.step("sandbox", "workspace", start)
    state.warnings += [f"sandbox: {note}" for note in sandbox.notes]
    base = await _base_checks(job, sandboxes, setup, engine, events, base_tree)
    asks = _asks(job, engine, events)
    grants = asks.grants
    lane = state.lane = Lane(
        job=job,
        store=store,
        sandbox=sandbox,
        open_sandbox=sandboxes.fresh,
        setup=setup,
        policy=policy,
        engine=engine,
        events=events,
        folder=folder,
        base_tree=base_tree,
        base=base,
        asks=asks,
        effects=EffectGate(sandbox, policy, BaseTree.of(store, base_tree), kinds=grants.kinds),
        effect_log=state.effects,
        tree=base_tree,
    )
    asks.granted.state = lambda: lane.effects.state
    lane.write_test_result()
    for warning in base_warnings(lane.base, static_declined=setup.static_declined):
        state.warnings.append(warning)
        events.emit("warning", text=warning)
    agents_phase = await asyncio.shield(loading)
    review = await agents_phase(job, lane, stack)
    await _deliver(job, lane, review, state)


async def _settled(loading: "asyncio.Task[AgentsPhase]") -> None:
    """Wait for the thread that loads: a run that ended early leaves none behind, and what failed there is no news."""
    await asyncio.wait({loading})
    loading.exception()


def _load(answerer: Answerer, budget: Budget) -> AgentsPhase:
    from andon.line.agents_phase import agents_phase

    models = answerer.models()
    return lambda job, lane, stack: agents_phase(job, lane, models, stack, budget)


async def _base_checks(
    job: Job, sandboxes: Sandboxes, setup: ProjectSetup, engine: InProcessEngine, events: EventLog, base_tree: str
) -> list[CheckRecord]:
    events.emit("phase", name="base-checks")
    commands = [*setup.tests, *setup.static]
    limit = job.settings.limits.check_seconds
    base = await engine.step(
        "checks",
        "base",
        lambda: check_tree(
            base_tree,
            commands,
            sandboxes.fresh,
            time_limit=limit,
            on_repeat=lambda names: events.emit("phase", name="base-again", checks=names),
        ),
    )
    for record in base:
        events.emit("check.ended", phase="base", name=record.name, outcome=record.outcome, reason=record.reason)
    return base


def _asks(job: Job, engine: InProcessEngine, events: EventLog) -> Asks:
    # The engine keeps no run alive after its process, so nothing that was allowed grows old in it.
    grants = Grants(clock=lambda: 0.0)
    granted = Granted(
        grants,
        run=job.run_id,
        policy=job.policy.version,
        parks=job.settings.approvals.unattended == "park" or engine.someone_there,
    )
    return Asks(engine, events, grants, granted)


async def _deliver(job: Job, lane: Lane, review: Review, state: RunState) -> None:
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
    papers = committed_papers(job, lane, state.warnings)

    async def make_branch() -> tuple[str, str]:
        return deliver(
            job.repository,
            lane.store,
            base_commit=job.base_commit,
            tree=lane.tree,
            papers=papers,
            task=job.task,
            title=job.task.title,
            branch=job.branch,
            when=job.started,
        )

    _, state.head_commit = await lane.engine.step("deliver", job.branch, make_branch)
    state.branch = job.branch


async def _clean_up(state: RunState, stack: AsyncExitStack, *, keep_tree: bool) -> None:
    """Keep the work in flight, whatever ended the run, and leave no process and no workspace behind."""
    if keep_tree:
        await _keep_tree(state)
    try:
        await stack.aclose()
    except Exception as error:  # noqa: BLE001  (the boundary of a run: it has ended; what is left behind is said)
        state.warnings.append(f"something of the sandbox could not be removed: {type(error).__name__}: {error}")


async def _keep_tree(state: RunState) -> None:
    lane = state.lane
    if lane is None or lane.under_review:
        return
    try:
        await lane.take()
    except (RunError, GitError, OSError) as error:
        kept = "no changed tree was stored before" if lane.tree == lane.base_tree else "the last stored tree stands"
        state.warnings.append(f"the workspace could not be taken again, {kept}: {disk_failure(error) or error}")

"""One phase of a run from its ground to a delivered branch: the order of calls here is the way of a task."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from andon.delivery.branch import deliver
from andon.guardrails.approvals import Grants
from andon.guardrails.budgets import Budget
from andon.line.answerer import Answerer
from andon.line.asks import Asks
from andon.line.coming_sandbox import ComingSandbox
from andon.line.conclude import set_status
from andon.line.evidence.base_warnings import base_warnings
from andon.line.evidence.claims import doubt
from andon.line.ground import Early, Ground
from andon.line.house_rules import policy_of
from andon.line.job import Job
from andon.line.lane import Lane
from andon.line.log.event_log import EventStream
from andon.line.report import Committed, committed_papers
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState
from andon.line.sandboxes import Sandboxes
from andon.line.saved import Checkpoint, Facts, restore_lane
from andon.line.steering import Steering
from andon.line.steps import Engine, Gate
from andon.mcp_servers.ask import Granted
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.checks import CheckRecord
from andon.records.errors import RunError
from andon.records.review import Review
from andon.records.stops import StopCode
from andon.sandbox.protocol import Sandbox

AgentsPhase = Callable[[Job, Lane, AsyncExitStack, "dict[str, Any] | None"], Awaitable[Review]]
"""Has the models speak; see `agents_phase`."""


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
    steering: Steering | None = None
    """Where people say something to the agents; None: nobody can."""
    early: Early | None = None
    """What of its beginning was begun before the engine stood."""


async def work(course: Course) -> None:
    """Do the work of a phase: from the start, or from where the phase before waited, to a delivered branch.

    Raises:
        Exception: whatever ends the phase sooner.
    """
    job, events, state, saved = course.job, course.events, course.state, course.saved
    if saved is None:
        facts = {"run": job.run_id, "task": job.task.id, "title": job.task.title, "base": job.base_commit}
        events.emit("run.started", **facts, models=dict(course.answerer.names))
        for warning in job.warnings:
            events.emit("warning", text=warning)
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
        steering=course.steering,
        said=course.steering.so_far if course.steering else [],
        effects=EffectGate(sandbox, policy, BaseTree.of(ground.store, ground.base_tree), kinds=asks.grants.kinds),
        effect_log=state.effects,
        tree=ground.base_tree,
    )
    asks.granted.state = lambda: lane.effects.state
    if saved is not None:
        lane.base, state.facts = saved.base, saved.facts
        restore_lane(lane, saved.lane, saved.workspace)
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


def _failed(lane: Lane, review: Review) -> RunError:
    """Return how a run ends whose review failed: where nothing could be handed back any more, by its rounds."""
    rounds = lane.job.settings.limits.review_rounds
    if len(lane.reviews) >= rounds and (
        lane.stands_against or any(finding.severity == "must-fix" for finding in review.findings)
    ):
        why = f"The reviewer still wants changes after {rounds} rounds; review.md says which."
        return RunError(StopCode.ROUNDS_SPENT, why)
    return RunError(StopCode.FAILED_REVIEW, "The reviewer failed the change; review.md says why.")


async def _deliver(course: Course, lane: Lane, review: Review) -> None:
    job, state = course.job, course.state
    if review.verdict != "pass":
        raise _failed(lane, review)
    if lane.comparison is None:
        raise RunError(StopCode.INTERNAL, "the lane ended without checks")
    if closed := lane.closed():
        raise RunError(StopCode.POLICY_REFUSED, f"The change touches what is closed to agents: {'; '.join(closed)}")
    code, why = doubt(lane.comparison, review) or (None, "")
    if code is StopCode.CHECKS_FAILED:
        raise RunError(code, f"The checks are red: {why}.")
    if code is not None:
        question = f"Deliver although {why}?"
        answer = await lane.engine.wait(
            Gate(
                "evidence",
                "evidence",
                question,
                code,
                shown=f"The change is tree {lane.tree} on commit {job.base_commit}.",
            )
        )
        if answer.kind != "yes":
            raise RunError(code, f"A person said no: {question} {answer.text}".rstrip())

    async def papers() -> Committed:
        # They name the last event: it has to be there whoever goes on from this step.
        await course.events.flush()
        return committed_papers(job, lane, state.warnings)

    committed = await lane.engine.step("papers", job.branch, papers, Committed)
    # The commit that holds them is to be the same one however often it is made.
    course.events.anchor(committed.anchor)

    async def make_branch() -> tuple[str, str]:
        made = deliver(
            job.repository,
            lane.store,
            base_commit=job.base_commit,
            tree=lane.tree,
            papers={name: text.encode() for name, text in committed.papers.items()},
            task=job.task,
            title=job.task.title,
            branch=job.branch,
            when=job.started,
            anew=course.events.begun_anew,
        )
        # Whoever is interrupted while this is stored has delivered.
        state.branch, state.head_commit = job.branch, made[1]
        return made

    _, state.head_commit = await lane.engine.step("deliver", job.branch, make_branch, tuple[str, str])
    if job.repository.branch(job.branch) != state.head_commit:
        # It was made where the run was worked on before, and that is not here: the same commits are made again.
        await make_branch()
    state.branch = job.branch

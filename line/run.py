"""One run from a prepared job to a result: the order of calls here is the way of a task."""

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from agents import Model

from andon.agents.lane import run_lane
from andon.context.detect import detect
from andon.context.docs import DocsIndex
from andon.context.packets import planner_packet, tree_lines
from andon.delivery.branch import deliver
from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.intake.queue import update_status
from andon.line.base_files import CommitFiles
from andon.line.checks import OpenSandbox, check_tree
from andon.line.engine import Ask, Gate, InProcessEngine
from andon.line.event_log import EventLog, Listener
from andon.line.job import Job, queue_path
from andon.line.lane import Lane
from andon.line.report import committed_papers, write_papers
from andon.line.run_folder import RunFolder
from andon.mcp_servers.inprocess import ToolConnection
from andon.mcp_servers.toolset import Workbench
from andon.records.calls import Role
from andon.records.errors import RunError, UserError
from andon.records.events import RunEvent
from andon.records.project import ProjectSetup
from andon.records.result import RunResult, Usage
from andon.records.review import Review
from andon.records.stops import MEANINGS, StopCode, TaskStatus
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import TreeStore

if TYPE_CHECKING:
    from agents.mcp import MCPServer

ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")

_ENDS = {
    "red-new": StopCode.CHECKS_FAILED,
    "changed-tests": StopCode.CHANGED_TESTS,
    "none": StopCode.NO_EVIDENCE,
    "flaky": StopCode.FLAKY,
}


@dataclass(frozen=True)
class Answerer:
    """Who answers as the model, for every role."""

    models: Mapping[Role, Model]
    label: str
    """For the result: a model's name, or what a cassette says of itself."""


class _Usage:
    """Sums what the providers counted, from the event stream."""

    def __init__(self) -> None:
        self.sum = Usage()

    def __call__(self, event: RunEvent) -> None:
        if event.kind == "model.answered":
            counted = Usage.model_validate(event.data["usage"])
            self.sum = Usage(
                requests=self.sum.requests + counted.requests,
                input_tokens=self.sum.input_tokens + counted.input_tokens,
                output_tokens=self.sum.output_tokens + counted.output_tokens,
            )


@dataclass
class _State:
    """What is known of a run so far; whatever ends it, the result is made from this."""

    usage: "_Usage"
    warnings: list[str]
    sandbox_tier: str = ""
    lane: Lane | None = None
    branch: str | None = None
    head_commit: str | None = None


async def run_job(
    job: Job, answerer: Answerer, *, listeners: Sequence[Listener] = (), ask: Ask | None = None
) -> RunResult:
    """Run one job to its end and return what happened; every end but a broken disk is a result, never an exception.

    The run's papers lie in `factory/runs/<task-id>/` afterwards and the task's entry in the queue has its status.
    """
    folder = RunFolder.create(job.repository.root, job.run_id, job.task.id)
    state = _State(usage=_Usage(), warnings=list(job.warnings))
    events = EventLog(folder.path / "audit.jsonl", [state.usage, *listeners])
    engine = InProcessEngine(events, ask)
    events.emit("run.started", run=job.run_id, task=job.task.id, title=job.task.title, base=job.base_commit)
    for warning in job.warnings:
        events.emit("warning", text=warning)
    _set_status(job, "running", {})
    code, message = await _ending(job, answerer, folder, events, engine, state)
    result = _result(job, answerer, folder, state, code, message)
    write_papers(folder, job, result, state.lane)
    events.emit("run.ended", stop_code=result.stop_code, exit_code=result.exit_code, message=message)
    events.close()
    folder.publish()
    _set_status(job, result.status, _last_run(result))
    return result


async def _ending(
    job: Job, answerer: Answerer, folder: RunFolder, events: EventLog, engine: InProcessEngine, state: _State
) -> tuple[StopCode, str]:
    try:
        async with AsyncExitStack() as stack:
            try:
                await _work(job, answerer, folder, events, engine, state, stack)
            except (RunError, UserError, asyncio.CancelledError):
                await _keep_tree(state)
                raise
    except RunError as error:
        return error.code, str(error)
    except UserError as error:
        return StopCode.USAGE, str(error)
    except asyncio.CancelledError:
        return StopCode.INTERRUPTED, "The run was interrupted."
    except Exception as error:  # noqa: BLE001  (the boundary of a run: a fault in andon is a typed stop with a report)
        folder.write("internal-error.txt", traceback.format_exc())
        return StopCode.INTERNAL, f"{type(error).__name__}: {error}"
    return StopCode.DELIVERED, f"Branch {state.branch} holds the change and the papers."


async def _work(
    job: Job,
    answerer: Answerer,
    folder: RunFolder,
    events: EventLog,
    engine: InProcessEngine,
    state: _State,
    stack: AsyncExitStack,
) -> None:
    store = TreeStore.create(folder.path / "store.git", job.repository)
    base_tree = store.tree_of(job.base_commit)

    async def fresh(tree: str) -> Sandbox:
        return await start_sandbox(store, tree=tree, commit=job.base_commit, toolchain=job.toolchain)

    async def start() -> Sandbox:
        return await fresh(base_tree)

    events.emit("phase", name="sandbox")
    sandbox = await engine.step("sandbox", "workspace", start)
    stack.push_async_callback(sandbox.close)
    state.sandbox_tier = sandbox.tier
    state.warnings += [f"sandbox: {note}" for note in sandbox.notes]
    setup = await _setup(job, sandbox)
    policy = _policy(job, state)
    lane = await _base_checks(job, store, sandbox, fresh, setup, policy, engine, events, folder, base_tree)
    state.lane = lane
    review = await _agents(job, answerer, lane, stack)
    await _deliver(job, lane, review, state)


async def _setup(job: Job, sandbox: Sandbox) -> ProjectSetup:
    setup = detect(job.files, job.settings)
    missing = []
    for program in setup.programs:
        found = await sandbox.run(["sh", "-c", 'command -v -- "$1"', "sh", program])
        if found.exit_code != 0:
            missing.append(program)
    if missing:
        raise RunError(
            StopCode.NO_TOOLCHAIN,
            f"the sandbox has no {', '.join(missing)}, which this project's checks need: set "
            "ANDON_TOOLCHAIN to a virtual environment that has them, or name other [checks] in factory/andon.toml",
        )
    return setup


def _policy(job: Job, state: _State) -> Policy:
    rules = resolve_protected(job.project.context.protected_areas, job.files.paths, job.settings.protected_paths)
    state.warnings += [
        f"the protected area {rule.entry!r} matches no file; map it under [protected_paths] in factory/andon.toml"
        for rule in rules
        if not rule.matches
    ]
    return Policy(protected=tuple(rules))


async def _base_checks(
    job: Job,
    store: TreeStore,
    sandbox: Sandbox,
    fresh: OpenSandbox,
    setup: ProjectSetup,
    policy: Policy,
    engine: InProcessEngine,
    events: EventLog,
    folder: RunFolder,
    base_tree: str,
) -> Lane:
    events.emit("phase", name="base-checks")
    commands = [*setup.tests, *setup.static]
    limit = job.settings.limits.check_seconds
    base = await engine.step("checks", "base", lambda: check_tree(base_tree, commands, fresh, time_limit=limit))
    for record in base:
        events.emit("check.ended", phase="base", name=record.name, outcome=record.outcome)
    lane = Lane(
        job=job,
        store=store,
        sandbox=sandbox,
        open_sandbox=fresh,
        setup=setup,
        policy=policy,
        engine=engine,
        events=events,
        folder=folder,
        base_tree=base_tree,
        base=base,
        tree=base_tree,
    )
    lane.write_test_result()
    return lane


async def _agents(job: Job, answerer: Answerer, lane: Lane, stack: AsyncExitStack) -> Review:
    workbench = Workbench(
        sandbox=lane.sandbox,
        setup=lane.setup,
        policy=lane.policy,
        docs=lambda query: _docs(job.files).lookup(query),
        events=lane.events,
        command_seconds=job.settings.limits.command_seconds,
    )
    connections: dict[Role, MCPServer] = {}
    for role in ROLES:
        connection = ToolConnection(workbench, role, lane.engine)
        await connection.connect()
        stack.push_async_callback(connection.cleanup)
        connections[role] = connection
    packet = planner_packet(
        job.task, job.project, lane.policy.protected, lane.setup, lane.base, tree_lines(job.files.paths)
    )
    lane.events.emit("phase", name="agents")
    return await run_lane(
        packet,
        steps=lane,
        connections=connections,
        models=answerer.models,
        events=lane.events,
        engine=lane.engine,
        max_model_calls=job.settings.limits.model_calls,
    )


@cache
def _docs(files: CommitFiles) -> DocsIndex:
    """Built on the first question: most runs ask none."""
    return DocsIndex.build(files)


async def _deliver(job: Job, lane: Lane, review: Review, state: _State) -> None:
    if review.verdict != "pass":
        raise RunError(StopCode.FAILED_REVIEW, f"The reviewer failed the change: {review.summary}")
    if lane.comparison is None:
        raise RunError(StopCode.INTERNAL, "the lane ended without checks")
    code = _ENDS.get(lane.comparison.outcome)
    if code is StopCode.CHECKS_FAILED:
        raise RunError(code, f"The checks are red: {lane.comparison.reason}.")
    if code is not None:
        question = f"Deliver although {lane.comparison.reason}?"
        answer = await lane.engine.wait(Gate("evidence", question, code))
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


async def _keep_tree(state: _State) -> None:
    """Take the workspace once more, so that work in flight is kept whatever ended the run."""
    if state.lane is None:
        return
    try:
        await state.lane.take()
    except (RunError, OSError) as error:
        state.warnings.append(f"the workspace could not be taken again, the last stored tree stands: {error}")


def _result(job: Job, answerer: Answerer, folder: RunFolder, state: _State, code: StopCode, message: str) -> RunResult:
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
        remedy=MEANINGS[code].remedy,
        base_commit=job.base_commit,
        branch=state.branch,
        head_commit=state.head_commit,
        tree=lane.tree if lane and changed else None,
        files=lane.store.stat(lane.base_tree, lane.tree) if lane and changed else [],
        checks=lane.comparison if lane and lane.checked == lane.tree else None,
        review_rounds=len(lane.reviews) if lane else 0,
        sandbox=state.sandbox_tier,
        answered_by=answerer.label,
        usage=state.usage.sum,
        warnings=state.warnings,
        run_folder=folder.shown,
    )


def _last_run(result: RunResult) -> dict[str, object]:
    return {
        "runId": result.run_id,
        "stopCode": str(result.stop_code),
        "exitCode": result.exit_code,
        "branch": result.branch,
        "proposalFile": f"{result.run_folder}/proposal.md",
        "prBodyPath": f"{result.run_folder}/pr-body.md",
    }


def _set_status(job: Job, status: TaskStatus, last_run: dict[str, object]) -> None:
    if job.queued:
        update_status(queue_path(job.repository), job.task.id, status, last_run)

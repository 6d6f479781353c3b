"""The part of a run in which models speak. Of the line, this module alone loads the agent SDK and the protocol."""

import asyncio
from contextlib import AsyncExitStack
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from andon.agents.lane import run_lane
from andon.context.docs import DocsIndex
from andon.context.near import near_task
from andon.context.packets import planner_packet, tree_lines
from andon.context.reader import Reader
from andon.guardrails.budgets import Budget
from andon.guardrails.output import clean_text
from andon.guardrails.own_steps import AMEND_PLAN
from andon.guardrails.paths import is_hidden
from andon.line.base_files import CommitFiles
from andon.line.job import Job
from andon.line.lane import Lane
from andon.line.planners_question import ASK_PERSON, judge_question
from andon.mcp_servers.inprocess import ToolConnection
from andon.mcp_servers.meter import Meter
from andon.mcp_servers.own_tools import OwnTool
from andon.mcp_servers.toolset import Workbench
from andon.records.plan import AmendPlan, AskPerson
from andon.records.review import Review

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents import Model
    from agents.mcp import MCPServer

    from andon.records.calls import Role


async def agents_phase(
    job: Job,
    lane: Lane,
    models: "Mapping[Role, Model]",
    stack: AsyncExitStack,
    budget: Budget,
    saved: "Mapping[str, Any] | None" = None,
) -> Review:
    """Have the role of each model work within `budget` to the review that ends the lane.

    They begin with the planner's packet, or where they waited for a person: `saved` is the `agents` of that `Parked`.
    What is opened for it is closed by `stack`.

    Raises:
        RunError: as `run_lane`.
    """
    workbench = Workbench(
        sandbox=lane.sandbox,
        setup=lane.setup,
        policy=lane.policy,
        docs=lambda query: _docs(job.files).lookup(query),
        events=lane.events,
        command_seconds=job.settings.limits.command_seconds,
        asking=lane.asks.granted,
        meter=Meter(budget, lane.events, lane.standing),
        effects=lane.effects,
        hold=lane.hold,
        news=lane.news,
    )
    if lane.sandbox.begun:
        # While the first request is on its way there is time; a workspace that has to be made again waits for its use.
        await lane.effects.begin()
    amend = OwnTool(
        AMEND_PLAN,
        "Add files or folders that must change too to the plan. The reviewer judges why.",
        AmendPlan,
        lane.amend,
        judge=lane.amendments.judge,
    )
    ask = OwnTool(
        ASK_PERSON,
        "Ask a person what must be known before there can be a plan. Once; propose the answer you would go on with.",
        AskPerson,
        lane.ask_person,
        judge=partial(judge_question, lane),
    )
    own = {"planner": [ask], "executor": [amend]}
    connections: dict[Role, MCPServer] = {}
    for role in models:
        connection = ToolConnection(workbench, role, lane.engine, own=own.get(role, []))
        stack.push_async_callback(connection.cleanup)
        await connection.connect()
        connections[role] = connection
    packet = await asyncio.to_thread(_packet, job, lane) if saved is None else None
    lane.events.emit("phase", name="agents")
    return await run_lane(
        packet,
        steps=lane,
        connections=connections,
        models=models,
        events=lane.events,
        engine=lane.engine,
        budget=budget,
        saved=saved,
        voices=lane.steering,
        reviewers=job.reviewers,
    )


def _packet(job: Job, lane: Lane) -> str:
    near = near_task(Reader(job.files, is_hidden, clean_text), job.task)
    return planner_packet(
        job.task, job.project, lane.policy.protected, lane.setup, lane.base, tree_lines(job.files.paths), near
    )


@cache
def _docs(files: CommitFiles) -> DocsIndex:
    """Built on the first question: most runs ask none."""
    return DocsIndex.build(files)

"""The lane: planner, executor and reviewers hand off to each other in one run of the SDK until a review is final."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agents import Agent, Model, RunState, TResponseInputItem
from agents.mcp import MCPServer

from andon.agents.desk import Desk, LaneSteps, Voices
from andon.agents.endings import role_of
from andon.agents.replies import Told
from andon.agents.roles import role_agents
from andon.agents.saved import Crew
from andon.agents.step_model import StepModel
from andon.agents.turns import QUOTED, Given, keep_traces_here, worked
from andon.guardrails.budgets import Budget
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.parked import Parked
from andon.records.ports import Steps
from andon.records.review import Review, Specialist
from andon.records.stops import StopCode

__all__ = ["LaneSteps", "run_lane"]

_NO_OBJECT = "refused (arguments): the arguments were not one valid JSON object; send the call again with valid JSON"


async def run_lane(
    packet: str | None,
    *,
    steps: LaneSteps,
    connections: Mapping[Role, MCPServer],
    models: Mapping[Role, Model],
    events: Events,
    engine: Steps,
    budget: Budget,
    saved: Mapping[str, Any] | None = None,
    voices: Voices | None = None,
    reviewers: Sequence[Specialist] = (),
) -> Review:
    """Run the three roles to an accepted review, pass or fail: from the planner's `packet`, or from where they waited.

    The `connections` are connected by the caller, and closed by it. Each role starts from its packet alone. With
    `saved`, which is `Parked.agents` of another run of the lane, the question that was open there is asked first,
    through the same method of `steps`; each model is sent what it would have been sent if nobody had left. What
    `voices` say is read after the turn in which it was said. The specialised `reviewers` look at every change before
    the reviewer, in their order; they play its role, over its connection and with its model.

    Raises:
        Parked: nobody can be asked here what `steps` ask; its `agents` are what to go on from.
        RunError: `budget-spent` once `budget` has nothing left for a call, `model-misbehaved`, `provider-failed`,
            `internal` for a `saved` that cannot be gone on from, or what a step or a tool raised.
    """
    keep_traces_here()
    crew = _crew(steps, connections, models, events, engine, budget, voices, reviewers)
    agent: Agent[Any]
    given: Given
    if saved is None:
        events.emit("agent.started", role="planner")
        agent, given = crew.agents["planner"], _user(packet or "")
    else:
        agent, given = await _past_question(crew, *await crew.restored(saved), steps)
    while True:
        result = await worked(agent, given, partial(_stops, crew.desk, steps), events)
        agent, desk = result.last_agent, crew.desk
        if not result.interruptions and desk.review is not None:
            return desk.review
        if result.interruptions:
            agent, given = await _past_question(crew, agent, result.to_state(), steps)
        elif steps.waits:
            told = result.to_input_list(mode="normalized")
            agent, given = await _past_question(crew, agent, told, steps)
        elif await desk.called():
            said = await desk.heard(role_of(agent.name))
            given = [*result.to_input_list(mode="normalized"), *_user(said)]
        elif result.final_output is None:
            # It was left for what was said, and that could not be read: nobody has ended the work.
            given = result.to_input_list(mode="normalized")
        else:
            given = _nudged(desk, agent.name, str(result.final_output))


def _crew(
    steps: LaneSteps,
    connections: Mapping[Role, MCPServer],
    models: Mapping[Role, Model],
    events: Events,
    engine: Steps,
    budget: Budget,
    voices: Voices | None,
    reviewers: Sequence[Specialist],
) -> Crew:
    call_ids: set[str] = set()
    asked = {
        role: StepModel(model, role=role, events=events, engine=engine, call_ids=call_ids, budget=budget)
        for role, model in models.items()
    }
    desk = Desk(steps, asked, events, voices, reviewers)
    return Crew(role_agents(desk, connections), asked, connections, desk, call_ids)


def _stops(desk: Desk, steps: LaneSteps) -> Callable[[], Awaitable[bool]]:
    """Return what tells, in turns of a runner that begins now, whether one is the last for the time being."""
    begun = desk.turn

    async def stops() -> bool:
        # Before the first answer there is no turn yet that could be stopped after.
        return steps.waits or (desk.turn > begun and await desk.called())

    return stops


async def _past_question(crew: Crew, waits: Agent[Any], given: Given, steps: LaneSteps) -> tuple[Agent[Any], Given]:
    """Ask the person whom an agent `waits` for before it goes on from `given`; return who goes on from what."""
    try:
        if isinstance(given, RunState):
            return waits, await _allowed(given, steps)
        answer = await steps.answered()
    except Parked as parked:
        parked.agents = crew.saved(waits.name, given)
        raise
    if isinstance(answer, Told):
        # What was said while the question was open is read with its answer.
        texts = [answer.text, await crew.desk.heard(role_of(waits.name))]
        return waits, [*given, *_user("\n\n".join(filter(None, texts)))]
    crew.desk.plan_taken()
    return crew.agents[answer.role], _user(answer.packet)


async def _allowed(state: RunState[Any], steps: LaneSteps) -> RunState[Any]:
    """Ask for the first call that needs a person; the others are asked for when this one is done.

    One at a time, since each answer holds for the workspace as it was when it was given.
    """
    item = state.get_interruptions()[0]
    arguments = _object(item.arguments)
    # What is no JSON object is left to a person by the SDK; the model alone can mend it.
    refusal = (
        _NO_OBJECT if arguments is None else await steps.allows(role_of(item.agent.name), str(item.name), arguments)
    )
    if refusal is None:
        state.approve(item)
    else:
        state.reject(item, rejection_message=refusal)
    return state


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _nudged(desk: Desk, name: str, text: str) -> list[TResponseInputItem]:
    """Return the conversation of the agent of this name, continued by one line that asks for a call.

    Raises:
        RunError: `model-misbehaved` if it was already asked since its packet.
    """
    endings = " or ".join(f"`{tool}`" for tool in desk.endings(name))
    if desk.nudged:
        desk.nudge(name, text[:QUOTED])
        raise RunError(
            StopCode.MODEL_MISBEHAVED,
            f"The {name} answered twice without a tool call where one was due ({endings}); audit.jsonl has its words.",
        )
    desk.nudge(name, text[:QUOTED])
    model = desk.models[role_of(name)]
    said = model.answer.to_response().to_input_items() if model.answer else []
    line = f"Nobody reads text here. Go on with tool calls; when your work is complete, call {endings}."
    return [*model.seen, *said, *_user(line)]


def _user(text: str) -> list[TResponseInputItem]:
    return [{"role": "user", "content": text}]

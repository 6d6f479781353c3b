"""The lane: planner, executor and reviewer hand off to each other in one run of the SDK until a review is final."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

from agents import (
    Agent,
    AgentsException,
    Model,
    ModelBehaviorError,
    ModelRefusalError,
    RunConfig,
    Runner,
    RunResultStreaming,
    RunState,
    ToolExecutionConfig,
    TResponseInputItem,
)
from agents.mcp import MCPServer
from agents.run_config import ToolErrorFormatterArgs
from agents.tracing import set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

from andon.agents.desk import ENDINGS, Desk, LaneSteps
from andon.agents.provider_calls import typed_stop
from andon.agents.replies import Told
from andon.agents.roles import role_agents
from andon.agents.step_model import StepModel
from andon.guardrails.budgets import Budget
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.ports import Steps
from andon.records.review import Review
from andon.records.stops import StopCode

__all__ = ["LaneSteps", "run_lane"]

_State: TypeAlias = RunState[Any]
_Given: TypeAlias = list[TResponseInputItem] | _State
"""What a phase begins from: a conversation, or the state of a phase that was left for a person."""
_NO_OBJECT = "refused (arguments): the arguments were not one valid JSON object; send the call again with valid JSON"
QUOTED = 200
"""Characters of a model's words that an event repeats; no message of a run does."""


async def run_lane(
    packet: str,
    *,
    steps: LaneSteps,
    connections: Mapping[Role, MCPServer],
    models: Mapping[Role, Model],
    events: Events,
    engine: Steps,
    budget: Budget,
) -> Review:
    """Run the three roles from the planner's `packet` to an accepted review, pass or fail.

    The `connections` are connected by the caller, and closed by it. Each role starts from its packet alone.

    Raises:
        RunError: `budget-spent` once `budget` has nothing left for a call, `model-misbehaved`, `provider-failed`, or
            what a step or a tool raised.
    """
    _keep_traces_here()
    call_ids: set[str] = set()
    asked = {
        role: StepModel(model, role=role, events=events, engine=engine, call_ids=call_ids, budget=budget)
        for role, model in models.items()
    }
    desk = Desk(steps, asked, events)
    agents = role_agents(desk, connections)
    agent = agents["planner"]
    events.emit("agent.started", role="planner")
    given: _Given = [{"role": "user", "content": packet}]
    while True:
        result = await _phase(agent, given, steps, events)
        agent = result.last_agent
        if result.interruptions:
            given = await _allowed(result, steps)
        elif desk.review is not None:
            return desk.review
        elif steps.waits:
            agent, given = await _answered(result, steps, agents, desk)
        else:
            given = _nudged(desk, _role_of(agent), str(result.final_output))


async def _allowed(result: RunResultStreaming, steps: LaneSteps) -> _State:
    """Ask for the first call that needs a person; the others are asked for when this one is done.

    One at a time, since each answer holds for the workspace as it was when it was given.
    """
    item = result.interruptions[0]
    arguments = _object(item.arguments)
    # What is no JSON object is left to a person by the SDK; the model alone can mend it.
    refusal = _NO_OBJECT if arguments is None else await steps.allows(_role_of(item.agent), str(item.name), arguments)
    state = result.to_state()
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


async def _answered(
    result: RunResultStreaming, steps: LaneSteps, agents: Mapping[Role, Agent[Any]], desk: Desk
) -> tuple[Agent[Any], _Given]:
    """Ask what has to be answered, and return who goes on from what."""
    answer = await steps.answered()
    if isinstance(answer, Told):
        state = result.to_state()
        state.add_input(answer.text)
        return result.last_agent, state
    desk.plan_taken()
    return agents[answer.role], [{"role": "user", "content": answer.packet}]


def _keep_traces_here() -> None:
    """Give the SDK a trace provider without an exporter; its own would send traces to OpenAI.

    Its log is left to whoever sets up logging: Python would print its errors between the lines people read.
    """
    logging.getLogger("openai.agents").addHandler(logging.NullHandler())
    provider = DefaultTraceProvider()
    provider.set_disabled(True)
    set_trace_provider(provider)


async def _phase(agent: Agent[Any], given: _Given, steps: LaneSteps, events: Events) -> RunResultStreaming:
    """Have the agents work until one is done, has a call that needs a person, or `steps` waits for one."""
    # The budget counts; a state that is gone on from would go on counting the turns that it was stored with.
    result = Runner.run_streamed(agent, given, max_turns=None, run_config=_config())
    try:
        # The runner begins the next turn only when the events of the last one were taken.
        async for _ in result.stream_events():
            if steps.waits:
                result.cancel(mode="after_turn")
    except asyncio.CancelledError:
        await _ended(result)
        raise
    except AgentsException as error:
        if stop := typed_stop(error):
            raise stop from None
        if ours := _stop(error):
            events.emit("warning", text=f"the model's answer: {_words(error)[:QUOTED]!r}")
            raise ours from error
        raise
    return result


async def _ended(result: RunResultStreaming) -> None:
    """Wait until a cancelled run has ended its calls: whoever cancelled takes their sandbox away next."""
    result.cancel()
    if result.run_loop_task is not None:
        await asyncio.wait({result.run_loop_task})


def _config() -> RunConfig:
    return RunConfig(
        tracing_disabled=True,
        trace_include_sensitive_data=False,
        tool_not_found_behavior="return_error_to_model",
        tool_error_formatter=_no_such_tool,
        # One workspace: calls of one answer run one after another, in the model's order.
        tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1),
    )


def _no_such_tool(args: ToolErrorFormatterArgs[Any]) -> str | None:
    if args.kind != "tool_not_found":
        return None
    return f"There is no tool {args.tool_name!r}. Call one of the tools you were given."


def _stop(error: AgentsException) -> RunError | None:
    """Return what the SDK's `error` means for the run; None where it is a fault of ours."""
    if isinstance(error, ModelRefusalError):
        return RunError(StopCode.MODEL_MISBEHAVED, "The model refused to work; audit.jsonl has its words.")
    if isinstance(error, ModelBehaviorError):
        return RunError(StopCode.MODEL_MISBEHAVED, "The model's answer could not be acted on; audit.jsonl says why.")
    return None


def _words(error: AgentsException) -> str:
    return error.refusal if isinstance(error, ModelRefusalError) else str(error)


def _nudged(desk: Desk, role: Role, text: str) -> list[TResponseInputItem]:
    """Return the conversation of `role`, continued by one line that asks for a call.

    Raises:
        RunError: `model-misbehaved` if this role was already asked since its packet.
    """
    endings = " or ".join(f"`{name}`" for name in ENDINGS[role])
    if desk.nudged:
        desk.nudge(role, text[:QUOTED])
        raise RunError(
            StopCode.MODEL_MISBEHAVED,
            f"The {role} answered twice without a tool call where one was due ({endings}); audit.jsonl has its words.",
        )
    desk.nudge(role, text[:QUOTED])
    model = desk.models[role]
    said = model.answer.to_response().to_input_items() if model.answer else []
    line = f"Nobody reads text here. Go on with tool calls; when your work is complete, call {endings}."
    return [*model.seen, *said, {"role": "user", "content": line}]


def _role_of(agent: Agent[Any]) -> Role:
    return next(role for role in ENDINGS if role == agent.name)

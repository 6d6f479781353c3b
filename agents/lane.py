"""The lane: planner, executor and reviewer hand off to each other in one run of the SDK until a review is final."""

import logging
from collections.abc import Mapping
from typing import Any

from agents import (
    Agent,
    AgentsException,
    MaxTurnsExceeded,
    Model,
    ModelBehaviorError,
    ModelRefusalError,
    RunConfig,
    Runner,
    RunResult,
    ToolExecutionConfig,
    TResponseInputItem,
)
from agents.mcp import MCPServer
from agents.run_config import ToolErrorFormatterArgs
from agents.tracing import set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

from andon.agents.desk import ENDINGS, Desk, LaneSteps
from andon.agents.provider_calls import typed_stop
from andon.agents.roles import planner_agent
from andon.agents.step_model import StepModel
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.ports import Steps
from andon.records.review import Review
from andon.records.stops import StopCode

__all__ = ["LaneSteps", "run_lane"]

QUOTED = 200
"""Characters of a model's words that a stop message repeats."""


async def run_lane(
    packet: str,
    *,
    steps: LaneSteps,
    connections: Mapping[Role, MCPServer],
    models: Mapping[Role, Model],
    events: Events,
    engine: Steps,
    max_model_calls: int,
) -> Review:
    """Run the three roles from the planner's `packet` to an accepted review, pass or fail.

    The `connections` are connected by the caller, and closed by it. Each role starts from its packet alone.

    Raises:
        RunError: `budget-spent` after `max_model_calls` answers, `model-misbehaved`, `provider-failed`, or what a step
            or a tool raised.
    """
    _keep_traces_here()
    call_ids: set[str] = set()
    asked = {
        role: StepModel(model, role=role, events=events, engine=engine, call_ids=call_ids)
        for role, model in models.items()
    }
    desk = Desk(steps, asked, events)
    agent = planner_agent(desk, connections)
    events.emit("agent.started", role="planner")
    conversation: list[TResponseInputItem] = [{"role": "user", "content": packet}]
    while True:
        left = max_model_calls - sum(model.calls for model in asked.values())
        result = await _run(agent, conversation, left=left, limit=max_model_calls)
        if desk.review is not None:
            return desk.review
        agent = result.last_agent
        conversation = _nudged(desk, _role_of(agent), str(result.final_output))


def _keep_traces_here() -> None:
    """Give the SDK a trace provider without an exporter; its own would send traces to OpenAI.

    Its log is left to whoever sets up logging: Python would print its errors between the lines people read.
    """
    logging.getLogger("openai.agents").addHandler(logging.NullHandler())
    provider = DefaultTraceProvider()
    provider.set_disabled(True)
    set_trace_provider(provider)


async def _run(agent: Agent[Any], conversation: list[TResponseInputItem], *, left: int, limit: int) -> RunResult:
    try:
        return await Runner.run(agent, conversation, max_turns=left, run_config=_config())
    except AgentsException as error:
        if stop := typed_stop(error):
            raise stop from None
        if ours := _stop(error, limit):
            raise ours from error
        raise


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


def _stop(error: AgentsException, limit: int) -> RunError | None:
    """Return what the SDK's `error` means for the run; None where it is a fault of ours."""
    if isinstance(error, MaxTurnsExceeded):
        return RunError(StopCode.BUDGET_SPENT, f"All {limit} model calls of the run are spent (limits.model_calls).")
    if isinstance(error, ModelRefusalError):
        return RunError(StopCode.MODEL_MISBEHAVED, f"The model refused to work: {error.refusal[:QUOTED]}")
    if isinstance(error, ModelBehaviorError):
        return RunError(StopCode.MODEL_MISBEHAVED, f"The model's answer could not be acted on: {error}")
    return None


def _nudged(desk: Desk, role: Role, text: str) -> list[TResponseInputItem]:
    """Return the conversation of `role`, continued by one line that asks for a call.

    Raises:
        RunError: `model-misbehaved` if this role was already asked since its packet.
    """
    endings = " or ".join(f"`{name}`" for name in ENDINGS[role])
    if desk.nudged:
        raise RunError(
            StopCode.MODEL_MISBEHAVED,
            f"The {role} answered twice without a tool call where one was due ({endings}): {text[:QUOTED]!r}",
        )
    desk.nudge(role)
    model = desk.models[role]
    said = model.answer.to_response().to_input_items() if model.answer else []
    line = f"Nobody reads text here. Go on with tool calls; when your work is complete, call {endings}."
    return [*model.seen, *said, {"role": "user", "content": line}]


def _role_of(agent: Agent[Any]) -> Role:
    return next(role for role in ENDINGS if role == agent.name)

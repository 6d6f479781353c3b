"""Turns of the SDK's runner: an agent works, and those it hands over to, until it ends or a person is needed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from agents import (
    Agent,
    AgentsException,
    ModelBehaviorError,
    ModelRefusalError,
    RunConfig,
    Runner,
    RunResultStreaming,
    RunState,
    ToolExecutionConfig,
    TResponseInputItem,
)
from agents.run_config import CallModelData, ModelInputData, ToolErrorFormatterArgs
from agents.tracing import set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

from andon.agents.elision import elided
from andon.agents.provider_calls import typed_stop
from andon.agents.step_model import StepModel
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.stops import StopCode

Given: TypeAlias = list[TResponseInputItem] | RunState[Any]
"""What turns begin from: a conversation, or the state of turns that were left for a person."""
QUOTED = 200
"""Characters of a model's words that an event repeats; no message of a run does."""


async def worked(
    agent: Agent[Any], given: Given, stops: Callable[[], Awaitable[bool]], events: Events
) -> RunResultStreaming:
    """Have the agents work until one is done, has a call that needs a person, or `stops` was true during a turn.

    Raises:
        RunError: `model-misbehaved`, or what a step or a tool raised.
    """
    # The budget counts; a state that is gone on from would go on counting the turns that it was stored with.
    result = Runner.run_streamed(agent, given, max_turns=None, run_config=_config())
    try:
        # The runner begins the next turn only when the events of the last one were taken.
        async for _ in result.stream_events():
            if await stops():
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


def keep_traces_here() -> None:
    """Give the SDK a trace provider without an exporter; its own would send traces to OpenAI.

    Its log is left to whoever sets up logging: Python would print its errors between the lines people read.
    """
    logging.getLogger("openai.agents").addHandler(logging.NullHandler())
    provider = DefaultTraceProvider()
    provider.set_disabled(True)
    set_trace_provider(provider)


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
        call_model_input_filter=_shortened,
        # One workspace: calls of one answer run one after another, in the model's order.
        tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1),
    )


def _shortened(data: CallModelData[Any]) -> ModelInputData:
    """Return what a model is sent: a long conversation without its old outputs, where its provider lets them go."""
    given, model = data.model_data, data.agent.model
    if isinstance(model, StepModel) and model.signs_history:
        return given
    return ModelInputData(input=elided(given.input), instructions=given.instructions)


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

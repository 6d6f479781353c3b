"""Turns of the SDK's runner: an agent works, and those it hands over to, until it ends or a person is needed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agents import (
    Agent,
    AgentsException,
    ItemHelpers,
    ModelBehaviorError,
    ModelRefusalError,
    RunConfig,
    Runner,
    RunResultStreaming,
    RunState,
    ToolExecutionConfig,
    TResponseInputItem,
)
from agents.items import ToolApprovalItem
from agents.run_config import ToolErrorFormatterArgs
from agents.tracing import set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

from andon.agents.history import History
from andon.agents.provider_calls import typed_stop
from andon.agents.step_model import StepModel
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.stops import StopCode

Given: TypeAlias = list[TResponseInputItem] | RunState[Any]
"""What turns begin from: a conversation, or the state of turns that were left for a person."""
Stops: TypeAlias = Callable[[], Callable[[], Awaitable[bool]]]
"""Gives, as a runner begins, what is asked after each of its events: whether the turn is the last for now."""
TURNS = 8
"""After so many turns the runner is begun anew: fewer cost more beginnings, more a longer walk in each."""
QUOTED = 200
"""Characters of a model's words that an event repeats; no message of a run does."""


@dataclass(frozen=True)
class Worked:
    """Where agents stand after their turns: what the SDK's result says, with the conversation as it is in whole."""

    _result: RunResultStreaming

    @property
    def last_agent(self) -> Agent[Any]:
        """Who goes on."""
        return self._result.last_agent

    @property
    def interruptions(self) -> list[ToolApprovalItem]:
        """The calls of the last answer that a person has to allow."""
        return self._result.interruptions

    @property
    def final_output(self) -> Any:
        """What ended the work; None where it was only left."""
        return self._result.final_output

    def to_input_list(self, *, mode: Literal["normalized"]) -> list[TResponseInputItem]:
        """Return what was said with the agent that goes on."""
        return _history(self.last_agent).whole(self._result.to_input_list(mode=mode))

    def to_state(self) -> RunState[Any]:
        """Return the turn in which a person is needed."""
        state = self._result.to_state()
        state._original_input = _history(self.last_agent).whole(
            ItemHelpers.input_to_new_input_list(state._original_input)
        )
        return state


async def worked(agent: Agent[Any], given: Given, stops: Stops, events: Events) -> Worked:
    """Have the agents work until one is done, has a call that needs a person, or what `stops` gives was true in a turn.

    The runner walks over all it has in every turn. So it is begun anew every few turns, and has no more than them: the
    rest is put away in the model's history. What models are sent is the same.

    Raises:
        RunError: `model-misbehaved`, or what a step or a tool raised.
    """
    while True:
        if not isinstance(given, RunState):
            given = _history(agent).put_away(given)
        result, stopped = await _some_turns(agent, given, stops, events)
        if stopped or result.interruptions or result.final_output is not None:
            return Worked(result)
        agent, given = result.last_agent, result.to_input_list(mode="normalized")


async def _some_turns(agent: Agent[Any], given: Given, stops: Stops, events: Events) -> tuple[RunResultStreaming, bool]:
    """Have the agents work for `TURNS` at most, or to the end of the turn that was left; say whether they were stopped.

    Raises:
        RunError: as `worked`.
    """
    stopped, is_last = False, stops()
    # The budget counts; a state that is gone on from would go on counting the turns that it was stored with.
    result = Runner.run_streamed(agent, given, max_turns=None, run_config=_config())
    if isinstance(given, RunState):
        # It has the whole conversation.
        result.cancel(mode="after_turn")
    try:
        # The runner begins the next turn only when the events of the last one were taken.
        async for _ in result.stream_events():
            stopped = await is_last() or stopped
            if stopped or result.current_turn >= TURNS:
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
    return result, stopped


def _history(agent: Agent[Any]) -> History:
    if not isinstance(agent.model, StepModel):
        raise TypeError(f"{agent.name} has a model that keeps no history")
    return agent.model.history


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

"""Where the agents of a run stand while a person is asked, as JSON that any process can go on from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

from agents import Agent, RunState, TResponseInputItem
from agents.mcp import MCPServer
from pydantic import ValidationError

from andon.agents.answers import ModelAnswer
from andon.agents.desk import Desk, DeskNotes
from andon.agents.endings import role_of
from andon.agents.short_state import shortened
from andon.agents.step_model import StepModel
from andon.agents.turns import Given
from andon.records.base import Record
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.stops import StopCode


class SavedAgents(Record):
    """Agents that wait for a person."""

    schema_version: Literal[1] = 1
    """1."""
    role: Role
    """Who waits."""
    agent: str = ""
    """The agent of that role that waits; empty: the one that is named like it."""
    conversation: list[dict[str, Any]] | None
    """What `role` has been told and has said, where it waits between two turns."""
    state: dict[str, Any] | None
    """Where it waits with a call: the turn, as the SDK writes a RunState."""
    answer: ModelAnswer | None
    """The last answer of the model of `role`."""
    model_calls: dict[Role, int]
    """Answers each role has asked for."""
    tool_calls: dict[Role, int]
    """Calls each role has made over its connection."""
    call_ids: list[str]
    """Every id of a tool call in the run, sorted."""
    desk: DeskNotes
    """What the desk has counted and taken."""


@runtime_checkable
class CountsCalls(Protocol):
    """A connection that numbers its calls over the whole run."""

    calls: int
    """Calls made so far."""


@dataclass(frozen=True)
class Crew:
    """The agents at work, and everything of them that a run takes along when it is left for a person."""

    agents: Mapping[str, Agent[Any]]
    """By name."""
    models: Mapping[Role, StepModel]
    connections: Mapping[Role, MCPServer]
    desk: Desk
    call_ids: set[str]
    """The set that `models` keep up to date."""

    def saved(self, name: str, given: Given) -> dict[str, Any]:
        """Return the JSON to go on from: the agent of this name waits, and its next turn begins from `given`."""
        role = role_of(name)
        paper = SavedAgents(
            role=role,
            agent="" if name == role else name,
            conversation=None if isinstance(given, RunState) else json.loads(json.dumps(given)),
            state=shortened(given.to_json()) if isinstance(given, RunState) else None,
            answer=self.models[role].answer,
            model_calls={name: model.calls for name, model in self.models.items()},
            tool_calls={name: each.calls for name, each in self._counting().items()},
            call_ids=sorted(self.call_ids),
            desk=self.desk.notes(),
        )
        return paper.model_dump(mode="json")

    async def restored(self, saved: Mapping[str, Any]) -> tuple[Agent[Any], Given]:
        """Put everything back as it was when `saved` was made; return who waits, and what its next turn begins from.

        Raises:
            RunError: `internal` if it was made by a version that is not understood, or is not whole.
        """
        try:
            paper = SavedAgents.model_validate(saved)
        except ValidationError as error:
            raise _lost(f"{error.error_count()} of its fields are not understood") from error
        agent = self.agents.get(paper.agent or paper.role)
        if agent is None:
            raise _lost(f"there is no {paper.agent} here")
        given = await self._given(paper)
        for role, count in paper.model_calls.items():
            self.models[role].calls = count
        for role, connection in self._counting().items():
            connection.calls = paper.tool_calls.get(role, 0)
        self.models[paper.role].answer = paper.answer
        self.call_ids.update(paper.call_ids)
        self.desk.take_notes(paper.desk)
        return agent, given

    async def _given(self, paper: SavedAgents) -> Given:
        if paper.state is not None:
            return await _loaded(paper.state, self.agents["planner"])
        if paper.conversation is None:
            raise _lost("it holds no conversation")
        return cast("list[TResponseInputItem]", paper.conversation)

    def _counting(self) -> dict[Role, CountsCalls]:
        return {role: each for role, each in self.connections.items() if isinstance(each, CountsCalls)}


async def _loaded(saved: dict[str, Any], first: Agent[Any]) -> RunState[Any]:
    """Return the state; `first` is the agent from which every other can be reached."""
    try:
        state = await RunState.from_json(first, saved)
        # The SDK leaves out items that it cannot read, with no more than a warning.
        whole = _calls(state.to_json()) == _calls(saved)
    except RunError:
        raise
    except Exception as error:
        # Whatever the SDK raises for a state that it does not understand; it promises no type for that.
        raise _lost(f"the agents SDK does not load it: {type(error).__name__}") from error
    if not whole or not state.get_interruptions():
        raise _lost("a part of it is missing")
    return state


def _calls(state: Mapping[str, Any]) -> list[Any]:
    """Return the answer whose calls wait, what they have given so far, and which of them wait."""
    items = [(item["type"], item["agent"], item["raw_item"]) for item in state["generated_items"]]
    return [state["current_agent"], items, state["current_step"]]


def _lost(why: str) -> RunError:
    return RunError(
        StopCode.INTERNAL,
        f"The run cannot go on from where it waited: what was kept of its agents is of another version of andon or "
        f"damaged ({why}). Run the task again.",
    )

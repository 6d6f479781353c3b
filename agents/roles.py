"""The agents of a run as SDK agents, tied together by typed handoffs."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from agents import (
    Agent,
    AgentHooks,
    FunctionToolResult,
    ModelBehaviorError,
    ModelResponse,
    ModelSettings,
    RunContextWrapper,
    ToolsToFinalOutputResult,
)
from agents.mcp import MCPServer
from mcp.shared.exceptions import MCPError

from andon.agents.desk import Desk
from andon.agents.endings import FINISH, HAND_BACK, PASS_ON, TO_EXECUTOR, TO_REVIEWER, agent_name
from andon.agents.handoffs import typed_handoff
from andon.agents.prompts import role_text
from andon.agents.specialists import PassedOn
from andon.agents.step_model import StepModel
from andon.agents.verdict import ChangesReview, finish_tool
from andon.records.calls import Role
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.review import Specialist


def role_agents(desk: Desk, connections: Mapping[Role, MCPServer]) -> dict[str, Agent[Any]]:
    """Return the agents by name, each with its handoffs: one a role, and the specialised reviewers of `desk`."""
    planner, executor, reviewer = (
        _agent(role, role_text(role), desk.models[role], connections[role])
        for role in ("planner", "executor", "reviewer")
    )
    special = {
        who: _agent(agent_name(who), role_text(who), desk.models["reviewer"], connections["reviewer"])
        for who in desk.reviewers
    }
    by_name = {agent.name: agent for agent in (planner, executor, reviewer, *special.values())}
    planner.handoffs = [
        typed_handoff(
            planner,
            executor,
            tool_name=TO_EXECUTOR,
            description="Hand over the complete plan.",
            payload=PlanPayload,
            receive=desk.plan,
            refused=partial(desk.refused, "planner", TO_EXECUTOR),
        )
    ]
    executor.handoffs = [
        typed_handoff(
            executor,
            by_name[desk.looks_after()],
            tool_name=TO_REVIEWER,
            description="Hand over the finished change for checks and review.",
            payload=ChangeReport,
            receive=desk.change,
            refused=partial(desk.refused, "executor", TO_REVIEWER),
        )
    ]
    for who, agent in special.items():
        _tie_special(desk, who, agent, then=by_name[desk.looks_after(who)])
    reviewer.handoffs = [
        typed_handoff(
            reviewer,
            executor,
            tool_name=HAND_BACK,
            description="Send the change back with must-fix findings.",
            payload=ChangesReview,
            receive=desk.changes,
            refused=partial(desk.refused, "reviewer", HAND_BACK),
            offered=lambda: not desk.last_review,
        )
    ]
    reviewer.tools = [finish_tool(desk.final, partial(desk.refused, "reviewer", FINISH))]
    reviewer.tool_use_behavior = lambda _, results: _end_of(desk, results)
    reviewer.hooks = _Closed(desk)
    return by_name


def _tie_special(desk: Desk, who: Specialist, agent: Agent[Any], *, then: Agent[Any]) -> None:
    agent.handoffs = [
        typed_handoff(
            agent,
            then,
            tool_name=PASS_ON,
            description="End your look; what you found goes to whoever looks next.",
            payload=PassedOn,
            receive=partial(desk.passed_on, who),
            refused=partial(desk.refused, agent.name, PASS_ON),
        ),
    ]


class _Closed(AgentHooks[Any]):
    """Counts calls of `hand_back` where it is not offered: the runner answers them as it does any unknown tool."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        called = [getattr(item, "name", "") for item in response.output if item.type == "function_call"]
        if self._desk.last_review and HAND_BACK in called:
            self._desk.refused(agent.name, HAND_BACK, "no review is left in which a repair could be judged")


def _agent(name: str, text: str, model: StepModel, connection: MCPServer) -> Agent[Any]:
    return Agent(
        name=name,
        instructions=text,
        model=model,
        mcp_servers=[connection],
        mcp_config={"failure_error_function": _tool_failure},
        # A text answer would end the run, so a call is asked for on every turn, not only on the first.
        model_settings=ModelSettings(tool_choice="required", parallel_tool_calls=True, store=False),
        reset_tool_choice=False,
    )


def _end_of(desk: Desk, _: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(is_final_output=desk.review is not None, final_output="accepted")


def _tool_failure(_: RunContextWrapper[Any], error: Exception) -> str:
    """Return what the model is told of a failed call; what it cannot mend is raised and ends the run."""
    if isinstance(error, ModelBehaviorError):
        return f"{error}. The arguments must be one JSON object; call again."
    if isinstance(error, MCPError):
        return f"The call was refused: {error}"
    raise error

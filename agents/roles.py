"""The three roles as SDK agents, tied together by typed handoffs."""

from collections.abc import Mapping
from typing import Any

from agents import (
    Agent,
    FunctionToolResult,
    ModelBehaviorError,
    ModelSettings,
    RunContextWrapper,
    ToolsToFinalOutputResult,
)
from agents.mcp import MCPServer
from mcp.shared.exceptions import MCPError

from andon.agents.desk import TO_EXECUTOR, TO_REVIEWER, Desk
from andon.agents.handoffs import typed_handoff
from andon.agents.prompts import role_text
from andon.agents.step_model import StepModel
from andon.agents.verdict import FINISH, HAND_BACK, ChangesReview, finish_tool
from andon.records.calls import Role
from andon.records.plan import ChangeReport, PlanPayload


def role_agents(desk: Desk, connections: Mapping[Role, MCPServer]) -> dict[Role, Agent[Any]]:
    """Return the three agents, each with its handoffs."""
    planner, executor, reviewer = (
        _agent(role, desk.models[role], connections[role]) for role in ("planner", "executor", "reviewer")
    )
    planner.handoffs = [
        typed_handoff(
            planner,
            executor,
            tool_name=TO_EXECUTOR,
            description="Hand over the complete plan.",
            payload=PlanPayload,
            receive=desk.plan,
            refused=lambda problem: desk.refused("planner", TO_EXECUTOR, problem),
        )
    ]
    executor.handoffs = [
        typed_handoff(
            executor,
            reviewer,
            tool_name=TO_REVIEWER,
            description="Hand over the finished change for checks and review.",
            payload=ChangeReport,
            receive=desk.change,
            refused=lambda problem: desk.refused("executor", TO_REVIEWER, problem),
        )
    ]
    reviewer.handoffs = [
        typed_handoff(
            reviewer,
            executor,
            tool_name=HAND_BACK,
            description="Send the change back with must-fix findings.",
            payload=ChangesReview,
            receive=desk.changes,
            refused=lambda problem: desk.refused("reviewer", HAND_BACK, problem),
        )
    ]
    reviewer.tools = [finish_tool(desk.final, lambda problem: desk.refused("reviewer", FINISH, problem))]
    reviewer.tool_use_behavior = lambda _, results: _end_of(desk, results)
    return {"planner": planner, "executor": executor, "reviewer": reviewer}


def _agent(role: Role, model: StepModel, connection: MCPServer) -> Agent[Any]:
    return Agent(
        name=role,
        instructions=role_text(role),
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

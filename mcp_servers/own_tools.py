"""Tools of whoever drives a run, listed beside the curated ones: they act on the run itself."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from andon.context.strict_json import problems
from andon.guardrails.credentials import check_credentials
from andon.guardrails.refusal import Refused
from andon.records.base import Record
from andon.records.calls import Decision

Tell = Callable[[str], Awaitable[None]]
"""Tells the client how far a call is, where it asked to be told."""


@dataclass(frozen=True)
class OwnTool:
    """One such tool."""

    name: str
    """What it is called by."""
    description: str
    """What it does."""
    arguments: type[Record]
    """The model its arguments must fit; a field's docstring is what clients are told of it."""
    run: Callable[[Any, Tell], Awaitable[str]]
    """Takes the arguments as that model and returns the text; raises `ToolFailed` for the client, `RunError` for the
    run."""
    judge: Callable[[Mapping[str, Any]], Decision] | None = None
    """What else is held against arguments that fit, such as `judge_step`; None: nothing."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments, without titles."""
        schema = self.arguments.model_json_schema()
        properties = {
            name: {key: value for key, value in field.items() if key != "title"}
            for name, field in schema.get("properties", {}).items()
        }
        return {key: value for key, value in schema.items() if key not in ("title", "description")} | {
            "properties": properties
        }


def judge_own(tool: OwnTool, arguments: Any) -> Decision:
    """Return whether a call's arguments fit the tool, hold no credential, and pass the tool's own judge."""
    try:
        tool.arguments.model_validate(arguments, strict=True)
    except ValidationError as error:
        fields = ", ".join(tool.arguments.model_fields) or "none"
        reason = f"{problems(error)}; the arguments of {tool.name} are: {fields}"
        return Decision(verdict="refuse", rule="arguments", reason=reason)
    try:
        check_credentials(arguments)
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)
    return tool.judge(arguments) if tool.judge else Decision(verdict="allow", rule="default", reason="")

"""A tool call, and what the judge said of it."""

from typing import Any, Literal

from andon.records.base import Record

Role = Literal["planner", "executor", "reviewer", "client"]
"""Our three agents, or somebody else's client on a session of its own."""


class ToolCall(Record):
    """One call of a curated tool, before it is judged."""

    tool: str
    """Its name as listed."""
    arguments: dict[str, Any]
    """As given by the client."""
    role: Role
    """Comes from the connection, never from the client's words."""


class Decision(Record):
    """The judge's answer."""

    verdict: Literal["allow", "ask", "refuse"]
    """`ask`: only a person may allow it."""
    rule: str
    """Name of the rule that decided."""
    reason: str
    """For the model and the log: what is wrong and what to do instead."""
    also: tuple[str, ...] = ()
    """Of `ask`: the other rules that ask too; only who allows them all allows the call."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that asks."""
        return (self.rule, *self.also)

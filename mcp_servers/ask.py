"""What the toolset does with a call that only a person may allow."""

from typing import TYPE_CHECKING, Any, Protocol

from andon.guardrails.approvals import Binding, Grants, digest_of
from andon.records.calls import Decision, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import HandlerResult, ServerRequestContext


class Asking(Protocol):
    """Answers for a person."""

    def is_open(self, call: ToolCall, decision: Decision) -> bool:
        """Say whether a person is still to be asked for this call; for whoever can ask before it is made."""
        ...

    async def answer(
        self, call: ToolCall, decision: Decision, ctx: "ServerRequestContext[Any, Any]"
    ) -> "Decision | HandlerResult":
        """Return what a person decides of a call that `decision` asks about.

        A decision has the verdict `allow` or not; anything else is sent to the client as it is, and nothing runs.
        """
        ...


class NobodyAsked:
    """There is no person: nothing is allowed."""

    def is_open(self, call: ToolCall, decision: Decision) -> bool:
        """Nobody can be asked."""
        return False

    async def answer(
        self, call: ToolCall, decision: Decision, ctx: "ServerRequestContext[Any, Any]"
    ) -> "Decision | HandlerResult":
        """Leave the question open, which refuses the call."""
        return decision


class Granted:
    """For our own agents, who are asked for between turns: looks up what people allowed, and never waits."""

    def __init__(self, grants: Grants, *, run: str, policy: str, parks: bool) -> None:
        """`policy` is the version of the policy that asks; `parks` says that what nobody allowed is asked for.

        Without it such a call is refused, and the run goes on.
        """
        self._grants = grants
        self._run = run
        self._policy = policy
        self.parks = parks
        self.state: Callable[[], str] = str
        """Tells how the workspace stands; an answer holds for the workspace it was given for."""

    def binding(self, call: ToolCall) -> Binding:
        """Return what an answer to this call is bound to, as the workspace stands now."""
        return Binding(self._run, call.role, call.tool, digest_of(call.arguments), self.state(), self._policy)

    def is_open(self, call: ToolCall, decision: Decision) -> bool:
        """Say whether no answer covers the call yet."""
        return self.parks and not self._grants.kinds(call.role).issuperset(decision.rules)

    async def answer(
        self, call: ToolCall, decision: Decision, ctx: "ServerRequestContext[Any, Any]"
    ) -> "Decision | HandlerResult":
        """Allow the call if a person allowed exactly this one, or its kind."""
        if self._grants.take(self.binding(call), *decision.rules):
            return Decision(verdict="allow", rule=decision.rule, reason="")
        if not self.parks:
            return decision
        reason = (
            f"{decision.reason}; nobody has allowed this for the workspace as it is now: make this call again alone"
        )
        return Decision(verdict="refuse", rule=decision.rule, reason=reason)

"""What the executor adds to the plan: granted by rule while it is ordinary and little, else by a person."""

from collections.abc import Callable, Mapping
from typing import Any

from andon.guardrails.judge import Policy
from andon.guardrails.own_steps import AMEND_PLAN, amended_files, amendment_decision, judge_step
from andon.guardrails.scope import Scope
from andon.records.calls import Decision
from andon.records.events import Events
from andon.records.plan import AmendPlan


class Amendments:
    """The amendments of one run. What is granted is inside the plan's scope from then on."""

    def __init__(self, policy: Policy, allowed: int, events: Events, scope: Callable[[], Scope | None]) -> None:
        """`allowed` is how many files may be added by rule; `scope` gives the scope of the accepted plan."""
        self.granted: list[AmendPlan] = []
        """In order; the reviewer judges them."""
        self._policy = policy
        self._allowed = allowed
        self._events = events
        self._scope = scope

    def judge(self, arguments: Mapping[str, Any]) -> Decision:
        """Return whether these arguments of `amend_plan` are granted, asked for, or refused."""
        if self._scope() is None:
            return Decision(verdict="refuse", rule="role", reason="there is no plan yet")
        step = judge_step(AMEND_PLAN, arguments, "executor", self._policy)
        if step.verdict == "refuse":
            return step
        paths = [str(path) for path in arguments.get("paths", [])]
        granted = sum(amended_files(each.paths, self._policy) for each in self.granted)
        return amendment_decision(paths, self._policy, granted, self._allowed)

    def grant(self, amendment: AmendPlan) -> str:
        """Put what was judged and allowed into the scope; return what the executor is told."""
        self.again(amendment)
        self._events.emit("plan.amended", paths=amendment.paths, why=amendment.why)
        return f"The plan now covers {', '.join(amendment.paths)}. The reviewer judges whether it had to."

    def again(self, amendment: AmendPlan) -> None:
        """Grant what was granted before."""
        scope = self._scope()
        if scope is not None:
            scope.grant(amendment.paths)
        self.granted.append(amendment)

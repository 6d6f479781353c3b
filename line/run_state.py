"""What is known of a run so far: whatever ends it, the result is made from this."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from andon.guardrails.budgets import Budget
from andon.line.lane import Lane
from andon.line.log.effect_log import EffectLog
from andon.line.saved import Facts
from andon.records.events import RunEvent
from andon.records.result import Usage
from andon.records.review import Review

if TYPE_CHECKING:
    from andon.records.calls import Role


class UsageSum:
    """Sums what the models used, from the event stream."""

    def __init__(self) -> None:
        self.sum = Usage()
        """Of all roles."""
        self.by_role: dict[Role, Usage] = {}
        """Of each role that got an answer."""

    def __call__(self, event: RunEvent) -> None:
        if event.kind == "model.answered":
            counted, role = Usage.model_validate(event.data["usage"]), event.data["role"]
            self.sum = self.sum.plus(counted)
            self.by_role[role] = self.by_role.get(role, Usage()).plus(counted)


@dataclass
class RunState:
    """What is known of a run so far; whatever ends it, the result is made from this."""

    usage: UsageSum
    budget: Budget
    warnings: list[str]
    effects: EffectLog = field(default_factory=EffectLog)
    facts: Facts = field(default_factory=lambda: Facts(tier=""))
    lane: Lane | None = None
    review: Review | None = None
    lasting: bool = False
    """True if what ended the run does not pass by itself."""
    branch: str | None = None
    head_commit: str | None = None

"""The budget of a run, from its settings and the models that play its roles."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from andon.context.settings import Settings
from andon.guardrails.budgets import Budget
from andon.guardrails.prices import prices_of, shipped_prices
from andon.line.steps import Answer, Ask, Gate
from andon.records.calls import Role

if TYPE_CHECKING:
    from andon.records.budget import Allowance


def budget_of(settings: Settings, models: Mapping[Role, str], clock: Callable[[], float]) -> Budget:
    """Return the budget of a run in which `models` play the roles; none named: nobody is paid.

    Raises:
        UserError: a cost limit holds for a model that has no price.
    """
    limits = settings.limits
    roles: dict[Role, Allowance] = {
        "planner": limits.planner,
        "executor": limits.executor,
        "reviewer": limits.reviewer,
    }
    keys = ["limits.cost"] if limits.cost is not None else []
    limited = {role: [*keys, *([f"limits.{role}.cost"] if own.cost is not None else [])] for role, own in roles.items()}
    prices = prices_of(models, shipped_prices().over(settings.prices), limited)
    return Budget(limits, roles, clock, prices)


def asking_off_the_clock(ask: Ask | None, budget: Budget) -> Ask | None:
    """Return `ask`, with the clock of the run stopped while a person reads and answers."""
    if ask is None:
        return None

    async def asked(gate: Gate) -> Answer:
        budget.pause()
        try:
            return await ask(gate)
        finally:
            budget.resume()

    return asked

"""Budgets for tests: with the limits a test names and no others."""

import time
from typing import Any

from andon.guardrails.budgets import Budget
from andon.records.budget import Allowance


def budget(**limits: Any) -> Budget:
    """Return the budget of a run with these limits; without any, nothing ends it."""
    return Budget(run=Allowance(**limits), roles={}, clock=time.monotonic)

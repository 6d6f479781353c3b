"""A figure of the benchmark, and how a group of them is measured or says why it could not be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import Field

from andon.records.base import Record


class Goal(NamedTuple):
    """What a figure is counted in, and what it is held to."""

    unit: str
    relation: Literal["<=", ">="]
    limit: float

    def met(self, value: float) -> bool:
        """Say whether `value` is as good as wanted."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


@dataclass(frozen=True)
class Measured:
    """One figure, measured."""

    value: float
    """In the goal's unit; the median of the runs."""
    baseline: float | None = None
    """The same thing done by something bare, in the same minutes on the same machine; seconds where the unit is x."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Where it comes from, name (with unit) to number."""


@dataclass(frozen=True)
class Group:
    """Figures that are measured together. `measure` gets the number of runs, and returns a value for every goal.

    Anything it raises is the reason why its figures are missing.
    """

    goals: Mapping[str, Goal]
    measure: Callable[[int], Mapping[str, Measured]]


class Figure(Record):
    """One figure as it stands in bench.json."""

    value: float | None
    """None where it could not be measured."""
    unit: str
    """What it is counted in; `x` is a ratio."""
    goal: str
    """`<= 1.6`."""
    baseline: float | None
    """In-run comparison; in seconds where the unit is `x`."""
    ok: bool
    """True if the goal is met; false where nothing was measured."""
    parts: dict[str, float] = Field(default_factory=dict)
    """Where the value comes from."""
    reason: str = ""
    """Why there is no value."""


def measure_group(group: Group, runs: int) -> dict[str, Figure]:
    """Return every figure of `group`, measured or with the reason why not; never raises what `measure` raised."""
    try:
        measured = group.measure(runs)
    except Exception as error:  # noqa: BLE001 - boundary: a group that breaks is reported, the others are still measured
        reason = f"{type(error).__name__}: {error}"
        return {key: _missing(goal, reason) for key, goal in group.goals.items()}
    return {
        key: _figure(goal, measured[key]) if key in measured else _missing(goal, "its group did not measure it")
        for key, goal in group.goals.items()
    }


def _figure(goal: Goal, measured: Measured) -> Figure:
    return Figure(
        value=_rounded(measured.value),
        unit=goal.unit,
        goal=str(goal),
        baseline=None if measured.baseline is None else _rounded(measured.baseline),
        ok=goal.met(measured.value),
        parts={name: _rounded(value) for name, value in measured.parts.items()},
    )


def _missing(goal: Goal, reason: str) -> Figure:
    return Figure(value=None, unit=goal.unit, goal=str(goal), baseline=None, ok=False, reason=reason)


def _rounded(value: float) -> float:
    """Four digits: no run repeats more than two."""
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)

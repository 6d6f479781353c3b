"""What a run and each role of it may spend: counted here, noted before the end, and ended with a named stop."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from andon.guardrails.prices import cost_of
from andon.guardrails.repeats import Repeats, answer_digest, call_digest
from andon.guardrails.stalls import Stalls
from andon.records.budget import Allowance, Limit, Price
from andon.records.calls import Decision, Role
from andon.records.errors import RunError
from andon.records.result import Usage
from andon.records.stops import StopCode

WIND_DOWN = Decimal("0.15")
"""The share of a limit that is left when a role is told so."""
LAST_CALLS = 2
"""So few calls left are told, however small their share."""

_UNITS: dict[Limit, str] = {
    "model_calls": "model calls",
    "tokens": "tokens",
    "cost": "US dollars",
    "minutes": "minutes",
    "tool_calls": "tool calls",
}
_BY_CALL: tuple[Limit, ...] = ("model_calls", "tool_calls")
# What is over its limit on tokens or money still may finish what its last answer asked for: that is paid for.
_ENDS_MODEL_CALLS: tuple[Limit, ...] = ("model_calls", "tokens", "cost", "minutes")
_ENDS_TOOL_CALLS: tuple[Limit, ...] = ("tool_calls", "minutes")


class Note(NamedTuple):
    """A limit that is nearly reached."""

    limit: str
    """Its key in the settings."""
    left: str
    """What is left, in the limit's unit."""
    text: str
    """One line for the model."""


@dataclass
class _Spent:
    model_calls: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    seconds: float = 0.0
    tool_calls: int = 0

    def add(self, usage: Usage) -> None:
        self.model_calls += usage.requests
        self.tokens += usage.input_tokens + usage.output_tokens
        self.cost += usage.cost or Decimal(0)

    def of(self, limit: Limit) -> Decimal:
        return Decimal(self.seconds) / 60 if limit == "minutes" else Decimal(getattr(self, limit))


@dataclass
class SavedBudget:
    """What a run has spent, for another process that goes on with it."""

    all: _Spent
    """Of all roles."""
    by_role: dict[Role, _Spent]
    """Of each role."""
    told: list[str]
    """The limits that the role at work was told of."""
    at_work: Role | None = None
    """The role that got the last answer."""


SAVED_BUDGET: TypeAdapter[SavedBudget] = TypeAdapter(SavedBudget)
"""Writes and reads it as JSON."""


class _Line(NamedTuple):
    """One limit and how far it is spent."""

    limit: Limit
    key: str
    whose: str
    spent: Decimal
    allowed: Decimal

    @property
    def left(self) -> Decimal:
        return max(self.allowed - self.spent, Decimal(0))

    @property
    def nearly(self) -> bool:
        few = self.limit in _BY_CALL and self.left <= LAST_CALLS
        # With nothing left no model reads it any more, save that without tool calls one can still hand over.
        return (few or self.left <= self.allowed * WIND_DOWN) and (self.left > 0 or self.limit == "tool_calls")


@dataclass
class Budget:
    """What one run has spent of its limits. It is told what happens and reads nothing itself but `clock`.

    Times are working times: they stand still between `pause` and `resume`.
    """

    run: Allowance
    """For all roles together."""
    roles: Mapping[Role, Allowance]
    """For each role on top of it; a role that is not named has no limits of its own."""
    clock: Callable[[], float]
    """Seconds from a fixed point, never backwards. Read by every method but `after_answer`, `priced` and `notes`."""
    prices: Mapping[Role, Price | None] = field(default_factory=dict)
    """What the model of each role costs; a role that is not named costs nothing that is known."""

    def __post_init__(self) -> None:
        self._all = _Spent()
        self._by_role: dict[Role, _Spent] = {}
        self._repeats = Repeats()
        self._stalls = Stalls()
        self._told: set[str] = set()
        self._at_work: Role | None = None
        self._began = self.clock()
        self._paused_at: float | None = None
        self._noted: list[list[Any]] = []

    def before_model_call(self, role: Role) -> None:
        """Let `role` ask its model once more.

        Raises:
            RunError: `budget-spent`; names the limit, what is spent and what is allowed.
        """
        self._check(role, _ENDS_MODEL_CALLS)

    def priced(self, role: Role, usage: Usage) -> Usage:
        """Return `usage` of the model of `role` with its cost, if that is known."""
        return usage.model_copy(update={"cost": cost_of(usage, self.prices.get(role))})

    def after_answer(self, role: Role, usage: Usage) -> None:
        """Count an answer that `role` got; `usage` is priced."""
        if role != self._at_work:
            # A role begins from its packet, and has read no note yet.
            self._at_work = role
            self._told.clear()
            self._stalls.begin(role)
        self._all.add(usage)
        self._of(role).add(usage)

    def so_far(self, usage: Usage) -> dict[str, Any]:
        """Return what the run has spent with an answer that is not counted yet, as JSON; `usage` is priced."""
        spent, cost = replace(self._all), usage.cost
        spent.add(usage)
        known = None if cost is None else f"{spent.cost:f}"
        return {"model_calls": spent.model_calls, "tokens": spent.tokens, "cost": known}

    def before_tool_call(self, role: Role, tool: str, arguments: Any, *, state: str) -> Decision | None:
        """Count a tool call; return a refusal if it goes in circles, else None.

        `state` is how the workspace stands before it, as in `Repeats.judge`.

        Raises:
            RunError: `budget-spent`, or `stuck` for a role that repeats what was refused as a repeat, or was told
                that its work stands still and did not get on.
        """
        self._check(role, _ENDS_TOOL_CALLS)
        self._stalls.check(role, tool)
        call, turn = call_digest(tool, arguments), self._of(role).model_calls
        self._noted.append([role, tool, call, state, turn])
        self._count_tool_call(role)
        return self._repeats.judge_call(role, tool, call, state=state, turn=turn)

    def after_tool_call(
        self, role: Role, tool: str, arguments: Any, answer: str, *, state: str, failure: str = ""
    ) -> None:
        """Note how a call that `before_tool_call` let pass was answered, and how the workspace stands after it.

        `failure` is what `stalls.failure_of` says of the answer.
        """
        call, said, turn = call_digest(tool, arguments), answer_digest(answer), self._of(role).model_calls
        failed = answer_digest(failure) if failure else ""
        self._noted.append([role, call, said, state, failed, turn])
        self._made(role, call, said, state, failed, turn)

    def nudges(self, role: Role) -> list[str]:
        """Return what `role` has to be told of work that stands still, a line each; each once since its packet."""
        return self._stalls.nudges(role)

    def notes(self, role: Role) -> list[Note]:
        """Return what `role` has to know of limits that are nearly reached; each once while it works."""
        due = [line for line in self._lines(role) if line.nearly and line.key not in self._told]
        self._told.update(line.key for line in due)
        return [_note(line) for line in due]

    def take(self) -> dict[str, Any]:
        """Return what tool calls and clock have counted since the last time, as JSON, for `give`."""
        noted, self._noted = self._noted, []
        seconds = {role: spent.seconds for role, spent in self._by_role.items()}
        return {"seconds": self._worked(), "roles": seconds, "told": sorted(self._told), "calls": noted}

    def give(self, taken: Mapping[str, Any]) -> None:
        """Count again what `take` returned in the process that went before; its time is not counted twice."""
        for one in taken["calls"]:
            if len(one) == 5:
                role, tool, call, state, turn = one
                self._count_tool_call(role)
                self._repeats.judge_call(role, tool, call, state=state, turn=turn)
            elif len(one) == 6:
                self._made(*one)
                # The step it is of has told the role.
                self._stalls.nudges(one[0])
            else:
                # Kept by a version that knew repeats only.
                role, call, said, state = one
                self._repeats.made_call(role, call, said, state=state)
        for role, seconds in taken["roles"].items():
            self._of(role).seconds = seconds
        self._told = set(taken["told"])
        self._set_worked(taken["seconds"])

    def saved(self) -> SavedBudget:
        """Return what is spent. What was called again and again is not in it: a person has looked since."""
        self._all.seconds = self._worked()
        return SavedBudget(self._all, dict(self._by_role), sorted(self._told), self._at_work)

    def restore(self, saved: SavedBudget) -> None:
        """Go on from what `saved` returned."""
        self._all, self._by_role = saved.all, dict(saved.by_role)
        self._told, self._at_work = set(saved.told), saved.at_work
        self._set_worked(saved.all.seconds)

    @contextmanager
    def working(self, role: Role) -> Iterator[None]:
        """Count the time in which `role` has its model asked or a tool work for it."""
        began = self._worked()
        try:
            yield
        finally:
            self._all.seconds = self._worked()
            self._of(role).seconds += self._all.seconds - began

    def pause(self) -> None:
        """Stop the clock of the run: a person is asked. Twice is the same as once."""
        if self._paused_at is None:
            self._paused_at = self.clock()

    def resume(self) -> None:
        """Let the clock of the run go on; without a pause this does nothing."""
        if self._paused_at is not None:
            self._began += self.clock() - self._paused_at
            self._paused_at = None

    def _made(self, role: Role, call: str, said: str, state: str, failed: str, turn: int) -> None:
        self._repeats.made_call(role, call, said, state=state)
        self._stalls.made(role, call, said, failure=failed, state=state, turn=turn)

    def _count_tool_call(self, role: Role) -> None:
        self._all.tool_calls += 1
        self._of(role).tool_calls += 1

    def _set_worked(self, seconds: float) -> None:
        self._began = (self.clock() if self._paused_at is None else self._paused_at) - seconds

    def _worked(self) -> float:
        return (self.clock() if self._paused_at is None else self._paused_at) - self._began

    def _of(self, role: Role) -> _Spent:
        return self._by_role.setdefault(role, _Spent())

    def _check(self, role: Role, limits: tuple[Limit, ...]) -> None:
        self._all.seconds = self._worked()
        for line in self._lines(role):
            if line.limit in limits and line.spent >= line.allowed:
                raise RunError(StopCode.BUDGET_SPENT, _spent(line))

    def _lines(self, role: Role) -> Iterator[_Line]:
        own = self.roles.get(role, Allowance())
        for whose, prefix, allowance, spent in (
            ("run", "limits", self.run, self._all),
            (role, f"limits.{role}", own, self._of(role)),
        ):
            for limit in _UNITS:
                allowed = getattr(allowance, limit)
                if allowed is not None:
                    yield _Line(limit, f"{prefix}.{limit}", whose, spent.of(limit), Decimal(allowed))


def _spent(line: _Line) -> str:
    spent, allowed = _shown(line.limit, line.spent), _shown(line.limit, line.allowed)
    return f"{line.key}: {spent} of {allowed} {_UNITS[line.limit]} of the {line.whose} are spent."


def _note(line: _Line) -> Note:
    left, allowed = _shown(line.limit, line.left), _shown(line.limit, line.allowed)
    text = f"andon: {left} {_UNITS[line.limit]} left of {allowed} ({line.key}): finish what stands and hand over"
    return Note(line.key, left, text)


def _shown(limit: Limit, amount: Decimal) -> str:
    if limit == "minutes":
        return f"{float(amount):.4g}" if amount < 1000 else f"{amount:.0f}"
    return f"{amount:f}" if limit == "cost" else f"{amount:,}"

"""The steps of one phase: kept when they end, and given back as they were kept when the phase is begun again.

A step is told by its name and key. Its place among the steps of its phase is kept with it: what the journal has from an
attempt that went another way is not believed.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from andon.guardrails.redact import redacted_values, without_secrets
from andon.line.db.rows import Fenced
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.stops import StopCode

T = TypeVar("T")
Keep = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Stores a step's name and entry; returns once it is safe from a crash."""


class Notes(Protocol):
    """What steps change beside their value, such as what was spent: kept with a step and given back with it."""

    def take(self) -> Any:
        """Return the state after a step that has just run; JSON."""
        ...

    def give(self, noted: Any) -> None:
        """Take the state over which `take` returned after a step that does not run again."""
        ...


@dataclass(frozen=True)
class Kept:
    """A step that has ended, as the journal has it."""

    at: int
    """Its place among the steps that ran one after another, from 1."""
    inside: bool
    """It began while the step at that place ran; several such steps have the same place."""
    value: Any
    noted: Any = None

    def entry(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"at": self.at, "inside": self.inside, "value": self.value, "noted": self.noted}


class Journal:
    """What is kept of a phase, and which of it still counts."""

    def __init__(self, kept: Iterable[tuple[str, Kept]]) -> None:
        """`kept` are the entries of all attempts, the oldest first."""
        self._steps: dict[str, Kept] = {}
        self._at: dict[int, str] = {}
        for step, one in kept:
            if not one.inside:
                self.forget_from(one.at)
                self._at[one.at] = step
            self._steps[step] = one

    def __contains__(self, step: str) -> bool:
        return step in self._steps

    def __bool__(self) -> bool:
        return bool(self._steps)

    def forget_from(self, at: int) -> None:
        """Forget what stood at this place or later: the step that stands there now has just ended, with another end."""
        gone = [step for step, one in self._steps.items() if one.at > at or (one.at == at and not one.inside)]
        for step in gone:
            self._at.pop(self._steps.pop(step).at, None)

    def after(self, at: int) -> bool:
        """Say whether a step at a later place is kept."""
        return any(place > at for place in self._at)

    def step_at(self, at: int) -> str | None:
        """Return the step kept at a place."""
        return self._at.get(at)

    def take(self, step: str) -> Kept | None:
        """Return what is kept of a step; it is not asked for again."""
        one = self._steps.pop(step, None)
        if one is not None and not one.inside:
            self._at.pop(one.at, None)
        return one

    def place_of(self, step: str) -> int | None:
        """Return the place of a step that is kept and was alone."""
        one = self._steps.get(step)
        return None if one is None or one.inside else one.at


class JournalledSteps:
    """Steps that outlive their process: what has ended never runs again. Errors and cancelled steps are not kept."""

    def __init__(self, journal: Journal, keep: Keep, *, again: bool) -> None:
        """`again`: an earlier attempt at the phase was begun and did not reach its end."""
        self._journal = journal
        self._keep = keep
        self._again = again
        self._begun: Collection[str] = ()
        self._events: Events | None = None
        self._notes: Notes | None = None
        self._flush: Callable[[], Awaitable[None]] | None = None
        self._seen: set[str] = set()
        self._place = 0
        self._open = 0
        self._sealed = False
        self._lost: Fenced | None = None

    def attach(
        self,
        events: Events,
        notes: Notes | None = None,
        begun: Collection[str] = (),
        flush: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Report steps to `events` and keep `notes` with them; before the first step.

        `begun` are the steps, as `name:key`, that are known to have begun before. `flush` returns once what was
        reported is stored; it is called where nothing else says that a step has begun.
        """
        self._events = events
        self._notes = notes
        self._begun = begun
        self._flush = flush

    @property
    def keep(self) -> Keep:
        """What steps are kept with, for those that were made before there was a journal."""
        return self._keep

    @property
    def blank(self) -> bool:
        """True if nothing was kept of the phase before."""
        return not self._journal

    def seal(self) -> None:
        """Keep nothing from here on: the phase ends on an error, and what it does now is not part of its way.

        A step that raises a `RunError` or is cancelled does this by itself.
        """
        self._sealed = True

    def recorded(self, name: str, key: str) -> bool:
        """Say whether the step would not run now, because it has ended before."""
        return not self._sealed and f"{name}:{key}" in self._journal

    @property
    def replaying(self) -> bool:
        """True while the next step to come has ended before."""
        return not self._sealed and self._journal.step_at(self._place + 1) is not None

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        """Run one step and keep its value, or return the value it had; either way as it was stored, without secrets.

        `of` is the type of the value, for pydantic. A step that runs is reported when it begins (`again`: true if an
        earlier attempt had begun it, as far as one can tell) and when it has ended and is kept; one that does not is
        not.

        Raises:
            Fenced: another process has taken the phase over; nothing was kept, and no further step begins.
            RunError: `internal` if the step is begun twice, comes where another step is kept, or returns what is not
                of its type; `database-gone` or `disk-failed` if it could not be kept.
        """
        if self._lost is not None:
            raise self._lost
        step = f"{name}:{key}"
        if step in self._seen:
            raise RunError(StopCode.INTERNAL, f"step {name!r} with key {key!r} was begun twice in one phase")
        self._seen.add(step)
        if self._sealed:
            return await self._unkept(name, key, run, of)
        self._check_order(step)
        kept = self._journal.take(step)
        if kept is None:
            return await self._live(step, name, key, run, of)
        if not kept.inside:
            self._place = max(self._place, kept.at)
        if self._notes is not None:
            self._notes.give(kept.noted)
        return _value(step, kept.value, of)  # type: ignore[no-any-return]

    def _check_order(self, step: str) -> None:
        if self._open:
            return
        place = self._journal.place_of(step)
        if place == self._place + 1 or (place is None and step in self._journal):
            return
        other = self._journal.step_at(self._place + 1)
        if place is None and other is None:
            return
        came = f"came where {other!r} had run" if other else f"came as number {self._place + 1}, and had been {place}"
        raise RunError(StopCode.INTERNAL, f"the phase went another way than before: step {step!r} {came}")

    async def _live(self, step: str, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any) -> T:
        inside = self._open > 0
        if not inside:
            self._place += 1
        at = self._place
        self._emit("step.started", name, key, **({"again": True} if self._again or step in self._begun else {}))
        outcome = "failed"
        self._open += 1
        try:
            stored = _stored(step, await run(), of)
            value = _value(step, stored, of)
            # As they are: among them are files of the workspace, which a changed letter would make others.
            noted = None if self._notes is None else self._notes.take()
            if not self._sealed:
                await self._keep(step, Kept(at, inside, stored, noted).entry())
            if not inside:
                self._journal.forget_from(at)
            outcome = "done"
        except (RunError, asyncio.CancelledError):
            self._sealed = True
            raise
        except Fenced as error:
            self._lost = error
            raise
        finally:
            self._open -= 1
            if not inside:
                self._again = self._again and self._journal.after(at)
            self._emit("step.ended", name, key, outcome=outcome)
        return value  # type: ignore[no-any-return]

    async def _unkept(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any) -> T:
        step = f"{name}:{key}"
        self._emit("step.started", name, key)
        outcome = "failed"
        try:
            value = _value(step, _stored(step, await run(), of), of)
            outcome = "done"
        finally:
            self._emit("step.ended", name, key, outcome=outcome)
        return value  # type: ignore[no-any-return]

    def _emit(self, kind: Any, name: str, key: str, **facts: Any) -> None:
        if self._events is not None:
            self._events.emit(kind, name=name, key=key, **facts)


@lru_cache(maxsize=256)
def _adapter(of: Any) -> TypeAdapter[Any]:
    return TypeAdapter(of)


def _stored(step: str, value: Any, of: Any) -> Any:
    try:
        plain = _adapter(of).dump_python(value, mode="json", warnings="error")
        return redacted_values(plain, _clean, getattr(of, "OPAQUE", frozenset()))
    except ValueError as error:  # of pydantic, which calls it by several names
        raise RunError(StopCode.INTERNAL, f"what step {step!r} returned cannot be kept: {error}") from error


def _clean(text: str) -> str:
    # A provider that cuts its text anywhere sends half of a pair, which no database takes.
    whole = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return without_secrets(whole)


def _value(step: str, stored: Any, of: Any) -> Any:
    try:
        # As JSON, where pydantic takes a list for a tuple and text for an enum, also in strict records.
        return _adapter(of).validate_json(json.dumps(stored))
    except ValidationError as error:
        raise RunError(StopCode.INTERNAL, f"what is kept of step {step!r} is not of its type: {error}") from error

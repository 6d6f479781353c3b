"""Where a run's effects, costs and waits go through, so that a durable engine can be put underneath."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.stops import StopCode

T = TypeVar("T")


@dataclass(frozen=True)
class Gate:
    """A question only a person answers, and the stop that stands while nobody has."""

    name: str
    """Unique in the run."""
    question: str
    """What the person decides, in a sentence, made from records."""
    parked: StopCode
    """How the run ends when there is nobody to ask."""


Ask = Callable[[Gate], Awaitable[bool]]


class InProcessEngine:
    """Runs every step once, in this process, and remembers nothing after it.

    A step's identity is its name and key; the body of a run must give the same sequence of identities every time.
    """

    def __init__(self, events: Events, ask: Ask | None = None) -> None:
        """`ask` puts a gate to a person and says whether they agreed; without it every gate parks the run."""
        self._events = events
        self._ask = ask
        self._seen: set[tuple[str, str]] = set()

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]]) -> T:
        """Run one step and report when it began and how it ended.

        Raises:
            RunError: `internal` if the same step is begun twice: a durable engine could not tell the two apart.
        """
        if (name, key) in self._seen:
            raise RunError(StopCode.INTERNAL, f"step {name!r} with key {key!r} was begun twice in one run")
        self._seen.add((name, key))
        self._events.emit("step.started", name=name, key=key)
        outcome = "failed"
        try:
            result = await run()
            outcome = "done"
            return result
        finally:
            self._events.emit("step.ended", name=name, key=key, outcome=outcome)

    async def wait(self, gate: Gate) -> None:
        """Return once a person agreed.

        Raises:
            RunError: with the gate's stop code if nobody can be asked here, or the person said no.
        """
        self._events.emit("phase", name="waiting", gate=gate.name, question=gate.question)
        if self._ask is None:
            raise RunError(gate.parked, gate.question)
        if not await self._ask(gate):
            raise RunError(gate.parked, f"A person said no: {gate.question}")

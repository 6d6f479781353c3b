"""Where a run's effects, costs and waits go through; `engine.py` keeps the steps of a run that outlives its process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.parked import Parked
from andon.records.ports import Steps
from andon.records.stops import StopCode

T = TypeVar("T")


@dataclass(frozen=True)
class Gate:
    """A question only a person answers, and the stop that stands while nobody has."""

    name: str
    """Unique in the run."""
    subject: Literal["plan", "tool", "effect", "evidence", "question"]
    """What is asked about."""
    question: str
    """What the person decides, in a sentence, made from records."""
    parked: StopCode
    """How the run ends when there is nobody to ask, or when nothing but yes lets it go on."""
    rule: str = ""
    """Which rules ask; empty where none does."""
    shown: str = ""
    """What the person should read before answering, made from facts."""
    kind: str = ""
    """What `kind` would allow for the rest of the run, in words; empty: it cannot be answered so."""
    editable: str = ""
    """A JSON document the person may change instead of agreeing to it; empty: nothing can be edited."""


@dataclass(frozen=True)
class Answer:
    """What a person said at a gate."""

    kind: Literal["yes", "kind", "no", "edit", "stop"]
    """`kind`: yes, and to all of the same kind in this run."""
    text: str = ""
    """With `no` the reason, with `edit` the changed document."""


Ask = Callable[[Gate], Awaitable[Answer]]


class Engine(Steps, Protocol):
    """Steps, and waits for a person."""

    async def begin(self) -> None:
        """Find out whether somebody can be asked, before the first step."""
        ...

    parks: bool
    """Whether a run that waits for a person is kept and gone on with; without it the wait is its end."""

    @property
    def someone_there(self) -> bool:
        """True if a person can be asked at a gate."""
        ...

    async def wait(self, gate: Gate) -> Answer:
        """Return what a person answered; see `InProcessEngine.wait`."""
        ...


class InProcessEngine:
    """Runs every step once, in this process, and remembers nothing after it.

    A step's identity is its name and key; the body of a run must give the same sequence of identities every time.
    """

    parks = False

    def __init__(self, events: Events, ask: Ask | None = None) -> None:
        """`ask` puts a gate to a person and returns the answer; without it every gate parks the run."""
        self._events = events
        self._ask = ask
        self._seen: set[tuple[str, str]] = set()

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
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

    def recorded(self, name: str, key: str) -> bool:
        """Nothing is stored."""
        return False

    @property
    def replaying(self) -> bool:
        """Nothing is stored."""
        return False

    async def begin(self) -> None:
        """There is nothing to find out."""

    @property
    def someone_there(self) -> bool:
        """True if a person can be asked at a gate."""
        return self._ask is not None

    async def wait(self, gate: Gate) -> Answer:
        """Return what a person answered: anything but `stop`.

        Raises:
            Parked: with the gate's stop code if nobody can be asked here.
            RunError: `interrupted` if the person stops the run.
        """
        facts = {"gate": gate.name, "subject": gate.subject, "rule": gate.rule, "question": gate.question}
        self._events.emit("phase", name="waiting", **facts)
        if self._ask is None:
            raise Parked(gate.parked, gate.question, gate)
        answer = await self._ask(gate)
        self._events.emit("gate.answered", gate=gate.name, answer=answer.kind)
        if answer.kind == "stop":
            raise RunError(StopCode.INTERRUPTED, f"A person stopped the run at the question: {gate.question}")
        return answer

"""The engine of one phase of a run that outlives its process: steps in a journal, answers from a table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from andon.line.db.approvals import answer_to_keep
from andon.line.durable.table_log import TableLog
from andon.line.steps import Answer, Ask, Gate
from andon.records.errors import RunError
from andon.records.parked import Parked
from andon.records.ports import Steps
from andon.records.stops import StopCode

T = TypeVar("T")

Answered = Mapping[str, tuple[Gate, Answer]]
"""What was asked at a gate and what a person said, by the name of the gate."""


class PhaseEngine:
    """Implements `line.steps.Engine` over a journal. A wait that nobody here can answer parks the run."""

    parks = True

    def __init__(self, journal: Steps, events: TableLog, answered: Answered, ask: Ask | None = None) -> None:
        """`ask` puts a gate to the person at this terminal; `answered` is what people said before this phase."""
        self._journal = journal
        self._events = events
        self._answered = answered
        self._ask = ask
        self.attended = ask is not None
        """Whether the phase was begun where somebody could be asked: the same in every attempt at it."""

    async def begin(self) -> None:
        """See `Engine.begin`."""

        async def attended() -> bool:
            return self._ask is not None

        self.attended = await self.step("attended", "", attended, bool)

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        """See `Steps.step`. What is told inside is kept with the result: see `TableLog.told_inside`."""
        self._events.boundary()

        async def whole() -> T:
            with self._events.aside():
                return await run()

        return await self._journal.step(name, key, whole, of)

    def recorded(self, name: str, key: str) -> bool:
        """See `Steps.recorded`."""
        return self._journal.recorded(name, key)

    @property
    def replaying(self) -> bool:
        """See `Steps.replaying`."""
        return self._journal.replaying

    @property
    def someone_there(self) -> bool:
        """See `attended`."""
        return self.attended

    async def wait(self, gate: Gate) -> Answer:
        """Return what a person answered: from the table if exactly this was asked, else asked here.

        Raises:
            Parked: nobody can be asked here.
            RunError: `interrupted` if the person stops the run.
        """
        while gate.name in self._answered and self._answered[gate.name][0] != gate:
            # Policy or workspace are others by now: what was said was said about something else.
            gate = replace(gate, name=f"{gate.name}-again")
        _, answer = self._answered.get(gate.name, (gate, None))
        facts = {"gate": gate.name, "subject": gate.subject, "rule": gate.rule, "question": gate.question}
        self._events.emit("phase", name="waiting", **facts)
        if answer is None or answer.kind == "stop":
            answer = await self._asked(gate, answer)
        if answer.kind == "stop":
            # As journals have it that an older andon wrote.
            raise self._stopped(gate)
        self._events.emit("gate.answered", gate=gate.name, answer=answer.kind)
        return answer

    async def _asked(self, gate: Gate, stop: Answer | None) -> Answer:
        """Ask here, unless a person has said `stop` before."""
        ask = self._ask
        if stop is None and ask is None and not self.recorded("answer", gate.name):
            raise Parked(gate.parked, gate.question, gate)

        async def put() -> Answer:
            answer = stop
            if answer is None:
                if ask is None:
                    raise RunError(StopCode.INTERNAL, f"the answer at {gate.name} was stored and is not any more")
                answer = answer_to_keep(await ask(gate))
            if answer.kind == "stop":
                # An error is not kept: a run that is resumed comes to its question again.
                raise self._stopped(gate)
            return answer

        return await self.step("answer", gate.name, put, Answer)

    def _stopped(self, gate: Gate) -> RunError:
        # Told as part of this end: what is answered when the run is resumed is told at the same place.
        self._events.conclude()
        self._events.emit("gate.answered", gate=gate.name, answer="stop")
        return RunError(StopCode.INTERRUPTED, f"A person stopped the run at the question: {gate.question}")

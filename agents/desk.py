"""The desk: where the payloads of the roles change hands, and the line does its part in between."""

from collections.abc import Mapping
from typing import Any, Protocol

from andon.agents.replies import Repairable, Start, Told, Waits
from andon.agents.step_model import StepModel
from andon.agents.verdict import FINISH, HAND_BACK, ChangesReview, FinalReview, check_changes, check_final
from andon.records.base import Record
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.review import Review
from andon.records.stops import StopCode

TO_EXECUTOR = "transfer_to_executor"
TO_REVIEWER = "transfer_to_reviewer"
ENDINGS: dict[Role, tuple[str, ...]] = {
    "planner": (TO_EXECUTOR,),
    "executor": (TO_REVIEWER,),
    "reviewer": (HAND_BACK, FINISH),
}
"""The calls a role may end its work with."""
REFUSALS = 3
"""So many refusals of the same ending, with none accepted between, end the run."""


class LaneSteps(Protocol):
    """What the line does between the roles, and what people are asked between turns.

    The first four may raise `Repairable`, which goes back to the role that called. All may raise RunError, which ends
    the run.
    """

    @property
    def waits(self) -> bool:
        """True if a person has to answer before the next turn."""
        ...

    async def answered(self) -> Start | Told:
        """Ask the person what has to be answered, and return how the work goes on.

        Raises:
            Parked: nobody can be asked here; the same question is asked again where the run goes on.
        """
        ...

    async def allows(self, role: Role, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Ask a person for one call; return None if it may be made, else what the role is told.

        Raises:
            Parked: as `answered`.
        """
        ...

    async def plan_ready(self, plan: PlanPayload) -> str:
        """Keep the plan; return the executor's packet.

        Raises:
            Waits: a person reads the plan first; `answered` says how it goes on.
        """
        ...

    async def change_ready(self, report: ChangeReport) -> str:
        """Take the tree and run the checks; return the reviewer's packet."""
        ...

    async def changes_wanted(self, review: Review) -> str:
        """Keep the review with the verdict `changes`; return the executor's repair packet."""
        ...

    async def review_finished(self, review: Review) -> None:
        """Keep the review with the verdict `pass` or `fail`."""
        ...


class Voices(Protocol):
    """What people say to the agents while they work. `turn` numbers the answers of models in the run."""

    async def said(self, turn: int) -> bool:
        """Say whether there is something to read after this turn."""
        ...

    async def heard(self, turn: int, role: Role) -> str:
        """Return what is to be read after this turn, for the role that goes on; empty for nothing.

        Raises:
            RunError: it cannot be kept.
        """
        ...


class DeskNotes(Record):
    """What a desk has counted and taken."""

    nudged: bool
    """True if the role at work was already asked for a call since its packet."""
    refusals: dict[str, int]
    """How often in a row the call of which ending was refused."""
    review: Review | None
    """The review that ends the run, once it is accepted."""


class Desk:
    """Where payloads change hands: passes them to the line, counts refusals, and keeps the final review."""

    def __init__(
        self, steps: LaneSteps, models: Mapping[Role, StepModel], events: Events, voices: Voices | None = None
    ) -> None:
        self.models = models
        self.review: Review | None = None
        self.nudged = False
        self._steps = steps
        self._events = events
        self._refusals: dict[str, int] = {}
        self._voices = voices
        self._closed_in = 0

    @property
    def turn(self) -> int:
        """How many answers were asked for in the run."""
        return sum(model.calls for model in self.models.values())

    async def called(self) -> bool:
        """Say whether a person has said something to read after this turn; in one that hands over it comes too late."""
        if self._voices is None or self._closed_in == self.turn:
            return False
        # A handover may have begun meanwhile: then whoever receives it reads this after a turn of its own.
        return await self._voices.said(self.turn) and self._closed_in != self.turn

    async def heard(self, role: Role) -> str:
        """Return what people have said to `role`, which goes on after this turn; empty for nothing."""
        return await self._voices.heard(self.turn, role) if self._voices else ""

    async def plan(self, plan: PlanPayload) -> str:
        """Pass on the plan; return the executor's packet."""
        await self._not_called()
        packet = await self._steps.plan_ready(plan)
        self.plan_taken()
        return packet

    def plan_taken(self) -> None:
        """Note that the executor has the plan."""
        self._moved("planner", "executor", TO_EXECUTOR)

    async def change(self, report: ChangeReport) -> str:
        """Pass on the report; return the reviewer's packet."""
        await self._not_called()
        packet = await self._steps.change_ready(report)
        self._moved("executor", "reviewer", TO_REVIEWER)
        return packet

    async def changes(self, given: ChangesReview) -> str:
        """Pass on a review that sends work back; return the executor's packet."""
        review = Review(**given.model_dump())
        self._one_ending()
        check_changes(review)
        await self._not_called()
        packet = await self._steps.changes_wanted(review)
        self._moved("reviewer", "executor", HAND_BACK)
        return packet

    async def final(self, given: FinalReview) -> str:
        """Pass on a review that ends the run, and keep it."""
        review = Review(**given.model_dump())
        self._one_ending()
        check_final(review)
        await self._not_called()
        await self._steps.review_finished(review)
        self.review = review
        return "The review is accepted."

    def refused(self, role: Role, tool: str, problem: str) -> None:
        """Count a refused ending.

        Raises:
            RunError: `model-misbehaved` at the third in a row.
        """
        self._events.emit("handoff.refused", role=role, tool=tool, reason=problem)
        self._refusals[tool] = self._refusals.get(tool, 0) + 1
        if self._refusals[tool] >= REFUSALS:
            raise RunError(
                StopCode.MODEL_MISBEHAVED,
                f"The {role}'s call of {tool} was refused {REFUSALS} times; audit.jsonl says why.",
            )

    def nudge(self, role: Role, said: str) -> None:
        """Note that `role` answered with text, and is asked once to call a tool."""
        self.nudged = True
        tool = ENDINGS[role][0]
        reason = f"text where a tool call was due: {said!r}"
        self._events.emit("handoff.refused", role=role, tool=tool, reason=reason)

    def notes(self) -> DeskNotes:
        """Return what a desk has to know to go on for this one."""
        return DeskNotes(nudged=self.nudged, refusals=dict(self._refusals), review=self.review)

    def take_notes(self, notes: DeskNotes) -> None:
        """Go on for the desk that `notes` are of."""
        self.nudged, self._refusals, self.review = notes.nudged, dict(notes.refusals), notes.review

    def _moved(self, source: Role, target: Role, tool: str) -> None:
        self._refusals.clear()
        self.nudged = False
        self._closed_in = self.turn
        self._events.emit("handoff", source=source, target=target, tool=tool)
        self._events.emit("agent.started", role=target)

    async def _not_called(self) -> None:
        """Raise `Waits` if the sender has something to read before it hands over."""
        if await self.called():
            raise Waits("A person has said something: you read it next. Hand over when your work takes it in.")
        self._closed_in = self.turn

    def _one_ending(self) -> None:
        answer = self.models["reviewer"].answer
        called = [tool for tool in (answer.tools() if answer else []) if tool in ENDINGS["reviewer"]]
        if len(called) > 1:
            raise Repairable(f"Refused: one answer called {' and '.join(called)}. Call exactly one of them, once.")

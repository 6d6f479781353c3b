"""The desk: where the payloads of the roles change hands, and the line does its part in between."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from andon.agents.endings import HAND_BACK, PASS_ON, TO_EXECUTOR, TO_REVIEWER, agent_name, endings, role_of
from andon.agents.replies import Repairable, Start, Told, Waits
from andon.agents.specialists import PassedOn
from andon.agents.step_model import StepModel
from andon.agents.verdict import ChangesReview, FinalReview, check_changes, check_final
from andon.records.base import Record
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.review import Review, Specialist, SpecialistReview
from andon.records.stops import StopCode

REFUSALS = 3
"""So many refusals of the same ending, with none accepted between, end the run."""


class LaneSteps(Protocol):
    """What the line does between the roles, and what people are asked between turns.

    Those that take a payload may raise `Repairable`, which goes back to the role that called. All may raise RunError,
    which ends the run.
    """

    @property
    def waits(self) -> bool:
        """True if a person has to answer before the next turn."""
        ...

    @property
    def last_review(self) -> bool:
        """True if no review is left in which a repair could be judged; it stays so while a change is looked at."""
        ...

    @property
    def stands_against(self) -> list[str]:
        """The specialised reviewers that found what must be fixed in the change that is looked at."""
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
        """Take the tree and run the checks; return the packet of whoever looks at the change first."""
        ...

    async def specialist_says(self, review: SpecialistReview) -> str:
        """Keep what a specialised reviewer says; return the packet of whoever looks next."""
        ...

    async def changes_wanted(self, review: Review) -> str:
        """Keep the review with the verdict `changes` and what stands against the change; return the repair packet."""
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
        self,
        steps: LaneSteps,
        models: Mapping[Role, StepModel],
        events: Events,
        voices: Voices | None = None,
        reviewers: Sequence[Specialist] = (),
    ) -> None:
        """`reviewers` are the specialised ones that look at a change before the reviewer, in this order."""
        self.models = models
        self.reviewers = reviewers
        self.review: Review | None = None
        self.nudged = False
        self._steps = steps
        self._events = events
        self._refusals: dict[str, int] = {}
        self._voices = voices
        self._closed_in = 0

    @property
    def last_review(self) -> bool:
        """True if no review is left in which a repair could be judged."""
        return self._steps.last_review

    def looks_after(self, who: Specialist | None = None) -> str:
        """Return the name of the agent that looks at a change after `who`; None: who looks first."""
        at = 0 if who is None else self.reviewers.index(who) + 1
        return agent_name(self.reviewers[at]) if at < len(self.reviewers) else "reviewer"

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
        """Pass on the report; return the packet of whoever looks at the change first."""
        await self._not_called()
        packet = await self._steps.change_ready(report)
        self._moved("executor", self.looks_after(), TO_REVIEWER)
        return packet

    async def passed_on(self, who: Specialist, given: PassedOn) -> str:
        """Pass on what a specialised reviewer found; return the packet of whoever looks next."""
        self._one_ending(agent_name(who))
        await self._not_called()
        packet = await self._steps.specialist_says(SpecialistReview(who=who, **given.model_dump()))
        self._moved(agent_name(who), self.looks_after(who), PASS_ON)
        return packet

    async def changes(self, given: ChangesReview) -> str:
        """Pass on a review that sends work back; return the executor's packet."""
        review = Review(**given.model_dump())
        self._one_ending("reviewer")
        if not self._steps.stands_against:
            check_changes(review)
        await self._not_called()
        packet = await self._steps.changes_wanted(review)
        self._moved("reviewer", "executor", HAND_BACK)
        return packet

    async def final(self, given: FinalReview) -> str:
        """Pass on a review that ends the run, and keep it."""
        review = Review(**given.model_dump())
        self._one_ending("reviewer")
        check_final(review, self._steps.stands_against)
        await self._not_called()
        await self._steps.review_finished(review)
        self.review = review
        return "The review is accepted."

    def refused(self, name: str, tool: str, problem: str) -> None:
        """Count a refused ending of the agent of this name.

        Raises:
            RunError: `model-misbehaved` at the third in a row.
        """
        self._events.emit("handoff.refused", role=role_of(name), tool=tool, reason=problem)
        self._refusals[tool] = self._refusals.get(tool, 0) + 1
        if self._refusals[tool] >= REFUSALS:
            raise RunError(
                StopCode.MODEL_MISBEHAVED,
                f"The {name}'s call of {tool} was refused {REFUSALS} times; audit.jsonl says why.",
            )

    def endings(self, name: str) -> tuple[str, ...]:
        """Return the calls by which the agent of this name may end its work now."""
        return endings(name, last=self.last_review)

    def nudge(self, name: str, said: str) -> None:
        """Note that the agent of this name answered with text, and is asked once to call a tool."""
        self.nudged = True
        reason = f"text where a tool call was due: {said!r}"
        self._events.emit("handoff.refused", role=role_of(name), tool=self.endings(name)[0], reason=reason)

    def notes(self) -> DeskNotes:
        """Return what a desk has to know to go on for this one."""
        return DeskNotes(nudged=self.nudged, refusals=dict(self._refusals), review=self.review)

    def take_notes(self, notes: DeskNotes) -> None:
        """Go on for the desk that `notes` are of."""
        self.nudged, self._refusals, self.review = notes.nudged, dict(notes.refusals), notes.review

    def _moved(self, source: str, target: str, tool: str) -> None:
        self._refusals.clear()
        self.nudged = False
        self._closed_in = self.turn
        self._events.emit("handoff", source=source, target=target, tool=tool)
        role = role_of(target)
        self._events.emit("agent.started", role=role, **({} if target == role else {"agent": target}))

    async def _not_called(self) -> None:
        """Raise `Waits` if the sender has something to read before it hands over."""
        if await self.called():
            raise Waits("A person has said something: you read it next. Hand over when your work takes it in.")
        self._closed_in = self.turn

    def _one_ending(self, name: str) -> None:
        answer = self.models[role_of(name)].answer
        called = [tool for tool in (answer.tools() if answer else []) if tool in endings(name)]
        if len(called) > 1:
            raise Repairable(f"Refused: one answer called {' and '.join(called)}. Call exactly one of them, once.")

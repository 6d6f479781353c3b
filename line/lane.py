"""The middle of a run: what the line does at each handoff between planner, executor and reviewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from andon.agents.replies import Repairable, Start, Told, Waits
from andon.context.findings import misplaced
from andon.guardrails.judge import judge
from andon.guardrails.own_steps import AMEND_PLAN, judge_step
from andon.guardrails.scope import Scope
from andon.line.evidence.claims import red_evidence
from andon.line.final_tree import held_patch
from andon.line.lane_packets import looking_packet, plan_packet, repair_of
from andon.line.lane_trees import LaneTrees
from andon.line.planners_question import ask_planners
from andon.line.steps import Gate
from andon.mcp_servers.settled import Held
from andon.records.base import Record
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import RunError
from andon.records.plan import AmendPlan, AskPerson, ChangeReport, Plan, PlanPayload
from andon.records.review import Finding, Review, SpecialistReview, with_must_fix
from andon.records.stops import StopCode
from andon.sandbox.tree_out import TakenTree

_REFUSALS = 3
"""Handing over a tree that policy refuses this often ends the run: the model does not undo it."""
_READ_BYTES = 1_000_000


@dataclass(kw_only=True)
class Lane(LaneTrees):
    """One run between its handoffs. Implements `agents.lane.LaneSteps`."""

    async def plan_ready(self, payload: PlanPayload) -> str:
        """Keep the plan and return the executor's packet."""
        self._check_step("transfer_to_executor", payload, "planner")
        task = self.job.task
        if task.acceptance_criteria and payload.acceptance_criteria != task.acceptance_criteria:
            raise Repairable("acceptance_criteria must be the task's, word for word and in order; add nothing")
        if self._plan_is_asked:
            self.unapproved = payload
            raise Waits("A person reads this plan; the line goes on with the answer.")
        return self._plan_kept(payload)

    def _plan_kept(self, payload: PlanPayload) -> str:
        task = self.job.task
        self.plan = Plan(
            **payload.model_dump(),
            task_id=task.id,
            branch=self.job.branch,
            criteria_proposed=not task.acceptance_criteria,
        )
        self.effects.scope = Scope.of(self.plan, set(self.job.files.paths))
        self.folder.write("plan.json", self.plan.model_dump_json(indent=2) + "\n")
        return plan_packet(self, self.plan)

    @property
    def _plan_is_asked(self) -> bool:
        when = self.job.settings.approvals.plan
        return when == "always" or (when == "attended" and self.engine.someone_there)

    @property
    def waits(self) -> bool:
        """True if a person has to answer before the next turn."""
        return self.unapproved is not None or bool(self.held) or bool(self.question)

    async def answered(self) -> Start | Told:
        """Ask what has to be answered, and return how the work goes on."""
        if self.question:
            return Told(await ask_planners(self))
        if self.unapproved is not None:
            return await self._plan_answered(self.unapproved)
        while self.held:
            # Only what was answered is put away: a run that waits here for days asks the rest again.
            together = [each for each in self.held if each.rules == self.held[0].rules]
            self.told.append(await self.asks.effects(together, self.effects))
            self.held = [each for each in self.held if each not in together]
        told, self.told = "\n".join(self.told), []
        return Told(told)

    async def allows(self, role: Role, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Ask a person for one call; return None if it may be made, else what the role is told."""
        call = ToolCall(tool=tool, arguments=dict(arguments), role=role)
        return await self.asks.call(call, self._verdict, self._text_of)

    async def amend(self, amendment: AmendPlan, _: object) -> str:
        """Add to the plan what was judged and allowed."""
        return self.amendments.grant(amendment)

    async def ask_person(self, asked: AskPerson, _: object) -> str:
        """Keep the planner's question for a person, who is asked after this turn."""
        self.question = asked.question
        return "A person is asked; you read the answer next."

    def hold(self, held: Sequence[Held]) -> str:
        """Keep changes that were undone until a person is asked, after this turn; return what the model is told."""
        if not self.asks.granted.parks:
            return "Nobody can be asked here: do without it, or report it under not_done."
        # Of one path the last change counts: it is what the call before it would have become.
        kept = {each.raw: each for each in (*self.held, *held)}
        self.held = list(kept.values())
        self.folder.write("held.patch", held_patch(self.store, self.base_tree, self.held))
        return "A person is asked now; you read the answer next."

    async def _verdict(self, call: ToolCall) -> Decision:
        if call.tool == AMEND_PLAN:
            return self.amendments.judge(call.arguments)
        return await judge(call, self.policy, self.sandbox.resolve)

    async def _text_of(self, path: str) -> str | None:
        try:
            return (await self.sandbox.read(path, limit=_READ_BYTES)).decode()
        except (OSError, UnicodeDecodeError):
            return None

    async def _plan_answered(self, payload: PlanPayload) -> Start | Told:
        document = payload.model_dump_json(indent=2)
        gate = Gate(
            f"plan-{self.counts.plans + 1}",
            "plan",
            "Go on with this plan?",
            StopCode.NEEDS_PERSON,
            shown=document,
            editable=document,
        )
        answer = await self.engine.wait(gate)
        self.counts.plans, self.unapproved = self.counts.plans + 1, None
        if answer.kind == "no":
            why = answer.text or "no reason was given"
            return Told(f"A person refused this plan: {why}. Mend it and hand it over again.")
        chosen = PlanPayload.model_validate_json(answer.text) if answer.kind == "edit" else payload
        self.plan_approved = True
        return Start("executor", self._plan_kept(chosen))

    async def change_ready(self, report: ChangeReport) -> str:
        """Take the tree, check it in fresh sandboxes, and return the packet of whoever looks at the change first."""
        if self.held:
            raise Waits("A person is asked about a change first; hand over again after the answer.")
        self._check_step("transfer_to_reviewer", report, "executor")
        self.planned()
        self.report = report
        taken = await self.take()
        self._refuse_what_policy_closes(taken)
        if taken.tree == self.base_tree:
            self.counts.unchanged += 1
            if self.counts.unchanged == 2:
                raise RunError(StopCode.NOTHING_CHANGED, "The executor handed over twice without changing a file.")
            raise Repairable("no file differs from the base commit: make the change, then hand over")
        await self.check()
        self.folder.write("diff.patch", self.store.patch(self.base_tree, self.tree))
        self.under_review = True
        if self.job.reviewers:
            self.special.append([])
        return looking_packet(self, self.planned(), self.compared())

    async def specialist_says(self, review: SpecialistReview) -> str:
        """Keep what a specialised reviewer says; return the packet of whoever looks next."""
        self._check_step("pass_on", review, "reviewer")
        self._placed(review.must_fix)
        self.special[-1].append(review)
        self._tell(review, verdict="notes", who=review.who)
        return looking_packet(self, self.planned(), self.compared())

    async def changes_wanted(self, review: Review) -> str:
        """Keep a review that hands back, with what specialised reviewers found, and return the repair packet.

        Raises:
            RunError: `rounds-spent`.
        """
        self._check_step("hand_back", review, "reviewer")
        self._judged(with_must_fix(review, self.looked))
        self.reviewed = self.tree
        rounds = self.job.settings.limits.review_rounds
        if len(self.reviews) >= rounds:
            raise RunError(
                StopCode.ROUNDS_SPENT, f"The reviewer still wants changes after {rounds} rounds; review.md says which."
            )
        self.under_review = False
        return repair_of(self, self.planned(), self.compared(), self.reviews[-1])

    async def review_finished(self, review: Review) -> None:
        """Keep the review that ends the lane; one that passes by a test that is red goes back once."""
        self._check_step("finish_review", review, "reviewer")
        red = red_evidence(review, self.head) if review.verdict == "pass" else []
        self.counts.contradicted += bool(red)
        if self.counts.contradicted == 1 and red:
            raise Repairable(
                f"{'; '.join(red)}: name what shows the criterion, make it `not shown`, or hand the change back"
            )
        self._judged(review)
        if red:
            raise RunError(StopCode.NOT_SHOWN, f"The reviewer passes the change against the records: {'; '.join(red)}.")

    def _refuse_what_policy_closes(self, taken: TakenTree) -> None:
        reasons = [*taken.refused, *self.closed()]
        if not reasons:
            return
        self.counts.refused += 1
        text = "; ".join(reasons)
        if self.counts.refused == _REFUSALS:
            raise RunError(StopCode.POLICY_REFUSED, f"The change touches what is closed to agents: {text}")
        raise Repairable(f"this change cannot be delivered, undo these parts and hand over again: {text}")

    def _check_step(self, name: str, payload: Record, role: Role) -> None:
        """Raise `Repairable` if the judge refuses this step of an agent."""
        decision = judge_step(name, payload.model_dump(mode="json"), role, self.policy)
        if decision.verdict == "refuse":
            raise Repairable(f"refused ({decision.rule}): {decision.reason}")

    def _judged(self, review: Review) -> None:
        """Keep a review of the reviewer.

        Raises:
            Repairable: it does not judge each criterion once, or a finding is about a place that is not there.
        """
        plan = self.planned()
        numbers = sorted(verdict.number for verdict in review.criteria)
        wanted = list(range(1, len(plan.acceptance_criteria) + 1))
        if numbers != wanted:
            raise Repairable(f"criteria must name each criterion once: expected the numbers {wanted}, got {numbers}")
        self._placed(review.findings)
        self.reviews.append(review)
        self._tell(review, verdict=review.verdict)

    def _placed(self, findings: Sequence[Finding]) -> None:
        """Raise `Repairable` if a finding is about a place that is not there."""
        diff = self.store.diff(self.base_tree, self.tree)
        if wrong := misplaced(findings, diff, set(self.job.files.paths)):
            raise Repairable("; ".join(wrong))

    def _tell(self, review: Review | SpecialistReview, **more: str) -> None:
        findings = [finding.model_dump() for finding in review.findings]
        self.events.emit("review.given", summary=review.summary, findings=findings, **more)

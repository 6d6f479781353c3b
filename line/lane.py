"""The middle of a run: what the line does at each handoff between planner, executor and reviewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from andon.agents.replies import Repairable, Start, Told, Waits
from andon.context.findings import misplaced
from andon.context.near import Near, near_plan
from andon.context.packets import executor_packet, repair_packet, reviewer_packet
from andon.context.reader import Reader
from andon.guardrails.judge import Policy, judge
from andon.guardrails.output import clean_text
from andon.guardrails.own_steps import AMEND_PLAN, judge_step
from andon.guardrails.paths import is_hidden
from andon.guardrails.scope import Scope
from andon.line.amendments import Amendments
from andon.line.asks import Asks
from andon.line.coming_sandbox import ComingSandbox
from andon.line.evidence.checks import OpenSandbox, check_change
from andon.line.evidence.claims import red_evidence
from andon.line.final_tree import allowed_paths, closed_in_tree, held_patch
from andon.line.job import Job
from andon.line.lane_state import LaneState
from andon.line.log.effect_log import EffectLog
from andon.line.log.event_log import EventStream
from andon.line.plan_files import small_files
from andon.line.planners_question import ask_planners
from andon.line.run_folder import RunFolder
from andon.line.steering import Steering, with_said
from andon.line.steps import Engine, Gate
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.settled import Held
from andon.records.base import Record
from andon.records.calls import Decision, Role, ToolCall
from andon.records.checks import CheckRecord, Comparison, TestResult
from andon.records.errors import RunError
from andon.records.plan import AmendPlan, AskPerson, ChangeReport, Plan, PlanPayload
from andon.records.project import ProjectSetup
from andon.records.review import Review
from andon.records.stops import StopCode
from andon.sandbox.store import TreeStore
from andon.sandbox.tree_out import TakenTree, take_tree

_REFUSALS = 3
"""Handing over a tree that policy refuses this often ends the run: the model does not undo it."""


_READ_BYTES = 1_000_000

_MADE_AGAIN = (
    "andon: the workspace was made again from its files as they were before this call: processes, caches and ignored "
    "files are gone. A call that was running when it was lost was made again."
)


@dataclass(kw_only=True)
class Lane(LaneState):
    """One run between its handoffs. Implements `agents.lane.LaneSteps`."""

    job: Job
    store: TreeStore
    sandbox: ComingSandbox
    open_sandbox: OpenSandbox
    setup: ProjectSetup
    policy: Policy
    engine: Engine
    events: EventStream
    folder: RunFolder
    base_tree: str
    base: Sequence[CheckRecord]
    asks: Asks
    effects: EffectGate
    effect_log: EffectLog
    steering: Steering | None = None
    """Where people say something to the agents; None: nobody can."""
    stood: bool = False
    """True once the run had a workspace, in this process or before."""
    _news: str = ""

    def __post_init__(self) -> None:
        """Begin without amendments."""
        allowed = self.job.settings.limits.amended_paths
        self.amendments = Amendments(self.policy, allowed, self.events, lambda: self.effects.scope)

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
        files = small_files(self.plan, self.job.files)
        near = self._near(self.plan, tuple(files))
        packet = executor_packet(
            task, self.job.project, self.policy.protected, self.plan, self.setup, self.base, files, near
        )
        return with_said(packet, self.said)

    def _near(self, plan: Plan, shown: Sequence[str] = ()) -> Near:
        return near_plan(Reader(self.job.files, is_hidden, clean_text), self.job.task, plan, shown)

    def workspace(self) -> str:
        """Return the tree that a workspace begins from: the base, or what was settled in one that is gone."""
        if self.stood:
            self._news = _MADE_AGAIN
        changes = self.effects.overlay()
        return self.store.build(self.base_tree, changes) if changes else self.base_tree

    def news(self) -> str:
        """Return what the next call of a tool tells of the workspace, once."""
        news, self._news = self._news, ""
        return news

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
        """Take the tree, check it in fresh sandboxes, and return the reviewer's packet."""
        if self.held:
            raise Waits("A person is asked about a change first; hand over again after the answer.")
        self._check_step("transfer_to_reviewer", report, "executor")
        plan = self._planned()
        self.report = report
        taken = await self.take()
        self._refuse_what_policy_closes(taken)
        if taken.tree == self.base_tree:
            self.counts.unchanged += 1
            if self.counts.unchanged == 2:
                raise RunError(StopCode.NOTHING_CHANGED, "The executor handed over twice without changing a file.")
            raise Repairable("no file differs from the base commit: make the change, then hand over")
        comparison = await self.check()
        self.folder.write("diff.patch", self.store.patch(self.base_tree, self.tree))
        self.under_review = True
        packet = reviewer_packet(
            self.job.task,
            self.job.project,
            self.policy.protected,
            plan,
            report.not_done,
            self.reviews,
            self.job.settings.limits.review_rounds,
            self.head,
            comparison,
            self.outside_plan(),
            self.store.diff(self.base_tree, self.tree),
            self.store.diff(self.reviewed, self.tree) if self.reviewed else "",
            self.amendments.granted,
            self.allowed_paths(),
            said=report.summary,
            near=self._near(plan),
        )
        return with_said(packet, self.said)

    async def changes_wanted(self, review: Review) -> str:
        """Keep a review that hands back and return the executor's repair packet."""
        self._check_step("hand_back", review, "reviewer")
        plan = self._judged(review)
        self.reviewed = self.tree
        rounds = self.job.settings.limits.review_rounds
        if len(self.reviews) >= rounds:
            raise RunError(
                StopCode.ROUNDS_SPENT, f"The reviewer still wants changes after {rounds} rounds; review.md says which."
            )
        if self.comparison is None:
            raise RunError(StopCode.INTERNAL, "a review came before the checks")
        diff = self.store.diff(self.base_tree, self.tree)
        self.under_review = False
        packet = repair_packet(
            self.job.task,
            self.job.project,
            self.policy.protected,
            plan,
            self.setup,
            review,
            self.comparison,
            diff,
            self._near(plan),
            last=len(self.reviews) + 1 >= rounds,
        )
        return with_said(packet, self.said)

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

    async def take(self) -> TakenTree:
        """Take the workspace as a tree; what it is bound to from here on is its id."""
        self.counts.takes += 1
        key = str(self.counts.takes)
        taken = await self.engine.step("tree", key, self._taken, TakenTree)
        # The result may be another machine's.
        if not self.store.holds(taken.tree) and self.store.build(self.base_tree, self.effects.overlay()) != taken.tree:
            raise RunError(StopCode.INTERNAL, f"the tree {taken.tree} cannot be made again")
        self._keep(taken)
        return taken

    async def keep(self) -> None:
        """Take the workspace as it is when the run ends; no step, since nothing comes after it.

        One that is gone is made of what was settled last.
        """
        if self.sandbox.begun:
            self._keep(await self._taken())
        elif changes := self.effects.overlay():
            self.tree = self.store.build(self.base_tree, changes)

    async def _taken(self) -> TakenTree:
        return take_tree(await self.sandbox.entries(), self.store, self.base_tree)

    def _keep(self, taken: TakenTree) -> None:
        self.tree = taken.tree
        self.ignored = taken.ignored
        self.events.emit("tree.taken", tree=taken.tree, changed=taken.changed, refused=taken.refused)

    async def check(self) -> Comparison:
        """Check the tree taken last, write `test-result.json`, and return what it shows."""
        self.head, comparison = await check_change(
            self.store,
            self.setup,
            self.base_tree,
            self.tree,
            self.base,
            self.open_sandbox,
            time_limit=self.job.settings.limits.check_seconds,
            on_repeat=lambda names: self.events.emit("phase", name="head-again", checks=names),
            accepted=self.allowed_paths(),
            audit=self.job.audit,
            steps=self.engine,
            label=f"head-{self.counts.takes}",
        )
        self.comparison, self.checked = comparison, self.tree
        for record in self.head:
            self.events.emit(
                "check.ended", phase="head", name=record.name, outcome=record.outcome, reason=record.reason
            )
        self.events.emit("phase", name="checked", outcome=comparison.outcome, reason=comparison.reason)
        self.write_test_result()
        return comparison

    def write_test_result(self) -> None:
        """Write what the checks have shown so far."""
        result = TestResult.of(self.base, self.head, self.comparison)
        self.folder.write("test-result.json", result.model_dump_json(indent=2) + "\n")

    def outside_plan(self) -> list[str]:
        """Return the paths changed in the tree taken last that neither the plan nor an amendment covers."""
        scope = self.effects.scope
        changed = self.store.changed(self.base_tree, self.tree) if scope else []
        return [path for path in changed if scope and not scope.covers(path)]

    def closed(self) -> list[str]:
        """Return why the tree taken last may not be delivered, a sentence for each path."""
        grants = self.asks.grants
        return closed_in_tree(
            self.store,
            self.base_tree,
            self.tree,
            self.policy,
            scope=self.effects.scope,
            accepted=self.effects.allowed,
            approved=grants.kinds("executor"),
        )

    def allowed_paths(self) -> list[str]:
        """Return the paths whose change, as it is in the tree taken last, people allowed."""
        tests = "tests" in self.asks.grants.kinds("executor")
        return allowed_paths(self.store, self.base_tree, self.tree, self.effects.allowed, tests=tests)

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

    def _planned(self) -> Plan:
        if self.plan is None:
            raise RunError(StopCode.INTERNAL, "a handoff to the reviewer came before a plan")
        return self.plan

    def _judged(self, review: Review) -> Plan:
        plan = self._planned()
        numbers = sorted(verdict.number for verdict in review.criteria)
        wanted = list(range(1, len(plan.acceptance_criteria) + 1))
        if numbers != wanted:
            raise Repairable(f"criteria must name each criterion once: expected the numbers {wanted}, got {numbers}")
        diff = self.store.diff(self.base_tree, self.tree)
        if wrong := misplaced(review.findings, diff, set(self.job.files.paths)):
            raise Repairable("; ".join(wrong))
        self.reviews.append(review)
        findings = [finding.model_dump() for finding in review.findings]
        self.events.emit("review.given", verdict=review.verdict, summary=review.summary, findings=findings)
        return plan

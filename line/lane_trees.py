"""The trees of a run: what a workspace begins from, what is taken out of it, what checks and policy say of that."""

from collections.abc import Sequence
from dataclasses import dataclass

from andon.agents.endings import agent_name
from andon.guardrails.judge import Policy
from andon.line.amendments import Amendments
from andon.line.asks import Asks
from andon.line.coming_sandbox import ComingSandbox
from andon.line.evidence.checks import OpenSandbox, check_change
from andon.line.final_tree import allowed_paths, closed_in_tree
from andon.line.job import Job
from andon.line.lane_state import LaneState
from andon.line.log.effect_log import EffectLog
from andon.line.log.event_log import EventStream
from andon.line.run_folder import RunFolder
from andon.line.steering import Steering
from andon.line.steps import Engine
from andon.mcp_servers.effect_gate import EffectGate
from andon.records.checks import CheckRecord, Comparison, TestResult
from andon.records.errors import RunError
from andon.records.plan import Plan
from andon.records.project import ProjectSetup
from andon.records.review import SpecialistReview
from andon.records.stops import StopCode
from andon.sandbox.store import TreeStore
from andon.sandbox.tree_out import TakenTree, take_tree

_MADE_AGAIN = (
    "andon: the workspace was made again from its files as they were before this call: processes, caches and ignored "
    "files are gone. A call that was running when it was lost was made again."
)


@dataclass(kw_only=True)
class LaneTrees(LaneState):
    """What a lane stands on, and its trees."""

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
    def last_review(self) -> bool:
        """True if no review is left in which a repair could be judged."""
        return len(self.reviews) + 1 >= self.job.settings.limits.review_rounds

    @property
    def stands_against(self) -> list[str]:
        """The specialised reviewers that found what must be fixed in the change that is looked at."""
        return [agent_name(said.who) for said in self.looked if said.must_fix]

    @property
    def looked(self) -> list[SpecialistReview]:
        """What specialised reviewers said of the change that is looked at."""
        return self.special[-1] if self.special else []

    def standing(self) -> str:
        """Return how the workspace stands and who looks at it: to each who looks anew, what others asked is news."""
        looks = sum(map(len, self.special))
        return f"{self.effects.state}+{len(self.special)}.{looks}" if looks else self.effects.state

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

    def planned(self) -> Plan:
        """Return the plan.

        Raises:
            RunError: `internal`: there is none yet.
        """
        if self.plan is None:
            raise RunError(StopCode.INTERNAL, "a handoff to the reviewer came before a plan")
        return self.plan

    def compared(self) -> Comparison:
        """Return what the checks of the tree at hand show.

        Raises:
            RunError: `internal`: none were made.
        """
        if self.comparison is None:
            raise RunError(StopCode.INTERNAL, "a review came before the checks")
        return self.comparison

"""What a client's session works on: its sandbox, the trees taken out of it, and the checks of a tree."""

from collections.abc import Collection, Sequence
from os import fsdecode

from andon.guardrails.effects import GONE
from andon.line.coming_sandbox import ComingSandbox
from andon.line.disk import disk_failure
from andon.line.evidence.checks import check_change, check_tree
from andon.line.final_tree import closed_in_tree
from andon.line.ide.ground import Ground
from andon.line.sandboxes import Sandboxes
from andon.line.steps import InProcessEngine
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.own_tools import Tell
from andon.mcp_servers.workspace_state import state_of
from andon.records.checks import CheckRecord, Comparison
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.setup import SetupFacts
from andon.records.stops import StopCode
from andon.sandbox.tree_out import TakenTree, take_tree
from andon.tools.failure import ToolFailed

_SHOWN_BYTES = 2_000_000


class IdeWorkspace:
    """The workspace of one session. Everything with an effect is a step of `engine`."""

    def __init__(self, ground: Ground, engine: InProcessEngine, events: Events) -> None:
        """Begin to start the sandbox, in the running event loop."""
        self._ground = ground
        self._engine = engine
        self._events = events
        self._sandboxes = sandboxes = Sandboxes(ground.job, ground.setup, ground.store, events)
        self._takes = 0
        self._checks = 0
        self._base: list[CheckRecord] | None = None
        self.tree = ground.base_tree
        """The last tree taken; the base tree until then."""
        events.emit("phase", name="sandbox")
        self.sandbox = ComingSandbox(
            lambda: engine.step("sandbox", "workspace", lambda: sandboxes.workspace(ground.base_tree))
        )
        """What the tools work on."""

    @property
    def installed(self) -> SetupFacts | None:
        """What was installed for it; None where nothing was, or the sandbox does not stand yet."""
        return self._sandboxes.installed

    async def take(self) -> TakenTree:
        """Take the workspace as a tree.

        Raises:
            ToolFailed: policy refuses it as a whole.
            RunError: the sandbox is lost or never stood.
        """
        self._takes += 1

        async def take() -> TakenTree:
            return take_tree(await self.sandbox.entries(), self._ground.store, self._ground.base_tree)

        try:
            taken = await self._engine.step("tree", str(self._takes), take)
        except RunError as error:
            # A git that cannot write looks like a tree that git refuses.
            if error.code is not StopCode.POLICY_REFUSED or disk_failure(error):
                raise
            raise ToolFailed(f"refused (policy): the workspace cannot be taken: {error}") from error
        self.tree = taken.tree
        self._events.emit("tree.taken", tree=taken.tree, changed=taken.changed, refused=taken.refused)
        return taken

    def closed(self, taken: TakenTree, gate: EffectGate, kinds: Collection[str]) -> list[str]:
        """Return why `taken` cannot be delivered, a sentence for each path; empty if it can.

        `gate` knows what people allowed of it, `kinds` are the rules they allowed for the session.
        """
        ground = self._ground
        closed = closed_in_tree(
            ground.store, ground.base_tree, taken.tree, ground.policy, accepted=gate.allowed, approved=kinds
        )
        return [*taken.refused, *closed]

    def allowed(self, tree: str, gate: EffectGate) -> list[str]:
        """Return the paths of `tree` that differ from the base as a person allowed it."""
        base, now = (
            {fsdecode(file.path): f"{file.mode} {file.blob}" for file in self._ground.store.files(each)}
            for each in (self._ground.base_tree, tree)
        )
        differing = [path for path in base.keys() | now.keys() if base.get(path) != now.get(path)]
        return sorted(path for path in differing if gate.allowed(path, now.get(path, GONE)))

    async def state(self) -> str:
        """Return how the workspace stands now, for approvals to be bound to.

        Raises:
            RunError: the sandbox is lost or never stood.
        """
        return state_of(await self.sandbox.entries())

    async def read(self, path: str) -> bytes:
        """Return a file of it, for people to read what a call would change.

        Raises:
            OSError: there is none to read.
            RunError: the sandbox is lost or never stood.
        """
        return await self.sandbox.read(path, limit=_SHOWN_BYTES)

    async def check(
        self, tree: str, tell: Tell, accepted: Collection[str] = ()
    ) -> tuple[list[CheckRecord], list[CheckRecord], Comparison]:
        """Check the base, once in a session, and `tree` in fresh sandboxes; return both and what they show together.

        `accepted` are the test files whose changes a person accepted.
        """
        ground, limit = self._ground, self._ground.job.settings.limits.check_seconds
        self._checks += 1
        if self._base is None:
            await tell("checking the base commit")
            self._events.emit("phase", name="base-checks")
            commands = [*ground.setup.tests, *ground.setup.static]
            self._base = await self._engine.step(
                "checks",
                f"base-{self._checks}",
                lambda: check_tree(ground.base_tree, commands, self._sandboxes.fresh, time_limit=limit),
            )
            self._report("base", self._base)
        base = self._base
        await tell("checking the change")
        head, comparison = await self._engine.step(
            "checks",
            str(self._checks),
            lambda: check_change(
                ground.store,
                ground.setup,
                ground.base_tree,
                tree,
                base,
                self._sandboxes.fresh,
                time_limit=limit,
                accepted=accepted,
                audit=ground.job.audit,
            ),
        )
        self._report("head", head)
        self._events.emit("phase", name="checked", outcome=comparison.outcome, reason=comparison.reason)
        return base, head, comparison

    def _report(self, phase: str, records: Sequence[CheckRecord]) -> None:
        for record in records:
            self._events.emit(
                "check.ended", phase=phase, name=record.name, outcome=record.outcome, reason=record.reason
            )

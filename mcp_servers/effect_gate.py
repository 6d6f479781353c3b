"""The effect gate: what a call left in the workspace is compared, judged, and undone where it may not stand."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from os import fsdecode, fsencode
from typing import TYPE_CHECKING, Any

from andon.guardrails.effects import GONE, Effect, TestsSeen, judge_effects
from andon.guardrails.effects import Change as Judged
from andon.guardrails.judge import Policy
from andon.guardrails.named_paths import shows
from andon.guardrails.test_files import is_test_file
from andon.mcp_servers.file_diffs import file_changes
from andon.mcp_servers.overlay import Overlay
from andon.mcp_servers.settled import Held, Settled, name_of, plain_words, readable, told
from andon.mcp_servers.workspace_diff import (
    BaseTree,
    Blobs,
    Snapshot,
    differing_of,
    entry_id,
    in_the_way,
    is_base,
    repositories,
    same,
    texts,
    whole,
)
from andon.records.calls import Role, ToolCall
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.droppings import is_dropping
from andon.sandbox.names import path_problem, shown
from andon.sandbox.protocol import Entry, Sandbox
from andon.sandbox.store import Change

if TYPE_CHECKING:
    from andon.guardrails.scope import Scope

__all__ = ["EffectGate", "Held", "Settled"]


class EffectGate:
    """Watches one workspace. Its calls and those of the tools run one after another, under the workbench's lock."""

    def __init__(
        self,
        sandbox: Sandbox,
        policy: Policy,
        base: BaseTree,
        *,
        accepted: Callable[[str, str], bool] = lambda path, entry: False,
        kinds: Callable[[Role], Collection[str]] = lambda role: (),
    ) -> None:
        """Watch `sandbox`, which holds or will hold what came from `base`.

        Args:
            sandbox: The workspace.
            policy: What the run is held to.
            base: What is free to come back, and held against what came.
            accepted: Whether a person allowed exactly this entry at this path (`Grants.accepted`).
            kinds: Which rules a person answered with yes for the rest of the run (`Grants.kinds`).
        """
        self.scope: Scope | None = None
        """What the plan covers; none binds before one was accepted."""
        self.sandbox = sandbox
        self.policy = policy
        self.begun = False
        """True once the workspace was looked at."""
        self.unsettled = False
        """True from the beginning of a call that could write until it is settled; one that was cut off leaves it so."""
        self._base = base
        self._accepted = accepted
        self._kinds = kinds
        self._snapshot: Snapshot = {}
        self._free: dict[bytes, bool] = {}
        self._changed: dict[bytes, str] = {}
        self._allowed: set[tuple[str, str]] = set()
        self._state: str | None = None
        self._overlay = Overlay()

    @property
    def state(self) -> str:
        """Fingerprint of what differs from the base: what is approved or called again is bound to it."""
        if self._state is None:
            digest = hashlib.sha256()
            for path in sorted(self._changed):
                digest.update(b"%d %s %s\n" % (len(path), path, self._changed[path].encode()))
            self._state = digest.hexdigest()
        return self._state

    def lay(self, changes: Iterable[Change], allowed: Collection[tuple[str, str]] = ()) -> None:
        """Go on from a workspace that differs from the base by `changes`, before anybody looks at it.

        `allowed` is what people allowed of it, as `saved_allowed`.
        """
        for change in changes:
            self._overlay.changes[change.path] = change
            self._changed[change.path] = _id_of(change)
        self._allowed |= set(allowed)
        self._state = None

    def overlay(self) -> list[Change]:
        """Return what makes the base the workspace as it was settled last: what a new sandbox is made of."""
        return list(self._overlay.changes.values())

    @property
    def saved_allowed(self) -> list[tuple[str, str]]:
        """What people allowed: path and entry."""
        return sorted(self._allowed)

    def take(self) -> dict[str, Any]:
        """Return what calls have changed since the last time, as JSON, for `give`."""
        return self._overlay.take() | {"allowed": self.saved_allowed}

    def give(self, taken: Mapping[str, Any]) -> None:
        """Go on from what `take` returned in the process that went before, whose workspace is gone."""
        self._allowed = {(path, entry) for path, entry in taken["allowed"]}
        for path, change in self._overlay.give(taken):
            if change is None:
                self._changed.pop(path, None)
            else:
                self._changed[path] = _id_of(change)
        self._state = None

    async def begin(self) -> None:
        """Take the workspace as it lies there for what later calls are compared with; nothing in it is judged."""
        self._changed.clear()
        self._snapshot = await self._look()
        paths = self._snapshot.keys() | self._base.files.keys() | self._overlay.changes.keys()
        await asyncio.to_thread(self._note, paths)
        self.begun = True

    async def settle(self, call: ToolCall, approved: Collection[str] = ()) -> Settled:
        """Judge what `call` left, undo what may not stand, and say so.

        Args:
            call: The call that has just ended.
            approved: Rules that a person allowed for it; they count at the paths that the call shows.

        Raises:
            RunError: with `sandbox-full` or `sandbox-lost` if something cannot be undone.
        """
        if not self.begun:
            raise RunError(StopCode.INTERNAL, "a call was to be settled before the workspace had been looked at")
        self.unsettled = True
        before = self._snapshot
        after: Snapshot = await self._look()
        differing = differing_of(before, after)
        if not differing:
            self.unsettled = False
            return Settled()
        effects = await asyncio.to_thread(self._judged, differing, before, after, call, approved)
        old = await asyncio.to_thread(whole, [before[path] for path in effects if path in before], self._base.read)
        if effects:
            after = await self._undone(effects, old, after)
        self._snapshot = after
        await asyncio.to_thread(self._note, differing)
        self.unsettled = False
        stands = tuple(name_of(path) for path in sorted(differing) if path not in effects)
        undone = tuple(readable(effect) for effect in effects.values() if effect.verdict == "undo")
        held = tuple(
            Held(
                name_of(path),
                effect.rule,
                plain_words(effect.reason),
                entry_id(new),
                path,
                old.get(path),
                new,
                effect.also,
            )
            for path, effect in effects.items()
            if effect.verdict == "hold"
            for new in [differing[path]]
        )
        told_of = [path for path in sorted(differing) if path not in effects and not self._free.get(path)]
        files = await asyncio.to_thread(file_changes, told_of, before, after, self._base.read)
        return Settled(stands, undone, held, told(undone, held), files)

    async def apply(self, held: Sequence[Held]) -> str:
        """Put what was held into the workspace, all of it or nothing; return why not, or nothing.

        Whoever calls this has a person's word, and lets no call run meanwhile.

        Raises:
            RunError: it cannot be written, or is not there afterwards.
        """
        now = await self._look()
        for each in held:
            lies = now.get(each.raw)
            if not same(lies, each.before) and not same(lies, each.after):
                return f"{each.path} has changed since; make the change again"
        moving = {each.raw for each in held}
        wanted = {each.raw: each.after for each in held if each.after is not None}
        stays = {path: entry for path, entry in now.items() if path not in moving}
        for other, path in in_the_way(wanted, stays).items():
            return f"{name_of(other)} lies in the way of {name_of(path)}; make the change again"
        meant: Snapshot = stays | wanted
        await self.sandbox.restore([each.raw if each.after is None else each.after for each in held])
        self._snapshot = await self._checked(meant)
        self._allowed |= {(fsdecode(each.raw), each.entry) for each in held}
        await asyncio.to_thread(self._note, moving)
        return ""

    def allowed(self, path: str, entry: str) -> bool:
        """Say whether people allowed exactly this entry at this path, as a change or by the call that made it.

        It is what a final tree may hold although `judge_effects` would hold it.
        """
        return (path, entry) in self._allowed or self._accepted(path, entry)

    async def _look(self) -> dict[bytes, Entry]:
        return {entry.path: entry for entry in await self.sandbox.entries()}

    async def _checked(self, meant: Snapshot) -> Snapshot:
        there = await self._look()
        if wrong := differing_of(meant, there):
            names = ", ".join(repr(shown(path)) for path in sorted(wrong)[:10])
            raise RunError(StopCode.SANDBOX_LOST, f"the workspace is not what it was put back to: {names}")
        return there

    def _note(self, differing: Iterable[bytes]) -> None:
        """Keep what of `differing` is other than at the base."""
        paths = list(differing)
        self._learn_free(paths)
        for path in paths:
            entry, file = self._snapshot.get(path), self._base.files.get(path)
            if self._free.get(path) or is_base(entry, file):
                was = self._changed.pop(path, None)
                self._overlay.back(path, changed=was is not None)
            else:
                self._changed[path] = entry_id(entry)
                self._overlay.now(path, entry)
        self._state = None

    def _learn_free(self, paths: Iterable[bytes]) -> None:
        """Find out of new paths, once each, whether they are never part of a change."""
        unknown = [path for path in paths if path not in self._base.files and path not in self._free]
        for path in unknown:
            self._free[path] = is_dropping(path)
        asked = [path for path in unknown if not self._free[path] and path_problem(path) is None]
        for path in self._base.ignored(asked) if asked else ():
            self._free[path] = True

    def _judged(
        self,
        differing: Mapping[bytes, Entry | None],
        before: Snapshot,
        after: Snapshot,
        call: ToolCall,
        approved: Collection[str],
    ) -> dict[bytes, Effect]:
        self._learn_free(differing)
        kinds, named = self._kinds(call.role), shows(call)
        blobs = Blobs(self._base.read)
        changes = [
            Judged(
                fsdecode(path),
                blobs.content(before.get(path)),
                blobs.content(entry),
                blobs.base(self._base.files.get(path)),
                self._free.get(path, False),
            )
            for path, entry in sorted(differing.items())
        ]
        tests = self._tests(differing, before, after, blobs)
        effects = judge_effects(
            changes,
            self.policy,
            scope=self.scope,
            role=call.role,
            approved=kinds,
            once=lambda rule, path: rule in approved and named(path),
            accepted=self.allowed,
            tests=tests,
            repositories=repositories(differing, after),
        )
        found = _with_the_way(effects, before, after, differing)
        stands = [change for change in changes if fsencode(change.path) not in found]
        self._remember_allowed(stands, tests, {*approved, *kinds})
        return found

    def _remember_allowed(self, stands: Sequence[Judged], tests: TestsSeen | None, approved: Collection[str]) -> None:
        """Remember what stands only because people allowed it, now or what it was made of before."""
        if not (approved or self._allowed or any(self._accepted(change.path, change.entry) for change in stands)):
            return
        since_base = None if tests is None else replace(tests, before=tests.base)
        held = {each.path for each in judge_effects(stands, self.policy, tests=since_base) if each.verdict == "hold"}
        self._allowed |= {(change.path, change.entry) for change in stands if change.path in held}

    def _tests(self, differing: Iterable[bytes], before: Snapshot, after: Snapshot, blobs: "Blobs") -> TestsSeen | None:
        touched = {path for path in differing if is_test_file(fsdecode(path)) and not self._free.get(path)}
        if not touched:
            return None
        paths = touched | {path for path in self._changed if is_test_file(fsdecode(path))}
        return TestsSeen(
            texts((path, blobs.base(self._base.files.get(path))) for path in paths),
            texts((path, blobs.content(before.get(path))) for path in paths),
            texts((path, blobs.content(after.get(path))) for path in paths),
        )

    async def _undone(self, effects: Collection[bytes], old: Snapshot, after: Snapshot) -> Snapshot:
        """Put `old` back at the paths of `effects`, and nothing where it has nothing."""
        meant = {path: entry for path, entry in after.items() if path not in effects} | dict(old)
        await self.sandbox.restore([old.get(path, path) for path in effects])
        return await self._checked(meant)


def _id_of(change: Change) -> str:
    return GONE if change.mode is None else f"{change.mode} {change.id()}"


def _with_the_way(
    effects: Sequence[Effect], before: Snapshot, after: Snapshot, differing: Mapping[bytes, Entry | None]
) -> dict[bytes, Effect]:
    """Return effects by path, with those that make room for what is put back."""
    found = {fsencode(effect.path): effect for effect in effects}
    put_back = {path for path in found if path in before and path not in after}
    new = {path for path, entry in differing.items() if entry is not None and path not in before}
    for path, wanted in in_the_way(put_back, new).items():
        reason = f"it stands in the way of {name_of(wanted)}, which was put back"
        found.setdefault(path, Effect(fsdecode(path), "undo", found[wanted].rule, reason))
    return dict(sorted(found.items()))

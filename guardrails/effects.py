"""What a call left in the workspace, judged after it: by whatever route it came, and whatever the call had said."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from andon.guardrails import paths
from andon.guardrails.diff_secrets import secrets_in, secrets_of_change
from andon.guardrails.judge import Policy
from andon.guardrails.origin import narrowed
from andon.guardrails.places import Places
from andon.guardrails.refusal import Found, Refused
from andon.guardrails.scope import Scope
from andon.guardrails.weakened import Weakening, weakened
from andon.records.calls import Role, ToolCall
from andon.sandbox.names import link_problem, shown
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR

WRITING = frozenset({"edit_file", "write_file", "run_tests", "run_command", "git"})
"""Tools after which the workspace is looked at. Also git that only reads: what a script once wrote into `.git/config`
may have it start a program."""

_LARGE = 12
"""From so many files of the base on, losing them in one call needs a person."""
_SCANNED = 10_000_000
"""Bytes of a file that are looked through for credentials; more is taken for what cannot be judged."""


@dataclass(frozen=True)
class Content:
    """What lies at a path."""

    mode: str
    """Git's mode, or `other` for what is no file and no link."""
    blob: str
    """Git's blob id; empty where it was not read."""
    data: Callable[[], bytes] = field(default=bytes, compare=False, repr=False)
    """Gives the file's content or the link's target."""
    oversized: bool = field(default=False, compare=False)
    """True for a file larger than a change may carry; its `data` is not asked for."""

    @property
    def id(self) -> str:
        """What an approval of exactly this content is bound to."""
        return f"{self.mode} {self.blob}"


GONE = "gone"
"""In place of `Content.id`: nothing lies there."""


@dataclass(frozen=True)
class Change:
    """One path that a call left other than it was."""

    path: str
    """Relative to the workspace; undecodable bytes as `os.fsdecode` gives them."""
    before: Content | None
    """Before the call; None: nothing."""
    after: Content | None
    """Now."""
    base: Content | None
    """At the base commit."""
    free: bool = False
    """True for what never is part of a change: new, and a dropping or named by the base's ignore rules."""

    @property
    def entry(self) -> str:
        """What an approval of this change is bound to beside the path."""
        return self.after.id if self.after else GONE


@dataclass(frozen=True)
class Effect:
    """What is to happen to one change that may not simply stand."""

    path: str
    """As in `Change`."""
    verdict: Literal["undo", "hold"]
    """`hold`: it is undone too, and a person may allow it."""
    rule: str
    """Which rule decided; what a person allows is bound to it."""
    reason: str
    """For the model and for a person."""
    also: tuple[str, ...] = ()
    """Of `hold`: the other rules that ask too."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that asks."""
        return (self.rule, *self.also)


@dataclass(frozen=True)
class TestsSeen:
    """Every test file that differs from the base now or did before the call: its content, by path, in all three."""

    __test__ = False

    base: Mapping[str, bytes]
    """At the base commit."""
    before: Mapping[str, bytes]
    """Before the call."""
    after: Mapping[str, bytes]
    """Now."""

    def weakenings(self) -> list[Weakening]:
        """Return what is weaker now than at the base and was not already so before the call."""
        known = weakened(self.base, self.before)
        return [found for found in weakened(self.base, self.after) if found not in known]


def judge_effects(
    changes: Sequence[Change],
    policy: Policy,
    *,
    scope: Scope | None = None,
    role: Role = "executor",
    approved: Collection[str] = (),
    once: Callable[[str, str], bool] = lambda rule, path: False,
    accepted: Callable[[str, str], bool] = lambda path, entry: False,
    in_one_call: bool = True,
    tests: TestsSeen | None = None,
    repositories: Collection[str] = (),
) -> list[Effect]:
    """Return which of the changes of one call are undone or held, in their order; the others may stand.

    What is as at the base again may stand, but for roles that only read.

    Args:
        changes: Every path that differs from what it was before the call.
        policy: What the run is held to.
        scope: What its plan covers; None: no plan binds it.
        role: Whose call it was; planner and reviewer change nothing.
        approved: Rules that a person allowed for the run.
        once: Whether a person allowed what this rule asks about at this path, by the call that was shown.
        in_one_call: Whether one call made the changes, so that many files lost together count.
        accepted: Whether a person allowed exactly this entry (`Change.entry`) at this path.
        tests: The test files, where one of them changed.
        repositories: Folders that are laid out as git repositories now.
    """
    judged = _Judge(policy, scope, role, approved, once, accepted)
    moved = {change.after.blob for change in changes if change.after and change.after.blob and not change.before}
    lost = [change.path for change in changes if change.before and not change.after and _was_ours(change, moved)]
    judged.lost = frozenset(lost) if in_one_call and len(lost) >= _LARGE else frozenset()
    judged.weaker = _weaker(changes, tests)
    judged.secrets = _secrets(changes)
    judged.repositories = repositories
    effects = []
    for change in changes:
        try:
            found = judged.hold(change)
        except Refused as refused:
            found = Effect(change.path, "undo", refused.rule, refused.reason)
        if found is not None:
            effects.append(found)
    return effects


@dataclass
class _Judge:
    policy: Policy
    scope: Scope | None
    role: Role
    approved: Collection[str]
    once: Callable[[str, str], bool]
    accepted: Callable[[str, str], bool]
    lost: Collection[str] = ()
    weaker: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, list[int]] = field(default_factory=dict)
    repositories: Collection[str] = ()

    def hold(self, change: Change) -> Effect | None:
        """Return what is held of a change that may stand otherwise.

        Raises:
            Refused: it is undone.
        """
        path = change.path
        if change.free and not _is_floor(path):
            return None
        if self.role in ("planner", "reviewer"):
            raise Refused("role", f"a {self.role} changes nothing; say what should change instead")
        if change.after == change.base:
            return None
        # An undecodable name is no name for a new file; one that the base has is judged as people read it.
        name = shown(_bytes(path)) if change.base else path
        asks = self._asks(name)
        self._check_what_it_is(change)
        asks += self._asks_of_content(path)
        if self.accepted(path, change.entry):
            return None
        reasons: dict[str, str] = {}
        for asked in asks:
            if asked.rule not in self.approved and not self.once(asked.rule, path):
                reasons.setdefault(asked.rule, asked.reason)
        if reasons:
            rule, *others = reasons
            also = "".join(f"; also ({other}): {reasons[other]}" for other in others)
            return Effect(path, "hold", rule, reasons[rule] + also, tuple(others))
        if not asks:
            self._check_plan(name)
        return None

    def _asks_of_content(self, path: str) -> list[Refused]:
        """Return what only a person may allow of how a file changed.

        Raises:
            Refused: it has a credential in it.
        """
        if lines := self.secrets.get(path):
            where = ", ".join(map(str, lines[:5]))
            raise Refused(
                "credential",
                f"it holds a credential (line {where}); use a placeholder such as EXAMPLE, and no real key",
            )
        asks = []
        if path in self.lost:
            asks.append(Refused("delete", f"{len(self.lost)} files of the base went in one call"))
        if path in self.weaker:
            asks.append(Refused("tests", self.weaker[path]))
        return asks

    def _check_plan(self, path: str) -> None:
        # What a person allowed at a path is not held against the plan again.
        if self.scope is not None and "outside-plan" not in self.approved and not self.scope.covers(path):
            raise Refused("outside-plan", "it is not in the plan; call amend_plan first")

    def _asks(self, path: str) -> list[Refused]:
        """Return everything about a path that only a person may allow, where `judge_change` tells the first of it."""
        found = Found()
        Places(self.policy.ground, "executor", "", None).judge_write(path, found, removes=False)
        for asked in found.asks:
            if refused := narrowed(asked, self.policy.origin):
                raise refused
        return found.asks

    def _check_what_it_is(self, change: Change) -> None:
        after = change.after
        if after is None:
            return
        if not _is_taken(after):
            raise Refused("special-file", "it is no file, folder or link")
        if after.oversized:
            raise Refused("oversized", "it is larger than a change may carry; keep what is generated under /tmp")
        if after.mode == LINK and (problem := link_problem(_bytes(change.path), after.data())):
            raise Refused("link", f"it {problem}; links stay inside the workspace")
        parts = change.path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        if change.before is None and (folder := next((one for one in above if one in self.repositories), None)):
            raise Refused("git-folder", f"{folder!r} would be laid out as a repository of its own; use other names")
        if _is_scanned(change) and len(after.data()) > _SCANNED:
            raise Refused("oversized", "it is too large to be looked through for credentials; keep it under /tmp")


def _weaker(changes: Sequence[Change], tests: TestsSeen | None) -> dict[str, str]:
    """Return what is to be said of each changed test file that has to do with tests that became weaker."""
    if tests is None or not (found := tests.weakenings()):
        return {}
    touched = {change.path for change in changes if change.path in {**tests.base, **tests.before, **tests.after}}
    said: dict[str, str] = {}
    for each in found:
        what = f"{each.test}: {each.detail}" if each.test else each.detail
        # What weakens a test of a file that was changed before is the whole of this call.
        for path in [each.path] if each.path in touched else touched:
            said.setdefault(path, what)
    return said


def _was_ours(change: Change, moved: Collection[str]) -> bool:
    return change.base is not None and change.base.blob not in moved and bool(change.before and not change.free)


def _secrets(changes: Sequence[Change]) -> dict[str, list[int]]:
    scanned = {
        change.path: change.after.data()[:_SCANNED] for change in changes if change.after and _is_scanned(change)
    }
    # What stood there before is only asked for where something stands there now.
    if not any(secrets_in(None, now) for now in scanned.values()):
        return {}
    return secrets_of_change({change.path: (_held(change), scanned.get(change.path)) for change in changes})


def _held(change: Change) -> bytes:
    return b"\n\n".join(content.data() for content in (change.base, change.before) if content and not content.oversized)


def _is_scanned(change: Change) -> bool:
    after = change.after
    return not (change.free or after is None or after.oversized or after == change.base) and _is_taken(after)


def _is_taken(content: Content) -> bool:
    return content.mode in (REGULAR, EXECUTABLE, LINK)


def _is_floor(path: str) -> bool:
    return paths.is_git(path) or paths.is_factory(path) or paths.is_bare_git(path)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def may_write(call: ToolCall) -> bool:
    """Say whether the workspace has to be looked at after `call`."""
    return call.tool in WRITING

"""Where a run stands at a question, as JSON: what another process needs to go on from there."""

import base64
from dataclasses import asdict
from os import fsdecode, fsencode
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from andon.guardrails.budgets import SavedBudget
from andon.guardrails.scope import Scope
from andon.line.final_tree import held_patch
from andon.line.lane import Lane
from andon.line.lane_state import Counts
from andon.mcp_servers.settled import Held
from andon.records.calls import Role
from andon.records.checks import CheckRecord, Comparison
from andon.records.plan import AmendPlan, ChangeReport, Plan, PlanPayload
from andon.records.review import Review, SpecialistReview
from andon.records.setup import SetupFacts
from andon.sandbox.protocol import Entry
from andon.sandbox.store import Change, TreeStore


class Facts(BaseModel):
    """What is told of a run's sandbox."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tier: str
    notes: tuple[str, ...] = ()
    setup: SetupFacts | None = None


class SavedLane(BaseModel):
    """The state of a lane. Trees are ids; their objects travel beside it."""

    model_config = ConfigDict(extra="forbid")

    tree: str
    plan: Plan | None
    report: ChangeReport | None
    head: list[CheckRecord]
    comparison: Comparison | None
    checked: str
    reviews: list[Review]
    special: list[list[SpecialistReview]] = []
    ignored: list[str]
    under_review: bool
    plan_approved: bool
    held: list[dict[str, Any]]
    held_patch: str | None = None
    """The paper of that name, base64; None: there is none, or an older andon stored this."""
    told: list[str]
    said: list[str] = []
    unapproved: PlanPayload | None
    question: str = ""
    reviewed: str
    counts: dict[str, int]
    amendments: list[AmendPlan]
    asked: int
    looked: int
    kinds: list[tuple[str, Role]]
    allowed: list[tuple[str, str]]


class Checkpoint(BaseModel):
    """Where a run stands. A stored one of a newer version is refused, one of an older version is still read."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    trees: list[str]
    """Every tree that is named in it."""
    pack: str | None = None
    """The blob that holds their objects, where other machines share the database."""
    workspace: str
    """The tree that the workspace held."""
    lane: SavedLane
    agents: dict[str, Any] | None
    """Where the agents stand; None once they are done."""
    review: Review | None
    """The review that ended their work."""
    base: list[CheckRecord]
    facts: Facts
    warnings: list[str]
    budget: SavedBudget


def save_lane(lane: Lane) -> SavedLane:
    """Return the state of `lane`."""
    return SavedLane(
        tree=lane.tree,
        plan=lane.plan,
        report=lane.report,
        head=lane.head,
        comparison=lane.comparison,
        checked=lane.checked,
        reviews=lane.reviews,
        special=lane.special,
        ignored=lane.ignored,
        under_review=lane.under_review,
        plan_approved=lane.plan_approved,
        held=[written(each) for each in lane.held],
        held_patch=_paper(lane, "held.patch"),
        told=lane.told,
        said=lane.said,
        unapproved=lane.unapproved,
        question=lane.question,
        reviewed=lane.reviewed,
        counts=asdict(lane.counts),
        amendments=lane.amendments.granted,
        asked=lane.asks.asked,
        looked=lane.asks.looked,
        kinds=lane.asks.grants.saved(),
        allowed=lane.effects.saved_allowed,
    )


def _paper(lane: Lane, name: str) -> str | None:
    content = lane.folder.papers.get(name)
    return None if content is None else base64.b64encode(content).decode()


def restore_lane(lane: Lane, saved: SavedLane, workspace: str) -> None:
    """Put `saved` into a new `lane` that has its base, and write the papers that its process had written."""
    lane.tree, lane.plan, lane.report = saved.tree, saved.plan, saved.report
    lane.head, lane.comparison, lane.checked = saved.head, saved.comparison, saved.checked
    lane.reviews, lane.ignored = list(saved.reviews), list(saved.ignored)
    lane.special = [list(said) for said in saved.special]
    lane.under_review, lane.plan_approved = saved.under_review, saved.plan_approved
    lane.held, lane.told = [read(each) for each in saved.held], list(saved.told)
    lane.said[:] = saved.said
    lane.question = saved.question
    lane.unapproved, lane.reviewed, lane.counts = saved.unapproved, saved.reviewed, Counts(**saved.counts)
    lane.amendments.granted[:] = saved.amendments
    lane.asks.asked, lane.asks.looked = saved.asked, saved.looked
    for rule, role in saved.kinds:
        lane.asks.grants.kind(rule, role)
    if saved.plan is not None:
        lane.effects.scope = Scope.of(saved.plan, set(lane.job.files.paths))
        for amendment in saved.amendments:
            lane.effects.scope.grant(amendment.paths)
        lane.folder.write("plan.json", saved.plan.model_dump_json(indent=2) + "\n")
    if saved.held_patch is not None:
        # What was answered before is in it and held no more.
        lane.folder.write("held.patch", base64.b64decode(saved.held_patch))
    elif lane.held:
        lane.folder.write("held.patch", held_patch(lane.store, lane.base_tree, lane.held))
    if lane.checked:
        lane.folder.write("diff.patch", lane.store.patch(lane.base_tree, lane.checked))
    lane.write_test_result()
    lane.effects.lay(differing(lane.store, lane.base_tree, workspace), saved.allowed)


def differing(store: TreeStore, old: str, new: str) -> list[Change]:
    """Return the changes that make `new` of `old`; their content is in the store."""
    if old == new:
        return []
    before = {file.path: file for file in store.files(old)}
    after = {file.path: file for file in store.files(new)}
    put = [Change(f.path, f.mode, None, f.blob) for path, f in after.items() if before.get(path) != f]
    return [*(Change(path, None) for path in before if path not in after), *put]


def written(held: Held) -> dict[str, Any]:
    """Return a held change as JSON."""
    return {
        "path": held.path,
        "rule": held.rule,
        "reason": held.reason,
        "entry": held.entry,
        "raw": fsdecode(held.raw),
        "before": _entry(held.before),
        "after": _entry(held.after),
        "also": list(held.also),
    }


def read(document: dict[str, Any]) -> Held:
    """Return the held change that `written` made `document` of."""
    raw = fsencode(document["raw"])
    return Held(
        document["path"],
        document["rule"],
        document["reason"],
        document["entry"],
        raw,
        _entry_of(raw, document["before"]),
        _entry_of(raw, document["after"]),
        tuple(document["also"]),
    )


def _entry(entry: Entry | None) -> list[Any] | None:
    if entry is None:
        return None
    content = None if entry.content is None else base64.b64encode(entry.content).decode()
    return [entry.mode, content, entry.blob, entry.oversized]


def _entry_of(path: bytes, document: list[Any] | None) -> Entry | None:
    if document is None:
        return None
    mode, content, blob, oversized = document
    return Entry(path, mode, None if content is None else base64.b64decode(content), blob, oversized)

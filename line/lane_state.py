"""What a lane has come to: what is kept of it where its run waits for a person."""

from dataclasses import dataclass, field

from andon.mcp_servers.settled import Held
from andon.records.checks import CheckRecord, Comparison
from andon.records.plan import ChangeReport, Plan, PlanPayload
from andon.records.review import Review, SpecialistReview


@dataclass
class Counts:
    """How often something happened in a run."""

    plans: int = 0
    """Plans that a person answered."""
    takes: int = 0
    """Trees that were taken."""
    refused: int = 0
    """Handovers of a tree that policy refuses."""
    unchanged: int = 0
    """Handovers without a change."""
    questions: int = 0
    """Questions of the planner that a person answered."""
    contradicted: int = 0
    """Reviews that passed against a record."""


@dataclass(kw_only=True)
class LaneState:
    """The state of a lane."""

    tree: str
    """The last tree taken; the base tree until then."""
    plan: Plan | None = None
    report: ChangeReport | None = None
    head: list[CheckRecord] = field(default_factory=list)
    comparison: Comparison | None = None
    checked: str = ""
    """The tree that `head` and `comparison` speak of."""
    reviews: list[Review] = field(default_factory=list)
    special: list[list[SpecialistReview]] = field(default_factory=list)
    """What specialised reviewers said, by round of review, the one at hand last; empty in a lane without them."""
    ignored: list[str] = field(default_factory=list)
    under_review: bool = False
    """True from the checks of a tree until the executor gets it back: what changes meanwhile is nobody's work."""
    plan_approved: bool = False
    """True if a person agreed to the plan, or worded it."""
    held: list[Held] = field(default_factory=list)
    """Changes that were undone until a person allows them."""
    question: str = ""
    """What the planner asks a person; empty: nothing."""
    unapproved: PlanPayload | None = None
    """The plan that a person reads."""
    told: list[str] = field(default_factory=list)
    """What came of the held changes that were asked about since the last turn."""
    said: list[str] = field(default_factory=list)
    """What people said to the agents, in order."""
    reviewed: str = ""
    """The tree of the last review that handed back."""
    counts: Counts = field(default_factory=Counts)
    """How often what happened."""

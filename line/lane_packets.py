"""What agents of a run start from, made of what its lane stands on and has come to."""

from collections.abc import Sequence

from andon.context.near import Near, near_plan
from andon.context.packets import executor_packet, repair_packet, reviewer_packet
from andon.context.reader import Reader
from andon.context.special_reviews import reviewer_after, special_packet
from andon.guardrails.output import clean_text
from andon.guardrails.paths import is_hidden
from andon.line.lane_trees import LaneTrees
from andon.line.plan_files import small_files
from andon.line.steering import with_said
from andon.records.checks import Comparison
from andon.records.plan import Plan
from andon.records.review import Review


def plan_packet(lane: LaneTrees, plan: Plan) -> str:
    """Return what the executor starts from."""
    job, files = lane.job, small_files(plan, lane.job.files)
    near = _near(lane, plan, tuple(files))
    packet = executor_packet(job.task, job.project, lane.policy.protected, plan, lane.setup, lane.base, files, near)
    return with_said(packet, lane.said)


def looking_packet(lane: LaneTrees, plan: Plan, comparison: Comparison) -> str:
    """Return what looks at the checked change next: a specialised reviewer's packet, or the reviewer's."""
    job, report, rounds = lane.job, lane.report, lane.job.settings.limits.review_rounds
    diff = lane.store.diff(lane.base_tree, lane.tree)
    packet = reviewer_packet(
        job.task,
        job.project,
        lane.policy.protected,
        plan,
        report.not_done if report else [],
        lane.reviews,
        rounds,
        lane.head,
        comparison,
        lane.outside_plan(),
        diff,
        lane.store.diff(lane.reviewed, lane.tree) if lane.reviewed else "",
        lane.amendments.granted,
        lane.allowed_paths(),
        base=lane.base,
        said=report.summary if report else "",
        near=_near(lane, plan, diff=diff),
    )
    looked = lane.looked
    if len(looked) < len(job.reviewers):
        packet = special_packet(packet, looked, len(lane.reviews) + 1, rounds)
    else:
        packet = reviewer_after(packet, looked, last=lane.last_review)
    return with_said(packet, lane.said)


def repair_of(lane: LaneTrees, plan: Plan, comparison: Comparison, review: Review) -> str:
    """Return what the executor starts a repair from."""
    job, diff = lane.job, lane.store.diff(lane.base_tree, lane.tree)
    packet = repair_packet(
        job.task,
        job.project,
        lane.policy.protected,
        plan,
        lane.setup,
        review,
        comparison,
        diff,
        _near(lane, plan, diff=diff),
        last=lane.last_review,
    )
    return with_said(packet, lane.said)


def _near(lane: LaneTrees, plan: Plan, shown: Sequence[str] = (), diff: str = "") -> Near:
    return near_plan(Reader(lane.job.files, is_hidden, clean_text), lane.job.task, plan, shown, diff)

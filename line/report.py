"""The papers of a run, made from its records when it ends, whatever ended it."""

from collections.abc import Sequence
from dataclasses import dataclass

from andon.delivery.audit_line import audit_section
from andon.delivery.memory import memory_md
from andon.delivery.papers import pr_body_md, proposal_md, review_md
from andon.delivery.taking import Kept
from andon.line.job import Job
from andon.line.lane import Lane
from andon.line.run_folder import RunFolder
from andon.records.result import AuditHead, RunResult
from andon.records.review import SpecialistReview
from andon.records.stops import StopCode


@dataclass(frozen=True)
class Committed:
    """What the branch carries as its second commit."""

    papers: dict[str, str]
    """By file name."""
    anchor: AuditHead
    """The head of the event stream that they name."""


def committed_papers(job: Job, lane: Lane, warnings: Sequence[str]) -> Committed:
    """Return the readable papers."""
    papers = _readable(job, lane, warnings, StopCode.DELIVERED, None)
    stored = {name: lane.folder.papers[name] for name in ("plan.json", "test-result.json")}
    texts = papers | {name: data.decode() for name, data in stored.items()}
    whole = {name: text.encode("utf-8", errors="backslashreplace").decode() for name, text in texts.items()}
    return Committed(whole, lane.events.anchor())


def write_papers(folder: RunFolder, job: Job, result: RunResult, lane: Lane | None) -> None:
    """Write every paper the run has the records for, and `result.json`."""
    if lane is not None:
        if lane.tree != lane.base_tree:
            folder.write("diff.patch", lane.store.patch(lane.base_tree, lane.tree))
        for name, text in _readable(job, lane, result.warnings, result.stop_code, _kept(result)).items():
            folder.write(name, text)
    folder.write("result.json", result.model_dump_json(indent=2) + "\n")


def _kept(result: RunResult) -> Kept | None:
    if result.branch is not None:
        return None
    patch = f"{result.run_folder}/diff.patch"
    return Kept(result.stop_code, result.message, result.base_commit, result.tree, patch)


def _readable(job: Job, lane: Lane, warnings: Sequence[str], stop_code: StopCode, kept: Kept | None) -> dict[str, str]:
    stats = lane.store.stat(lane.base_tree, lane.tree)
    review = lane.reviews[-1] if lane.reviews else None
    special = _of_last_review(lane)
    comparison = lane.comparison if lane.checked == lane.tree else None
    lesson = lane.report.lesson if lane.report else ""
    papers = {"memory.md": memory_md(job.task, stop_code, comparison, stats, lane.reviews, lesson)}
    if lane.plan is None:
        return papers
    head = lane.head if comparison else []
    outside, at = lane.outside_plan(), lane.events.anchor()
    return papers | {
        "proposal.md": proposal_md(
            job.task, lane.plan, review, comparison, stats, warnings, outside=outside, kept=kept, special=special
        ),
        "review.md": review_md(lane.reviews, lane.plan, lane.special),
        "pr-body.md": pr_body_md(
            job.task,
            lane.plan,
            review,
            lane.base,
            head,
            comparison,
            stats,
            lane.policy.protected,
            warnings,
            outside=outside,
            kept=kept,
            audit=audit_section(job.run_id, at.events, at.head),
            approved=lane.plan_approved,
            effects=lane.effect_log.facts,
            special=special,
        ),
    }


def _of_last_review(lane: Lane) -> list[SpecialistReview]:
    """Return what specialised reviewers said in the round of the last review."""
    at = len(lane.reviews) - 1
    return lane.special[at] if 0 <= at < len(lane.special) else []

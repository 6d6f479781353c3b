"""Proposal, pull-request body and review as Markdown.

Every status, count and name comes from a record. What a model wrote stands, quoted and attributed, in the proposal and
the review alone; the pull-request body holds none of it.
"""

from collections.abc import Sequence
from itertools import zip_longest

from andon.delivery.checks_table import checks_table, outcome_line
from andon.delivery.escape import code, inline, quoted
from andon.delivery.taking import Kept, kept_md
from andon.delivery.verdicts import (
    counted_part,
    criteria_part,
    findings_part,
    judged_criteria,
    special_part,
    verdict_part,
)
from andon.records.checks import CheckRecord, Comparison
from andon.records.plan import Plan
from andon.records.project import ProtectedRule
from andon.records.result import FileStat
from andon.records.review import Review, SpecialistReview
from andon.records.stops import MEANINGS
from andon.records.task import Task

_SHOWN_FILES = 100


def proposal_md(
    task: Task,
    plan: Plan,
    review: Review | None,
    comparison: Comparison | None,
    stats: Sequence[FileStat],
    warnings: Sequence[str],
    *,
    outside: Sequence[str] = (),
    kept: Kept | None = None,
    special: Sequence[SpecialistReview] = (),
) -> str:
    """Return `proposal.md`: what is proposed, how it was checked, what to look at.

    `outside` are the changed paths the plan does not cover; `kept` says where the change is if no branch was made;
    `special` is what specialised reviewers said in the round of `review`.
    """
    return _document(
        f"# {inline(task.title)}",
        _outcome(comparison),
        kept_md(kept) if kept else f"Branch: {code(plan.branch)}",
        f"Task: {code(task.id)}{_source(task)}",
        f"## Approach\n\nIn the planner's words:\n\n{quoted(plan.summary)}",
        _section("Steps", _numbered(plan.steps)),
        _section(f"Acceptance criteria{_proposed(plan)}", _numbered(plan.acceptance_criteria)),
        _section("Risks, in the planner's words", _bullets(plan.risks)),
        f"## Review\n\n{verdict_part(review, special)}",
        _section("Files changed", _files(stats)),
        _outside(outside),
        _warnings(warnings),
    )


def pr_body_md(
    task: Task,
    plan: Plan,
    review: Review | None,
    base: Sequence[CheckRecord],
    head: Sequence[CheckRecord],
    comparison: Comparison | None,
    stats: Sequence[FileStat],
    protected: Sequence[ProtectedRule],
    warnings: Sequence[str],
    *,
    outside: Sequence[str] = (),
    kept: Kept | None = None,
    audit: str = "",
    approved: bool = False,
    effects: Sequence[str] = (),
    special: Sequence[SpecialistReview] = (),
) -> str:
    """Return `pr-body.md`: everything a person needs to decide without reading logs, and no word of a model.

    Args:
        outside: As in `proposal_md`; so are `special`, and `kept` but for its message, in place of which the stop code
            is explained.
        audit: The section of `audit_section`.
        approved: True if a person approved the plan, and with it the criteria it proposes.
        effects: Facts about changes that were undone, held for a person or approved, one each.
    """
    return _document(
        _outcome(comparison),
        kept_md(kept._replace(message=MEANINGS[kept.stop_code].remedy)) if kept else "",
        f"## What and why\n\n{inline(task.title)} (task {code(task.id)}{_source(task)})",
        f"## Acceptance criteria{_proposed(plan)}\n\n{judged_criteria(task, plan, review, approved=approved)}",
        f"## Review\n\n{counted_part(review, special)}",
        f"## Checks\n\nRun by andon in a fresh sandbox, outside the reach of the agents.\n\n"
        f"{checks_table(base, head, comparison)}",
        _section("Files changed", _files(stats)),
        _outside(outside),
        _section("Changes undone, held or approved", _bullets(effects)) if effects else "",
        f"## Files deliberately not touched\n\n{_protected(protected, stats)}",
        "" if kept else f"## How to revert\n\n{_revert(plan)}",
        audit,
        _warnings(warnings),
    )


def review_md(reviews: Sequence[Review], plan: Plan, special: Sequence[Sequence[SpecialistReview]] = ()) -> str:
    """Return `review.md`: every round, the last one last.

    `special` is what specialised reviewers said in each round; the last of these may have no review yet.
    """
    rounds = [
        _round(number, review, said, plan)
        for number, (review, said) in enumerate(zip_longest(reviews, special, fillvalue=None), start=1)
    ]
    return _document("# Review", *(rounds or ["No review was held."]))


def _round(number: int, review: Review | None, said: Sequence[SpecialistReview] | None, plan: Plan) -> str:
    looked = [special_part(each) for each in said or ()]
    if review is None:
        return "\n\n".join([f"## Round {number}: not finished", *looked])
    parts = [quoted(review.summary), criteria_part(plan, review), findings_part(review.findings)]
    return "\n\n".join([f"## Round {number}: {review.verdict}", *looked, *parts])


def _outcome(comparison: Comparison | None) -> str:
    line = f"**{outcome_line(comparison)}**"
    return f"{line}\n\n{inline(comparison.reason)}" if comparison and comparison.reason else line


def _files(stats: Sequence[FileStat]) -> list[str]:
    lines = [f"- {code(stat.path)} {_counts(stat)}" for stat in stats[:_SHOWN_FILES]]
    more = len(stats) - _SHOWN_FILES
    return [*lines, *([f"- and {more} more"] if more > 0 else [])] or ["Nothing changed."]


def _counts(stat: FileStat) -> str:
    return "binary" if stat.added is None or stat.removed is None else f"+{stat.added} -{stat.removed}"


def _protected(protected: Sequence[ProtectedRule], stats: Sequence[FileStat]) -> str:
    if not protected:
        return "The project context names no protected areas."
    changed = {stat.path for stat in stats}
    return "\n".join(f"- {inline(rule.entry)}: {_covered(rule, changed)}" for rule in protected)


def _covered(rule: ProtectedRule, changed: set[str]) -> str:
    if not rule.matches:
        return "matches no file of the base, so nothing was enforced"
    touched = sorted(changed.intersection(rule.matches))
    if touched:
        return f"**changed all the same**: {', '.join(code(path) for path in touched)}"
    return f"{len(rule.matches)} {'file' if len(rule.matches) == 1 else 'files'}, none of them changed"


def _revert(plan: Plan) -> str:
    change = code(f"git revert {plan.branch}~1")
    return (
        "Before a merge: delete the branch. After one: "
        f"{code('git revert -m 1 MERGE-COMMIT')}, or {change} for the change alone "
        "(the branch holds two commits: the change, then its papers)."
    )


def _proposed(plan: Plan) -> str:
    return " (proposed by the planner, the task named none)" if plan.criteria_proposed else ""


def _source(task: Task) -> str:
    return f", from {code(task.source)}" if task.source else ""


def _warnings(warnings: Sequence[str]) -> str:
    return _section("Notes on the run", _bullets(warnings)) if warnings else ""


def _outside(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    more = [f"- and {len(paths) - _SHOWN_FILES} more"] if len(paths) > _SHOWN_FILES else []
    return _section("Changed outside the plan", [*(f"- {code(path)}" for path in paths[:_SHOWN_FILES]), *more])


def _bullets(texts: Sequence[str]) -> list[str]:
    return [f"- {inline(text)}" for text in texts]


def _numbered(texts: Sequence[str]) -> list[str]:
    return [f"{number}. {inline(text)}" for number, text in enumerate(texts, start=1)]


def _section(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {heading}", "", *(lines or ["None named."])])


def _document(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"

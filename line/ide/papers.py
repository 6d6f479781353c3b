"""The papers and answers of a client's session, made from records; the proposal alone quotes the client's own words.

There is no plan and no review to show, and every paper says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from andon.delivery.checks_table import checks_table, outcome_line
from andon.delivery.escape import code, inline, quoted
from andon.delivery.taking import Kept, kept_md
from andon.records.checks import CheckRecord, Comparison, TestResult
from andon.records.project import ProtectedRule
from andon.records.result import FileStat
from andon.records.task import Task

_SHOWN_FILES = 100
_NO_REVIEW = (
    "No review was held and there was no plan: a client made this change through andon's tools. "
    "A person has to review it."
)


@dataclass(frozen=True)
class Submission:
    """One submitted tree and what its checks showed."""

    task: Task
    """The session's id with the submitted title."""
    branch: str
    """Where it is delivered, if it is."""
    summary: str
    """The client's words."""
    tree: str
    """What was submitted."""
    stats: Sequence[FileStat]
    """What differs from the base."""
    base: Sequence[CheckRecord]
    """The checks at the base."""
    head: Sequence[CheckRecord]
    """The checks at the submitted tree."""
    comparison: Comparison
    """What both show together."""


def submission_papers(
    submission: Submission,
    protected: Sequence[ProtectedRule],
    warnings: Sequence[str],
    kept: Kept | None = None,
    audit: str = "",
) -> dict[str, str]:
    """Return `proposal.md`, `pr-body.md`, `review.md` and `test-result.json`.

    `kept` says where the change is if no branch is made of it; `audit` is the section of `audit_section`.
    """
    one = submission
    opening = (f"**{outcome_line(one.comparison)}**", inline(one.comparison.reason), kept_md(kept) if kept else "")
    notes = _list("## Notes on the session", warnings)
    what = f"In the client's words:\n\n{quoted(one.summary)}"
    review = f"## Review\n\n{_NO_REVIEW}"
    files = "## Files changed\n\n" + "\n".join(f"- {code(each.path)} {_counts(each)}" for each in _shown(one.stats))
    table = checks_table(one.base, one.head, one.comparison)
    checks = f"## Checks\n\nRun by andon in fresh sandboxes, outside the client's reach.\n\n{table}"
    branch = "" if kept else f"Branch: {code(one.branch)}\n\n"
    named = f"{branch}Task: {code(one.task.id)}, a session of an MCP client"
    title = inline(one.task.title)
    revert = (
        "## How to revert\n\nBefore a merge: delete the branch. After one: "
        f"{code('git revert -m 1 MERGE-COMMIT')}, or {code(f'git revert {one.branch}~1')} for the change alone."
    )
    result = TestResult.of(one.base, one.head, one.comparison)
    return {
        "proposal.md": _document(f"# {title}", *opening, named, f"## Change\n\n{what}", review, files, notes),
        "pr-body.md": _document(
            *opening,
            f"## What and why\n\nTask {code(one.task.id)}, a session of an MCP client. What the client calls the "
            "change, and says of it, is in proposal.md.",
            review,
            checks,
            files,
            f"## Files deliberately not touched\n\n{_untouched(protected)}",
            "" if kept else revert,
            audit,
            notes,
        ),
        "review.md": _document("# Review", _NO_REVIEW),
        "test-result.json": result.model_dump_json(indent=2) + "\n",
    }


def submission_answer(submission: Submission, first: str, last: str) -> str:
    """Return what the client is told of a submission whose checks ran: what came of it, diff stat and checks."""
    table = checks_table(submission.base, submission.head, submission.comparison)
    return "\n\n".join([first, "\n".join(stat_lines(submission.stats)), table, last])


def stat_lines(stats: Sequence[FileStat]) -> list[str]:
    """Return a line a changed file, the first hundred of them."""
    more = len(stats) - _SHOWN_FILES
    lines = [f"{each.path} {_counts(each)}" for each in _shown(stats)]
    return [*lines, *([f"and {more} more"] if more > 0 else [])]


def _shown(stats: Sequence[FileStat]) -> Sequence[FileStat]:
    return stats[:_SHOWN_FILES]


def _counts(each: FileStat) -> str:
    return "binary" if each.added is None or each.removed is None else f"+{each.added} -{each.removed}"


def _untouched(protected: Sequence[ProtectedRule]) -> str:
    if not protected:
        return "The project context names no protected areas."
    return "\n".join(f"- {inline(rule.entry)}: {len(rule.matches)} of the base's files" for rule in protected)


def _list(heading: str, texts: Sequence[str]) -> str:
    return "\n".join([heading, "", *(f"- {inline(text)}" for text in texts)]) if texts else ""


def _document(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"

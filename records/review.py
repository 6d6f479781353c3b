"""The reviewer's verdict, and what specialised reviewers say before it."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from andon.records.base import Record

Specialist = Literal["security", "tests", "release-notes"]
"""A specialised reviewer, by what it looks at."""


class CriterionVerdict(Record):
    """One acceptance criterion, judged."""

    number: int = Field(ge=1)
    """Its number among the criteria, from 1."""
    status: Literal["met", "not met", "not shown"]
    """`not shown` where neither diff nor checks prove it."""
    evidence: str = Field(min_length=1)
    """The test, file and line, or check that shows it; or what is missing."""


class Finding(Record):
    """One thing the reviewer holds against the change."""

    severity: Literal["must-fix", "note"]
    """Only `must-fix` sends work back."""
    path: str
    """The file it is about, or an empty string."""
    line: int = Field(ge=0)
    """The line in that file, or 0."""
    problem: str = Field(min_length=1)
    """What is wrong and what would be right."""


class Review(Record):
    """The paper a review ends with (`review.md` is made from it)."""

    verdict: Literal["pass", "changes", "fail"]
    """`pass` and `fail` end the run; `changes` hands back to the executor."""
    summary: str = Field(min_length=1)
    """The reason in one or two sentences."""
    criteria: list[CriterionVerdict]
    """Each criterion exactly once."""
    findings: list[Finding]
    """What is held against the change."""


class SpecialistReview(Record):
    """What a specialised reviewer said of a change. It judges no criterion, hands nothing back and ends no run."""

    who: Specialist
    """Who said it."""
    summary: str = Field(min_length=1)
    """What it looked at and found, in one or two sentences."""
    findings: list[Finding]
    """With a `must-fix` among them the change cannot pass."""

    @property
    def must_fix(self) -> list[Finding]:
        """What stands against the change."""
        return [finding for finding in self.findings if finding.severity == "must-fix"]


def with_must_fix(review: Review, said: Sequence[SpecialistReview]) -> Review:
    """Return `review` with what specialised reviewers found that must be fixed, before its own findings."""
    found = [
        finding.model_copy(update={"problem": f"{each.who} reviewer: {finding.problem}"})
        for each in said
        for finding in each.must_fix
    ]
    return review.model_copy(update={"findings": [*found, *review.findings]})

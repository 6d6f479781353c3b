"""What reviewers decided: in their own words for the review and the proposal, and without them for a pull request."""

from collections.abc import Sequence

from andon.delivery.escape import code, inline, quoted
from andon.records.plan import Plan
from andon.records.review import CriterionVerdict, Finding, Review, SpecialistReview
from andon.records.task import Task


def verdict_part(review: Review | None, special: Sequence[SpecialistReview] = ()) -> str:
    """Return the verdict with the reviewer's words, and those of who looked before it, quoted and attributed."""
    looked = [special_part(each) for each in special]
    if review is None:
        return "\n\n".join(["No review was held.", *looked])
    findings = [findings_part(review.findings)] if review.findings else []
    verdict = f"Verdict: **{review.verdict}**. In the reviewer's words:\n\n{quoted(review.summary)}"
    return "\n\n".join([verdict, *findings, *looked])


def special_part(said: SpecialistReview) -> str:
    """Return what a specialised reviewer said, quoted and attributed."""
    who = f"{said.who} reviewer"
    findings = f"\n\n{findings_part(said.findings, who)}" if said.findings else ""
    return f"Said by the {who}:\n\n{quoted(said.summary)}{findings}"


def criteria_part(plan: Plan, review: Review | None) -> str:
    """Return each criterion of the plan with the reviewer's status; one that no verdict names is `not judged`."""
    judged = {each.number: each for each in (review.criteria if review else [])}
    lines = []
    for number, criterion in enumerate(plan.acceptance_criteria, start=1):
        lines.append(f"{number}. **{_status(judged.get(number))}**: {inline(criterion)}")
        if number in judged:
            lines += ["", f"   Evidence, in the reviewer's words: {inline(judged[number].evidence)}", ""]
    return "\n".join(lines).rstrip("\n")


def judged_criteria(task: Task, plan: Plan, review: Review | None, *, approved: bool) -> str:
    """Return each criterion with the reviewer's status; of one that only a model worded, where to read it."""
    judged = {each.number: each for each in (review.criteria if review else [])}
    texts = plan.acceptance_criteria if approved else task.acceptance_criteria
    lines = []
    for number in range(1, len(plan.acceptance_criteria) + 1):
        text = inline(texts[number - 1]) if number <= len(texts) else "worded by the planner, see plan.json"
        lines.append(f"{number}. **{_status(judged.get(number))}**: {text}")
    return "\n".join([*lines, *(["", "The evidence the reviewer names is in review.md."] if review else [])])


def counted_part(review: Review | None, special: Sequence[SpecialistReview] = ()) -> str:
    """Return the verdict and how many findings of each kind there are, without a word of a reviewer.

    `special` are those who looked in the same round before the reviewer.
    """
    found = ", ".join(f"{each.who} {_counted(each.findings)}" for each in special)
    before = [f"Specialised reviewers found: {found}; their words are in review.md."] if found else []
    if review is None:
        return "\n\n".join(["No review was held.", *before])
    verdict = f"Verdict: **{review.verdict}**. Findings: {_counted(review.findings)}; they are in review.md."
    return "\n\n".join([verdict, *before])


def _counted(findings: Sequence[Finding]) -> str:
    severities = [finding.severity for finding in findings]
    counts = [f"{severities.count(kind)} {kind}" for kind in ("must-fix", "note") if kind in severities]
    return ", ".join(counts) or "none"


def _status(verdict: CriterionVerdict | None) -> str:
    return verdict.status if verdict else "not judged"


def findings_part(findings: Sequence[Finding], who: str = "reviewer") -> str:
    """Return the findings in the words of `who`, what must be fixed first."""
    if not findings:
        return "No findings."
    ordered = sorted(findings, key=lambda finding: finding.severity != "must-fix")
    return "\n".join([f"Findings, in the {who}'s words:", "", *(_finding(each) for each in ordered)])


def _finding(finding: Finding) -> str:
    place = f" {code(f'{finding.path}:{finding.line}' if finding.line else finding.path)}" if finding.path else ""
    return f"- **{finding.severity}**{place}: {inline(finding.problem)}"

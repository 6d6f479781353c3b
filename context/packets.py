"""What each role starts from: pure functions from records to text.

The same records give the same bytes: no times, run ids, temporary paths or durations. What changes least comes first:
project and conventions, then task and documents, then evidence, and three lines at the end that say again what is
wanted and what to hand over.
"""

from collections.abc import Mapping, Sequence

from andon.context.diffs import diff_part, since_part
from andon.context.near import (
    NOTHING_NEAR,
    Near,
    convention_parts,
    document_parts,
    outline_parts,
    place_parts,
)
from andon.context.parts import (
    check_calls,
    checks_part,
    closed_paths,
    comparison_part,
    files_part,
    item,
    listed,
    plan_part,
    planned_task_part,
    project_part,
    protected_part,
    rules_part,
    security_part,
    task_part,
)
from andon.context.plain import clipped, one_line, plain, shown_path
from andon.context.project import Project
from andon.context.tree import tree_lines as tree_lines
from andon.records.checks import CheckRecord, Comparison
from andon.records.framed import framed
from andon.records.plan import AmendPlan, Plan
from andon.records.project import ProjectSetup, ProtectedRule
from andon.records.review import Finding, Review
from andon.records.task import Task

REPAIR_DIFF_BYTES = 12_000
"""The executor wrote the change, so it needs less of it than the reviewer; so does who has seen most of it before."""
_OUTSIDE = 50
_SAID_BYTES = 800


def planner_packet(
    task: Task,
    project: Project,
    protected: Sequence[ProtectedRule],
    setup: ProjectSetup,
    base: Sequence[CheckRecord],
    tree_lines: Sequence[str],
    near: Near = NOTHING_NEAR,
) -> str:
    """Return what the planner starts from; `near` is what of the base stands near the task."""
    proposed = "" if task.acceptance_criteria else ": the task names none, so propose criteria that a check can show"
    hand_over = "Hand over: read what you need, then call transfer_to_executor with the plan"
    hand_over += ", the criteria word for word" if task.acceptance_criteria else " and the criteria you propose"
    hand_over += "; ask_person if there can be no plan."
    return _packet(
        project_part(project, protected, setup, task),
        *convention_parts(near),
        task_part(task, task.acceptance_criteria, proposed, near.documents, near.folders),
        *document_parts(near),
        checks_part("# Checks at the base, before any change", base),
        *place_parts(near, closed_paths(protected, task)),
        "\n".join(["# Tree of the base", *(tree_lines or ["No files."])]),
        _closing(_goal("a plan for {}", task.acceptance_criteria), hand_over),
    )


def executor_packet(
    task: Task,
    project: Project,
    protected: Sequence[ProtectedRule],
    plan: Plan,
    setup: ProjectSetup,
    base: Sequence[CheckRecord],
    files: Mapping[str, str],
    near: Near = NOTHING_NEAR,
) -> str:
    """Return what the executor starts from.

    `files` are small ones of the plan, as they are at the base; `near` is what stands beside them.
    """
    return _packet(
        project_part(project, protected, setup, task),
        *convention_parts(near),
        planned_task_part(task, plan, [*near.documents, *files], near.folders),
        *document_parts(near),
        plan_part(plan),
        checks_part("# Checks at the base, before any change", base),
        *([files_part(files, near.new)] if files or near.new else []),
        *outline_parts(near, closed_paths(protected, task)),
        _closing(
            _goal("{} by the plan", plan.acceptance_criteria),
            "Hand over: make the change and its tests, then call transfer_to_reviewer with your report.",
            check_calls(setup),
        ),
    )


def reviewer_packet(
    task: Task,
    project: Project,
    protected: Sequence[ProtectedRule],
    plan: Plan,
    not_done: Sequence[str],
    earlier: Sequence[Review],
    rounds: int,
    head: Sequence[CheckRecord],
    comparison: Comparison,
    outside: Sequence[str],
    diff: str,
    since: str,
    amended: Sequence[AmendPlan] = (),
    allowed: Sequence[str] = (),
    *,
    base: Sequence[CheckRecord] = (),
    said: str = "",
    near: Near = NOTHING_NEAR,
) -> str:
    """Return what the reviewer starts from: records and the diff.

    Of the executor's words it holds its summary (`said`), what was left undone, and why the plan was amended. `base`
    and `head` are the checks of either side, `rounds` is how many reviews the run may hold, `earlier` the ones before
    this one, `outside` the changed paths the plan does not cover, `since` the diff from the tree of the review
    before, `allowed` the paths whose change a person allowed, `near` what of the base stands near the plan.
    """
    number = len(earlier) + 1
    if number < rounds:
        hand_over = 'Hand over: call hand_back with verdict "changes", or finish_review with "pass" or "fail".'
    else:
        hand_over = (
            "Hand over: hand_back is closed, since no review is left in which a repair could be judged "
            '(limits.review_rounds): call finish_review with "pass" or "fail".'
        )
    return _packet(
        rules_part(project),
        protected_part(protected),
        *convention_parts(near),
        planned_task_part(task, plan, near.documents, near.folders),
        *document_parts(near),
        plan_part(plan),
        *(_earlier_part(round_no, review) for round_no, review in enumerate(earlier, start=1)),
        *([_said_part(said)] if said else []),
        "\n".join(listed("# Left undone, as the executor says", not_done) or ["# Left undone", "Nothing was named."]),
        *([security_part(comparison)] if comparison.insecure else []),
        checks_part("# Checks at the head, run by the line in a fresh sandbox", head),
        comparison_part(comparison, base, head),
        *([_outside_part(outside)] if outside else []),
        *([_amended_part(amended)] if amended else []),
        *(["\n".join(listed("# Allowed by a person", [shown_path(path) for path in allowed]))] if allowed else []),
        *outline_parts(near, closed_paths(protected, task)),
        *([since_part(since, diff, f"since review {number - 1}", REPAIR_DIFF_BYTES)] if earlier else []),
        diff_part(diff),
        _closing(
            _goal("a verdict on {}", plan.acceptance_criteria),
            f"This is review {number} of at most {rounds}. {hand_over}",
        ),
    )


def repair_packet(
    task: Task,
    project: Project,
    protected: Sequence[ProtectedRule],
    plan: Plan,
    setup: ProjectSetup,
    review: Review,
    comparison: Comparison,
    diff: str,
    near: Near = NOTHING_NEAR,
    *,
    last: bool = False,
) -> str:
    """Return what the executor starts from after the reviewer handed the change back, for the `last` time or not."""
    return _packet(
        rules_part(project),
        protected_part(protected),
        *convention_parts(near),
        planned_task_part(task, plan, near.documents, near.folders),
        *document_parts(near),
        plan_part(plan),
        f"# Checks of the change: {comparison.outcome}\n{one_line(comparison.reason)}",
        *outline_parts(near, closed_paths(protected, task)),
        diff_part(diff, REPAIR_DIFF_BYTES),
        _review_part(review),
        _closing(
            _goal("{} by plan and review", plan.acceptance_criteria),
            f"{'This is the last repair. ' if last else ''}Hand over: mend every must-fix finding, then call "
            "transfer_to_reviewer with your report.",
            check_calls(setup),
        ),
    )


def _earlier_part(round_no: int, review: Review) -> str:
    return "\n".join([f"# Review {round_no} asked for", *_findings(review)])


def _findings(review: Review) -> list[str]:
    return [
        line
        for severity in ("must-fix", "note")
        for line in listed(f"{severity}:", [_finding(each) for each in review.findings if each.severity == severity])
    ]


def _outside_part(outside: Sequence[str]) -> str:
    paths = [f"- {shown_path(path)}" for path in outside[:_OUTSIDE]]
    more = [f"- and {len(outside) - _OUTSIDE} more"] if len(outside) > _OUTSIDE else []
    return "\n".join(["# Changed outside the plan's files: judge whether each is needed", *paths, *more])


def _amended_part(amended: Sequence[AmendPlan]) -> str:
    each = [f"{', '.join(map(shown_path, one.paths))}: {one.why}" for one in amended]
    return "\n".join(listed("# Added to the plan by the executor: judge whether each had to be", each))


def _said_part(said: str) -> str:
    words = framed(clipped(plain(said), _SAID_BYTES)[0], "the executor")
    return f"# What the executor says it did: its own words, checked by nobody\n{words}"


def _review_part(review: Review) -> str:
    unmet = [f"{each.number}: {each.evidence}" for each in review.criteria if each.status == "not met"]
    lines = ["# Review: changes are needed", item(review.summary, "Reason: "), *_findings(review)]
    return "\n".join([*lines, *listed("Criteria not met:", unmet)])


def _finding(finding: Finding) -> str:
    place = shown_path(finding.path) + (f":{finding.line}" if finding.line else "")
    return f"{place}: {finding.problem}" if finding.path else finding.problem


def _closing(goal: str, hand_over: str, before: str = "") -> str:
    return "\n".join(["# Now", goal, hand_over, *([before] if before else [])])


def _goal(wanted: str, criteria: Sequence[str]) -> str:
    """Return what is wanted by the numbers of the criteria: the task's title may hold a guess at the cause."""
    numbers = ", ".join(str(number) for number in range(1, len(criteria) + 1))
    what = f"criteria {numbers}" if len(criteria) > 1 else "criterion 1" if criteria else "what the task asks"
    return f"Goal: {wanted.format(what)}"


def _packet(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"

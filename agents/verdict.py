"""The reviewer's two endings: what a review must hold for each, and the tool that ends the run."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from agents import FunctionTool
from agents.tool_context import ToolContext

from andon.agents.endings import FINISH, HAND_BACK
from andon.agents.handoffs import Accepted, deliver
from andon.agents.payloads import payload_schema
from andon.agents.replies import Repairable
from andon.records.review import Finding, Review


class ChangesReview(Review):
    """A review that sends work back. Narrower than Review, so that the schema offers nothing the tool refuses."""

    verdict: Literal["changes"]
    """Sends the change back."""
    findings: list[Finding]
    """At least one `must-fix`."""


class FinalReview(Review):
    """A review that ends the run."""

    verdict: Literal["pass", "fail"]
    """`fail` if a must-fix remains that no review is left for, or repair is hopeless."""
    findings: list[Finding]
    """Empty, or notes, for a pass."""


def check_changes(review: Review) -> None:
    """Raise `Repairable` unless `review` says what must be fixed."""
    if not _must_fix(review.findings):
        raise Repairable(
            f"Refused: {HAND_BACK} needs at least one finding with severity `must-fix`. If nothing must be fixed, "
            f"call {FINISH}."
        )


def check_final(review: Review, against: Sequence[str] = ()) -> None:
    """Raise `Repairable` if a pass contradicts its own findings or criteria, or what others found (`against`: who)."""
    if review.verdict == "fail":
        return
    if against:
        raise Repairable(
            f"Refused: what the {' and the '.join(against)} found must be fixed first. Call {HAND_BACK} if you are "
            f"offered it, else {FINISH} with fail."
        )
    if _must_fix(review.findings):
        raise Repairable(
            f"Refused: a pass cannot hold a `must-fix` finding. Call {HAND_BACK}, or make it a `note` if it can stay."
        )
    if unmet := [str(item.number) for item in review.criteria if item.status == "not met"]:
        raise Repairable(
            f"Refused: a pass cannot hold a criterion that is `not met` ({', '.join(unmet)}). Call {HAND_BACK}."
        )


def finish_tool(receive: Callable[[FinalReview], Awaitable[str]], refused: Callable[[str], None]) -> FunctionTool:
    """Return the tool `finish_review`; `receive` and `refused` are those of `deliver`."""

    async def invoke(_: ToolContext[Any], raw: str) -> str:
        outcome = await deliver(raw, payload=FinalReview, receive=receive, refused=refused)
        return outcome.text if isinstance(outcome, Accepted) else outcome.problem

    return FunctionTool(
        name=FINISH,
        description="End the review with pass or fail.",
        params_json_schema=payload_schema(FinalReview),
        on_invoke_tool=invoke,
    )


def _must_fix(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "must-fix" for finding in findings)

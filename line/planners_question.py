"""The one question a planner may ask a person, where a task cannot be acted on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.steps import Gate
from andon.records.calls import Decision
from andon.records.stops import StopCode

if TYPE_CHECKING:
    from andon.line.lane import Lane

ASK_PERSON = "ask_person"


def judge_question(lane: "Lane", _: Mapping[str, Any]) -> Decision:
    """Return whether the planner may ask; it may once."""
    if lane.counts.questions or lane.question:
        reason = "a person was asked once in this run already: plan with what is known, and name the rest under risks"
        return Decision(verdict="refuse", rule="asked", reason=reason)
    return Decision(verdict="allow", rule="default", reason="")


async def ask_planners(lane: "Lane") -> str:
    """Put the planner's question to a person and return what the planner is told.

    Raises:
        RunError: as `Engine.wait`; the stop is `question`, with the question in it.
    """
    question = one_line(clean_text(lane.question))
    gate = Gate(
        f"question-{lane.counts.questions + 1}",
        "question",
        f"The planner asks: {question}",
        StopCode.QUESTION,
        shown="Yes: as it would do without an answer. No, with your words: that is the answer.",
    )
    answer = await lane.engine.wait(gate)
    lane.counts.questions, lane.question = lane.counts.questions + 1, ""
    if answer.kind != "no":
        return "A person says: do as you would without an answer."
    return f"A person answers: {answer.text or 'I cannot say; plan with what is known'}"

"""`memory.md`: what a run leaves for later ones."""

from collections.abc import Sequence

from andon.delivery.checks_table import outcome_line
from andon.delivery.escape import code, inline, quoted
from andon.guardrails.lessons import judge_lesson
from andon.guardrails.origin import origin_of
from andon.records.calls import Decision
from andon.records.checks import Comparison
from andon.records.result import FileStat
from andon.records.review import Review
from andon.records.stops import MEANINGS, StopCode
from andon.records.task import Task

FACTS_HEADING = "## Facts (from records)"
"""Above what later planners may be given, as untrusted data."""
LESSON_HEADING = "## Lesson proposed by the executor (not read by any run until a person promotes it)"
"""Above what a model wrote; quoted line by line, so it cannot hold a heading of its own."""
DROPPED_HEADING = "## Lesson (dropped)"
"""In place of a lesson that may not be remembered; nobody can promote it."""

_VERIFIED = frozenset({StopCode.DELIVERED})
_WHOSE = "A model's words; no record shows them."
_SHOWN = 20


def memory_md(
    task: Task,
    stop_code: StopCode,
    comparison: Comparison | None,
    stats: Sequence[FileStat],
    reviews: Sequence[Review],
    lesson: str,
) -> str:
    """Return the facts, and the lesson a model proposed if it did; without one there is no such part.

    A lesson that `judge_lesson` refuses is left out, and the rule named in its place.
    """
    facts = [
        f"- Task {code(task.id)}: {inline(task.title)}",
        f"- Ended: {stop_code.value} (task is {MEANINGS[stop_code].status})",
        f"- Checks: {outcome_line(comparison)}",
        f"- Review rounds: {len(reviews)}{_verdicts(reviews)}",
        *_capped("Changed", [stat.path for stat in stats]),
        *(_tests(comparison) if comparison else []),
    ]
    parts = [f"# Memory of {code(task.id)}", FACTS_HEADING, "\n".join(facts)]
    if lesson.strip():
        parts += _lesson(lesson, judge_lesson(lesson, origin_of(task.source), verified=stop_code in _VERIFIED))
    return "\n\n".join(parts) + "\n"


def _lesson(lesson: str, decision: Decision) -> list[str]:
    if decision.verdict == "refuse":
        return [
            DROPPED_HEADING,
            f"The executor proposed one, and it was left out ({decision.rule}): {decision.reason}.",
        ]
    waits = f" Needs care ({decision.rule}): {decision.reason}." if decision.verdict == "ask" else ""
    return [LESSON_HEADING, f"{_WHOSE}{waits}\n\n{quoted(lesson)}"]


def _verdicts(reviews: Sequence[Review]) -> str:
    return f" ({', '.join(review.verdict for review in reviews)})" if reviews else ""


def _tests(comparison: Comparison) -> list[str]:
    return [
        *_capped("Newly failing", comparison.newly_failing),
        *_capped("Still failing", comparison.still_failing),
        *_capped("Differ from run to run", comparison.flaky),
        *_capped("Gone", comparison.gone),
        *_capped("Pass only because the test was edited", comparison.edited),
        *_capped("Fixed", comparison.fixed),
    ]


def _capped(heading: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"- {heading}: {', '.join(code(name) for name in names[:_SHOWN])}{more}"]

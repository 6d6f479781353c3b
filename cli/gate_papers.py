"""What a person reads before answering a gate: the plan in words, the evidence with the tests' diff."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from andon.cli.diff_view import show_diff
from andon.cli.printing import BAD, GOOD, MUTED, say
from andon.context.diffs import FileDiff, split_diff
from andon.guardrails.test_files import is_test_file
from andon.records.checks import Comparison, TestResult
from andon.records.plan import PlanPayload

_DIFF_LINES = 400
_TESTS = 20


def show_plan(console: Console, plan: PlanPayload, *, proposed: bool) -> None:
    """Print the whole plan; `proposed` marks its criteria as the planner's own."""
    console.print()
    say(console, (plan.summary, "bold"), mark="Plan: ", style="bold")
    _list(console, "Steps", plan.steps, numbered=True)
    _list(console, "Files", plan.files)
    _list(console, "Tests", plan.tests)
    _list(console, "Risks", plan.risks)
    whose = " (proposed by the planner: the task names none)" if proposed else ""
    _list(console, f"Acceptance criteria{whose}", plan.acceptance_criteria, numbered=True)


def _list(console: Console, heading: str, texts: Sequence[str], *, numbered: bool = False) -> None:
    say(console, (heading, "bold"))
    for number, text in enumerate(texts, start=1):
        say(console, text, mark=f"  {number}. " if numbered else "  - ")
    if not texts:
        say(console, ("none named", MUTED), mark="  ")


def show_facts(console: Console, facts: str) -> None:
    """Print what a question is about; it was cleaned where it was made, lines of a diff in their colours."""
    console.print()
    in_diff = False
    for line in facts.splitlines():
        in_diff = in_diff or line.startswith("--- a/")
        style = {"+": GOOD, "-": BAD, "@": MUTED}.get(line[:1], "") if in_diff else ""
        say(console, (line, style), mark="  ")


def show_evidence(console: Console, papers: Path) -> None:
    """Print the tests of the base that were changed or are gone, then the diff, theirs first."""
    comparison = TestResult.model_validate_json((papers / "test-result.json").read_bytes()).comparison
    files = split_diff((papers / "diff.patch").read_text(encoding="utf-8", errors="backslashreplace"))
    console.print()
    if comparison is None:
        say(console, ("The checks of the change did not run.", BAD))
    else:
        _tests(console, "Tests of the base that are gone", comparison.gone)
        _tests(console, "Tests of the base that pass only because they were edited", comparison.edited)
        _tests(console, "Tests that differ from run to run", comparison.flaky)
    say(console, ("The change, tests first", "bold"))
    whole = f"the whole is in {papers / 'diff.patch'}"
    show_diff(console, _ordered(files, comparison), most=_DIFF_LINES, whole=whole)


def _tests(console: Console, heading: str, names: Sequence[str]) -> None:
    if not names:
        return
    say(console, (heading, "bold"))
    for name in names[:_TESTS]:
        say(console, name, mark="  - ")
    if len(names) > _TESTS:
        say(console, (f"and {len(names) - _TESTS} more, in test-result.json", MUTED), mark="  ")


def _ordered(files: Sequence[FileDiff], comparison: Comparison | None) -> list[FileDiff]:
    """Put the files of edited and removed tests first, then other tests, then the rest."""
    named = [*comparison.gone, *comparison.edited] if comparison else []
    owners = {name.partition("::")[0] for name in named}

    def rank(file: FileDiff) -> int:
        return 0 if file.path in owners else 1 if is_test_file(file.path) else 2

    return sorted(files, key=rank)

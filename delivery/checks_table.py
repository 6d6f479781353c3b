"""Check results as a table, for papers and for the terminal alike."""

from collections.abc import Sequence

from andon.context.parts import cases, summary_of
from andon.context.scan_parts import scan_lines, security_lines
from andon.delivery.escape import code, inline
from andon.records.checks import CheckRecord, Comparison

_HEADINGS: dict[str, str] = {
    "green": "Green: everything passes.",
    "red-as-before": "Red as before: nothing new fails; what is red was red at the base.",
    "red-new": "Red: something that passed at the base fails now.",
    "changed-tests": "Tests of the base were changed or removed: a person decides.",
    "flaky": "Flaky: a test differs from run to run on the same tree. A person decides.",
    "none": "No evidence: the checks cannot show whether the change is good. A person decides.",
}
_INSECURE = "New security findings: a person decides."
_SHOWN_TESTS = 50


def outcome_line(comparison: Comparison | None) -> str:
    """Return what the checks showed in a sentence, and before it that something new is insecure."""
    if comparison is None:
        return "The checks of the change did not run."
    heading = _HEADINGS[comparison.outcome]
    return f"{_INSECURE} {heading}" if comparison.insecure else heading


def checks_table(base: Sequence[CheckRecord], head: Sequence[CheckRecord], comparison: Comparison | None) -> str:
    """Return a Markdown table of every check at base and head, below it the tests that differ or fail, and the scans.

    New security findings stand above it.
    """
    before = {record.name: record for record in base}
    after = {record.name: record for record in head}
    rows = [("check", "base", "head")]
    rows += [
        (code(name).replace("|", "\\|"), _cell(before.get(name)), _cell(after.get(name)))
        for name in {**before, **after}
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [_row(row, widths) for row in rows]
    lines.insert(1, _row(tuple("-" * width for width in widths), widths))
    first = _listed("New security findings", security_lines(comparison)) if comparison else []
    last = [*_tests(comparison), *_listed("Scans", scan_lines(comparison))] if comparison else []
    # The list is followed by a blank line, else a table would be a part of its last item.
    return "\n".join([*first[1:], *([""] if first else []), *lines, *_not_run(base, head), *last])


def _listed(heading: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{heading}:", "", *(f"- {inline(line)}" for line in lines)] if lines else []


def _cell(record: CheckRecord | None) -> str:
    return inline(summary_of(record)) if record else "not run"


def _not_run(base: Sequence[CheckRecord], head: Sequence[CheckRecord]) -> list[str]:
    why = {record.name: record.reason for record in (*base, *head) if record.reason}
    return ["", "Not run:", "", *(f"- {code(name)}: {inline(reason)}" for name, reason in why.items())] if why else []


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _tests(comparison: Comparison) -> list[str]:
    groups = {
        "Newly failing": comparison.newly_failing,
        "Still failing, as before": comparison.still_failing,
        "Differ from run to run": comparison.flaky,
        "Gone": comparison.gone,
        "Pass only because the test was edited": comparison.edited,
        "Weaker than at the base": comparison.weakened,
        "Fixed": cases(comparison.fixed),
        "New, and fail on the base": cases(comparison.new_failing_at_base),
        "New, and pass on the base too": cases(comparison.new_passing_at_base),
        "Edited, and fail on the base as edited": cases(comparison.strengthened),
    }
    lines: list[str] = []
    for heading, tests in groups.items():
        if tests:
            lines += ["", f"{heading}:", "", *(f"- {code(test)}" for test in tests[:_SHOWN_TESTS])]
            lines += [f"- and {len(tests) - _SHOWN_TESTS} more"] if len(tests) > _SHOWN_TESTS else []
    return lines

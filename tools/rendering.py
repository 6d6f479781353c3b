"""A test run as models read it: the same text whenever and wherever the same tests end the same way."""

import re
from collections import Counter
from collections.abc import Sequence

from andon.guardrails.output import clean
from andon.records.checks import TestOutcome
from andon.tools.report import timeless
from andon.tools.runs import NO_PROGRAM, TestRun

_ORDER: tuple[TestOutcome, ...] = ("failed", "error", "passed", "skipped")
_FULL = 5
"""So many failures are explained in full: more of them mostly repeat one cause, and stay in every later request."""
_SHOWN = 40
_EXPLANATION = 700
_FIRST_LINE = 160
_ALIKE_BYTES = 1_000
_REST_BYTES = 2_000
_TAIL_BYTES = 4_000
_PLACE = re.compile(r"\S+:\d+")


def render_tests(run: TestRun) -> str:
    """Return a test run as text: exit code, counts, and where and why tests failed; failures alike are told once."""
    status = f"exit code {run.exit_code}" + (" (stopped at the time limit)" if run.timed_out else "")
    if run.no_tests:
        return f"{status}\nno tests were found"
    if run.reason and run.exit_code != NO_PROGRAM:
        return f"{status}\nno test ran: {run.reason}"
    if run.granularity != "test-id":
        return "\n".join([status, *_by_exit_code(run)])
    count = Counter(run.tests.values())
    lines = [status, ", ".join(f"{count[outcome]} {outcome}" for outcome in _ORDER if count[outcome])]
    groups = _alike(run)
    for number, names in enumerate(groups[:_SHOWN]):
        lines.append(f"{run.tests[names[0]]} {names[0]}")
        lines += [f"  {line}" for line in _explained(run.failures.get(names[0], ""), full=number < _FULL)]
        lines += [f"  the same in {len(names) - 1} more: {_listed(names[1:], _ALIKE_BYTES)}"] if names[1:] else []
    rest = [name for names in groups[_SHOWN:] for name in names]
    lines += [f"[… {len(rest)} more failures: {_listed(rest, _REST_BYTES)}]"] if rest else []
    return "\n".join(lines)


def _alike(run: TestRun) -> list[list[str]]:
    """Return the tests that failed, those with one explanation together, places apart."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, outcome in run.tests.items():
        if outcome in ("failed", "error"):
            why = [line for line in run.failures.get(name, "").split("\n") if line and not _PLACE.fullmatch(line)]
            # What nothing explains is not known to be alike.
            groups.setdefault((outcome, "\n".join(why) or name), []).append(name)
    return list(groups.values())


def _listed(names: Sequence[str], room: int) -> str:
    """Return names, the cases of one test as `name (4 cases)`, as many as `room` bytes hold."""
    counts = Counter(name.partition("[")[0] if name.endswith("]") else name for name in names)
    shown: list[str] = []
    for name, count in counts.items():
        entry = f"{name} ({count} cases)" if count > 1 else next(one for one in names if one.startswith(name))
        room -= len(entry.encode()) + 2
        if room < 0 and shown:
            return f"{', '.join(shown)} and {len(counts) - len(shown)} more"
        shown.append(entry)
    return ", ".join(shown)


def _explained(failure: str, *, full: bool) -> list[str]:
    text = failure if full else next((line for line in failure.split("\n") if line.strip()), "")
    limit = _EXPLANATION if full else _FIRST_LINE
    if len(text) > limit:
        text = f"{text[:limit]} [… {len(text) - limit} more characters; cut]"
    return [line for line in text.split("\n") if line]


def _by_exit_code(run: TestRun) -> list[str]:
    if run.exit_code == 0:
        return ["the command succeeded; it does not tell results by test"]
    tail = clean(run.output, cap=_TAIL_BYTES, rest="run the command with run_command to see it all").strip("\n")
    return ["results by test are not known; the output was:", timeless(tail)]

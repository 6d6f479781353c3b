"""A test run as models read it: the same text whenever and wherever the same tests end the same way."""

from collections import Counter
from collections.abc import Sequence

from andon.guardrails.output import clean
from andon.records.checks import TestOutcome
from andon.tools.explanations import explained, is_place, place_of, reason
from andon.tools.line_text import cut_line
from andon.tools.report import timeless
from andon.tools.runs import NO_PROGRAM, TestRun

_ORDER: tuple[TestOutcome, ...] = ("failed", "error", "passed", "skipped")
_FULL = 5
"""So many failures are explained in full: more of them mostly repeat one cause, and stay in every later request."""
_REASONS_BYTES = 5_000
"""What the failures after those may take with one line of reason each; the rest is named alone."""
_ALIKE_BYTES = 1_000
_REST_BYTES = 2_000
_TAIL_BYTES = 4_000
_NAME = 500
"""Characters of a test's name; pytest puts whole parameters into it."""
_PLACED = 3
"""Of so many failures alike each is told with its place."""
_PASSED, _PASSED_BYTES = 8, 600
"""So many tests that passed beside failures are told by name."""


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
    seen: set[str] = set()
    room = _REASONS_BYTES
    for number, names in enumerate(groups):
        told = _told(run, names, seen if number < _FULL else None)
        room -= sum(len(line.encode()) + 1 for line in told) if number >= _FULL else 0
        if room < 0:
            rest = [name for left in groups[number:] for name in left]
            lines.append(f"[… {len(rest)} more failures: {_listed(rest, _REST_BYTES)}]")
            break
        lines += told
    return "\n".join([*lines, *_passed_beside(run)])


def _told(run: TestRun, names: Sequence[str], seen: set[str] | None) -> list[str]:
    """Return the lines about tests that failed alike: the first with its reason, in full if `seen`; others by name."""
    failure = run.failures.get(names[0], "")
    lines = [f"{run.tests[names[0]]} {cut_line(names[0], _NAME)}"]
    lines += [f"  {line}" for line in (reason(failure) if seen is None else explained(failure, seen))]
    return lines + ([f"  the same in {len(names) - 1} more: {_others(run, names)}"] if names[1:] else [])


def _others(run: TestRun, names: Sequence[str]) -> str:
    """Return all `names` but the first, with their places where they are few and lie elsewhere than that."""
    first, *others = ((name, place_of(run.failures.get(name, ""))) for name in names)
    placed = ", ".join(f"{name} ({place})" if place else name for name, place in others)
    few = len(others) <= _PLACED and len(placed.encode()) <= _ALIKE_BYTES
    apart = any(place not in ("", first[1]) for _, place in others)
    return placed if few and apart else _listed(names[1:], _ALIKE_BYTES)


def _passed_beside(run: TestRun) -> list[str]:
    """Return which tests passed in the files of those that failed, where they are few."""
    red = {name.partition("::")[0] for name, outcome in run.tests.items() if outcome in ("failed", "error")}
    passed: dict[str, list[str]] = {}
    for name, outcome in run.tests.items():
        file, mark, test = name.partition("::")
        if mark and outcome == "passed" and file in red:
            passed.setdefault(file, []).append(test)
    lines = [f"passed in {file}: {', '.join(tests)}" for file, tests in passed.items()]
    few = sum(map(len, passed.values())) <= _PASSED and len("\n".join(lines).encode()) <= _PASSED_BYTES
    return lines if few else []


def _alike(run: TestRun) -> list[list[str]]:
    """Return the tests that failed, those with one explanation together, places apart."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, outcome in run.tests.items():
        if outcome in ("failed", "error"):
            why = [line for line in run.failures.get(name, "").split("\n") if line and not is_place(line)]
            # What nothing explains is not known to be alike.
            groups.setdefault((outcome, "\n".join(why) or name), []).append(name)
    return list(groups.values())


def _listed(names: Sequence[str], room: int) -> str:
    """Return names, the cases of one test as `name (4 cases)`, as many as `room` bytes hold."""
    counts = Counter(name.partition("[")[0] if name.endswith("]") else name for name in names)
    shown: list[str] = []
    for name, count in counts.items():
        whole = next(one for one in names if one.startswith(name))
        entry = f"{cut_line(name, _NAME)} ({count} cases)" if count > 1 else cut_line(whole, _NAME)
        room -= len(entry.encode()) + 2
        if room < 0 and shown:
            return f"{', '.join(shown)} and {len(counts) - len(shown)} more"
        shown.append(entry)
    return ", ".join(shown)


def _by_exit_code(run: TestRun) -> list[str]:
    if run.exit_code == 0:
        return ["the command succeeded; it does not tell results by test"]
    tail = clean(run.output, cap=_TAIL_BYTES, rest="run the command with run_command to see it all").strip("\n")
    return ["results by test are not known; the output was:", timeless(tail)]

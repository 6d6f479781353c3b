"""Structured test runs: used by the run_tests tool, and by the line for its check records."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from andon.guardrails.output import clean
from andon.records.checks import Granularity, TestOutcome
from andon.records.project import Command
from andon.sandbox.protocol import Finished, Sandbox
from andon.tools.junit import Report, read_junit

_NO_TESTS = 5
"""Exit code of pytest where it found no test; https://docs.pytest.org/en/stable/reference/exit-codes.html."""
_REPORT_BYTES = 16_000_000
_OUTPUT_BYTES = 1_000_000
_FULL_FAILURES = 5
"""So many failures are explained in full: more of them mostly repeat one cause, and stay in every later request."""
_SHOWN_FAILURES = 40
_EXPLANATION = 700
_FIRST_LINE = 160
_TAIL_BYTES = 4_000
_TAKES_VALUE = frozenset({"-k", "-m", "-p", "-o", "-c", "-W", "-n", "-r"})
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
}
_DURATION = re.compile(r"\b\d+(\.\d+)?\s?(ms|µs|s|sec|secs|seconds?|m)\b|\(\d+\.\d+\)")
_REPORT_LINE = re.compile(rb"^-* ?generated xml file: .*\n?", re.MULTILINE)


@dataclass(frozen=True)
class TestRun:
    """How one test command ended."""

    __test__ = False  # not a test class, whatever its name says to pytest

    exit_code: int
    """Of the command; 124 when `timed_out`, 127 when its program is missing."""
    timed_out: bool
    """True if the time limit ended it."""
    granularity: Granularity
    """`test-id` if `tests` is known, else `exit-code`."""
    tests: dict[str, TestOutcome] = field(default_factory=dict)
    """Outcome by test id, sorted."""
    failures: dict[str, str] = field(default_factory=dict)
    """Where and why, for tests that failed."""
    output: bytes = b""
    """What the command printed: both ends if it was long."""
    seconds: float = 0.0
    """Wall time."""
    no_tests: bool = False
    """True if the runner says that it found no test."""

    @property
    def passed(self) -> bool:
        """True if the command succeeded and nothing known speaks against it."""
        bad = any(outcome in ("failed", "error") for outcome in self.tests.values())
        return self.exit_code == 0 and not self.timed_out and not self.no_tests and not bad


async def run_test_command(
    sandbox: Sandbox, command: Command, *, select: Sequence[str] = (), time_limit: float
) -> TestRun:
    """Run a test command in the sandbox and return its results by test id where its runner tells them.

    Args:
        select: Test files or ids to run instead of all; for pytest only, ignored by other runners.
        time_limit: In seconds.
    """
    if command.runner == "pytest":
        return await _run_pytest(sandbox, command, select, time_limit)
    if command.runner == "go" and command.argv[1:2] == ("test",):
        done = await _run(sandbox, command, ["go", "test", "-json", *command.argv[2:]], time_limit)
        return _result(done, read_go_events(done.output) if not done.dropped else None)
    return _result(await _run(sandbox, command, list(command.argv), time_limit), None)


async def _run_pytest(sandbox: Sandbox, command: Command, select: Sequence[str], time_limit: float) -> TestRun:
    # A new name each time: what an earlier process left in the scratch space is never taken for a report.
    report = f"/tmp/andon-{secrets.token_hex(8)}.xml"  # noqa: S108 - inside the sandbox
    argv = [*(_without_paths(command.argv) if select else command.argv), "-o", "junit_family=xunit1"]
    # A fixed scratch folder: pytest's own name for it counts up, and would differ between a run and its replay.
    argv += [f"--junitxml={report}", "--basetemp=/tmp/pytest", "-p", "no:cacheprovider", "-q", "--tb=short", *select]
    done = await _run(sandbox, command, argv, time_limit)
    try:
        data = await sandbox.read(report, limit=_REPORT_BYTES)
    except OSError:
        data = b""
    no_tests = done.exit_code == _NO_TESTS
    return _result(done, None if done.timed_out or no_tests else read_junit(data), no_tests=no_tests)


def _without_paths(argv: Sequence[str]) -> list[str]:
    """Return a pytest command without the files and folders it names."""
    start = next(
        (at for at, word in enumerate(argv) if word.rsplit("/", 1)[-1] in ("pytest", "py.test")), len(argv) - 1
    )
    kept = list(argv[: start + 1])
    for before, word in zip(argv[start:], argv[start + 1 :], strict=False):
        if word.startswith("-") or before in _TAKES_VALUE or (before.startswith("--") and "=" not in before):
            kept.append(word)
    return kept


async def _run(sandbox: Sandbox, command: Command, argv: Sequence[str], time_limit: float) -> Finished:
    return await sandbox.run(
        argv, cwd=command.cwd, env=_ENVIRONMENT, time_limit=time_limit, output_cap=_OUTPUT_BYTES
    )  # fmt: skip


def _result(done: Finished, report: Report | None, *, no_tests: bool = False) -> TestRun:
    output = _REPORT_LINE.sub(b"", done.output)
    known = report is not None and bool(report.tests) and not done.timed_out
    if known and report is not None and done.exit_code != 0:
        # A report that shows nothing wrong although the command failed is wrong itself, or not the runner's.
        known = any(outcome in ("failed", "error") for outcome in report.tests.values())
    if not known or report is None:
        return TestRun(done.exit_code, done.timed_out, "exit-code", {}, {}, output, done.seconds, no_tests)
    return TestRun(done.exit_code, False, "test-id", report.tests, report.failures, output, done.seconds)


def read_go_events(output: bytes) -> Report | None:
    """Return the results in the output of `go test -json`, ids as `package::Test`; None if it holds none."""
    tests: dict[str, TestOutcome] = {}
    printed: dict[str, list[str]] = {}
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict) or not isinstance(event.get("Package"), str):
            continue
        test, action = event.get("Test"), event.get("Action")
        name = f"{event['Package']}::{test}" if test else event["Package"]
        if action == "output":
            printed.setdefault(name, []).append(str(event.get("Output", "")))
        elif test and action in ("pass", "fail", "skip"):
            tests[name] = {"pass": "passed", "fail": "failed", "skip": "skipped"}[action]  # type: ignore[assignment]
        elif action == "fail" and not any(known.startswith(f"{name}::") for known in tests):
            tests[name] = "error"
    failures = {name: _go_explanation(printed.get(name, [])) for name in tests if tests[name] in ("failed", "error")}
    return Report(dict(sorted(tests.items())), dict(sorted(failures.items()))) if tests else None


def _go_explanation(printed: Sequence[str]) -> str:
    text = clean("".join(printed).encode(), cap=_TAIL_BYTES)
    kept = [line for line in text.split("\n") if line.strip() and not re.match(r"\s*(===|---|FAIL\b|ok\b)", line)]
    return _DURATION.sub("<time>", "\n".join(kept))


def render_tests(run: TestRun) -> str:
    """Return a test run as models read it: the same text whenever and wherever the same tests end the same way."""
    status = f"exit code {run.exit_code}" + (" (stopped at the time limit)" if run.timed_out else "")
    if run.no_tests:
        return f"{status}\nno tests were found"
    if run.granularity != "test-id":
        return "\n".join([status, *_by_exit_code(run)])
    counts = [(sum(found == outcome for found in run.tests.values()), outcome) for outcome in _ORDER]
    lines = [status, ", ".join(f"{count} {outcome}" for count, outcome in counts if count)]
    bad = [name for name in run.tests if run.tests[name] in ("failed", "error")]
    for number, name in enumerate(bad[:_SHOWN_FAILURES]):
        lines.append(f"{run.tests[name]} {name}")
        lines += [f"  {line}" for line in _explained(run.failures.get(name, ""), full=number < _FULL_FAILURES)]
    if len(bad) > _SHOWN_FAILURES:
        lines.append(f"[… {len(bad) - _SHOWN_FAILURES} more failures: {', '.join(bad[_SHOWN_FAILURES:][:50])}]")
    return "\n".join(lines)


def _explained(failure: str, *, full: bool) -> list[str]:
    text = failure if full else next((line for line in failure.split("\n") if line.strip()), "")
    limit = _EXPLANATION if full else _FIRST_LINE
    if len(text) > limit:
        text = f"{text[:limit]} [… {len(text) - limit} more characters; cut]"
    return [line for line in text.split("\n") if line]


_ORDER: tuple[TestOutcome, ...] = ("failed", "error", "passed", "skipped")


def _by_exit_code(run: TestRun) -> list[str]:
    if run.exit_code == 0:
        return ["the command succeeded; it does not tell results by test"]
    tail = clean(run.output, cap=_TAIL_BYTES, rest="run the command with run_command to see it all").strip("\n")
    return ["results by test are not known; the output was:", _DURATION.sub("<time>", tail)]

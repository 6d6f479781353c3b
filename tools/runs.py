"""One test command that was run: how it ended, and what its runner's report is believed to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from andon.records.checks import Granularity, TestOutcome
from andon.records.project import Command
from andon.sandbox.protocol import Finished, Sandbox
from andon.tools.report import Report

NO_PROGRAM = 127
"""Exit code where the program, or one a script of the project calls, is missing in the sandbox."""
REPORT_BYTES = 16_000_000
"""At most so much of a report is read; of a longer one nothing is believed."""
_OUTPUT_BYTES = 1_000_000

CHECK_ENVIRONMENT: Mapping[str, str] = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
    # No network: what is missing is said at once and plainly, instead of after a search for hosts.
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    "CARGO_NET_OFFLINE": "true",
    "npm_config_offline": "true",
    "npm_config_update_notifier": "false",
    # Built files never lie among the project's.
    "GOCACHE": "/tmp/go-build",  # noqa: S108 - inside the sandbox
    "CARGO_TARGET_DIR": "/tmp/cargo-target",  # noqa: S108 - inside the sandbox
    "CARGO_TERM_COLOR": "never",
    "RUST_BACKTRACE": "0",
}
"""Added to the environment of every check command, of tests and of static checks."""


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
    reason: str = ""
    """Why no test ran, and what would let them; empty where the command began as it should."""

    @property
    def passed(self) -> bool:
        """True if the command succeeded, some test of it ran, and nothing known speaks against it."""
        bad = any(outcome in ("failed", "error") for outcome in self.tests.values())
        return self.exit_code == 0 and not self.timed_out and not self.reason and not bad


async def execute(
    sandbox: Sandbox,
    command: Command,
    argv: Sequence[str],
    time_limit: float,
    *,
    added: Mapping[str, str] | None = None,
    output_cap: int = _OUTPUT_BYTES,
) -> Finished:
    """Run `argv` where `command` runs, with its environment and `added`."""
    environment = {**CHECK_ENVIRONMENT, **(added or {})}
    return await sandbox.run(argv, cwd=command.cwd, env=environment, time_limit=time_limit, output_cap=output_cap)


def ended(done: Finished, report: Report | None, *, output: bytes | None = None, reason: str = "") -> TestRun:
    """Return what is believed of a command and its report.

    A report that shows nothing wrong although the command failed is wrong itself, or not the runner's: then only the
    exit code is known. An empty one of a command that succeeded says that there is no test.
    """
    shown = done.output if output is None else output
    if done.exit_code == NO_PROGRAM and report is None:
        reason = reason or "a program it needs is not installed in the sandbox"
    if reason or report is None or done.timed_out:
        return TestRun(done.exit_code, done.timed_out, "exit-code", {}, {}, shown, done.seconds, False, reason)
    if not report.tests and done.exit_code == 0:
        return nothing_found(done, shown)
    bad = any(outcome in ("failed", "error") for outcome in report.tests.values())
    if not report.tests or (done.exit_code != 0 and not bad):
        return TestRun(done.exit_code, False, "exit-code", {}, {}, shown, done.seconds)
    return TestRun(done.exit_code, False, "test-id", report.tests, report.failures, shown, done.seconds)


def nothing_found(done: Finished, output: bytes) -> TestRun:
    """Return the run of a command whose runner says that it found no test."""
    return TestRun(done.exit_code, False, "exit-code", {}, {}, output, done.seconds, True, "no test was found")

"""Runs one check command in a sandbox and records what it showed."""

import re
from dataclasses import dataclass, replace

from andon.context.commands import RUFF_ERRORS, name_of, stand_in_of
from andon.guardrails.output import clean
from andon.line.evidence.lint_findings import findings_of
from andon.records.checks import CheckRecord
from andon.records.project import Command
from andon.sandbox.protocol import Finished, Sandbox
from andon.tools.runs import NO_PROGRAM, TestRun, execute
from andon.tools.testing import run_test_command

_EXCERPT = 4_000
_NOT_FOUND = re.compile(r"([\w@+./-]+): (?:(?:command )?not found|No such file or directory)")
_MAKE = re.compile(r"^make(?:\[\d+\])?: \*\*\* .*Error 127$", re.MULTILINE)
_MANAGERS = ("npm", "npx", "pnpm", "yarn")


@dataclass(frozen=True)
class Checked:
    """One record, and the run of tests it was made from."""

    record: CheckRecord
    run: TestRun | None = None
    """None for a static check. Without its output."""


async def check_one(sandbox: Sandbox, tree: str, command: Command, time_limit: float) -> list[Checked]:
    """Run a check and return its record; a linter that is not installed is followed by the check made in its place."""
    if command.kind == "test":
        run = await run_test_command(sandbox, command, time_limit=time_limit, to_the_end=True)
        # The record holds what is shown of the output; a step is stored as JSON.
        return [Checked(_test_record(run, sandbox, tree, command), replace(run, output=b""))]
    done = await execute(sandbox, command, command.argv, time_limit)
    missing = _missing(command, done)
    if not missing:
        return [Checked(_static_record(done, sandbox, tree, command))]
    stand_in = stand_in_of(command)
    instead = await check_one(sandbox, tree, stand_in, time_limit) if stand_in else []
    # Where the stand-in's own program is missing too, one record says all there is to say.
    instead = [checked for checked in instead if checked.record.outcome != "not-run"]
    if instead and command.argv == RUFF_ERRORS:
        # Nobody asked for it, so nobody misses it.
        return instead
    reason = f"{missing} is not installed in the sandbox"
    reason += f"; {instead[0].record.name} was checked instead" if instead else ""
    return [Checked(_static_record(done, sandbox, tree, command, reason)), *instead]


def _missing(command: Command, done: Finished) -> str:
    """Return the name of the program that a static check lacks, or an empty string where it ran."""
    program = command.argv[0].rsplit("/", 1)[-1]
    text = clean(done.output, cap=_EXCERPT)
    if done.exit_code == NO_PROGRAM or (program == "make" and _MAKE.search(text)):
        found = _NOT_FOUND.findall(text)
        return str(found[-1]).rsplit("/", 1)[-1] if found else program
    module = command.argv[2] if command.argv[1:2] == ("-m",) and len(command.argv) > 2 else ""
    if module and done.exit_code == 1 and text.strip().endswith(f"No module named {module}"):
        return module
    # What npx answers without a network about a package that is not there.
    return command.argv[-1] if program in _MANAGERS and done.exit_code != 0 and "ENOTCACHED" in text else ""


def _static_record(done: Finished, sandbox: Sandbox, tree: str, command: Command, reason: str = "") -> CheckRecord:
    outcome = "not-run" if reason else "timed-out" if done.timed_out else "failed" if done.exit_code else "passed"
    found = findings_of(done) if command.argv == RUFF_ERRORS and not reason else None
    return CheckRecord(
        name=name_of(command),
        kind="static",
        tree=tree,
        argv=command.argv,
        outcome=outcome,
        reason=reason,
        exit_code=None if reason else done.exit_code,
        granularity="exit-code" if found is None else "finding",
        tests=dict.fromkeys(found or [], "failed"),
        excerpt=clean(done.output[-_EXCERPT:], cap=_EXCERPT),
        seconds=round(done.seconds, 3),
        sandbox=sandbox.tier,
    )


def _test_record(run: TestRun, sandbox: Sandbox, tree: str, command: Command) -> CheckRecord:
    outcome = "not-run" if run.reason else "timed-out" if run.timed_out else "passed" if run.passed else "failed"
    return CheckRecord(
        name=name_of(command),
        kind="test",
        tree=tree,
        argv=command.argv,
        outcome=outcome,
        reason=run.reason,
        exit_code=None if run.reason else run.exit_code,
        granularity=run.granularity,
        tests=dict(sorted((_from_the_root(command, test), result) for test, result in run.tests.items())),
        excerpt=clean(run.output[-_EXCERPT:], cap=_EXCERPT),
        seconds=round(run.seconds, 3),
        sandbox=sandbox.tier,
    )


def _from_the_root(command: Command, test: str) -> str:
    """Return a test id as seen from the repository, so that two projects in it may hold a test of one name."""
    inside = f"{command.cwd}/"
    return test if command.cwd == "." or test.startswith(inside) else inside + test

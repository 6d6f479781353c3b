"""Runs the project's checks on a tree, in a fresh sandbox in which no process of an agent ever ran."""

from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

from andon.context.commands import name_of
from andon.guardrails.output import clean
from andon.line.evidence import compare
from andon.records.checks import CheckRecord, Comparison
from andon.records.project import Command, ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.sandbox.store import Change, TreeStore
from andon.tools.testing import TestRun, run_test_command

OpenSandbox = Callable[[str], Awaitable[Sandbox]]
"""Starts a fresh sandbox that holds the given tree."""

_EXCERPT = 4_000
_TEST_FILES = ("test_*.py", "*_test.py", "conftest.py", "*_test.go", "*.test.*", "*.spec.*")
_TEST_FOLDERS = ("test", "tests", "__tests__", "spec")


async def check_tree(
    tree: str, commands: Sequence[Command], open_sandbox: OpenSandbox, *, time_limit: float, twice_if_red: bool = True
) -> list[CheckRecord]:
    """Run `commands` on `tree` and return a record for each; red tests are run a second time to find flaky ones.

    `time_limit` is in seconds, for one command.
    """
    sandbox = await open_sandbox(tree)
    try:
        records = [await _check(sandbox, tree, command, time_limit, twice_if_red) for command in commands]
    finally:
        await sandbox.close()
    return records


async def _check(sandbox: Sandbox, tree: str, command: Command, limit: float, twice: bool) -> CheckRecord:
    if command.kind == "static":
        done = await sandbox.run(command.argv, cwd=command.cwd, time_limit=limit)
        missing = done.exit_code == 127
        outcome = "not-run" if missing else "timed-out" if done.timed_out else "failed" if done.exit_code else "passed"
        return CheckRecord(
            name=name_of(command),
            kind="static",
            tree=tree,
            argv=command.argv,
            outcome=outcome,
            exit_code=None if missing else done.exit_code,
            granularity="exit-code",
            excerpt=clean(done.output[-_EXCERPT:], cap=_EXCERPT),
            seconds=round(done.seconds, 3),
            sandbox=sandbox.tier,
        )
    run = await run_test_command(sandbox, command, time_limit=limit)
    record = _test_record(run, sandbox, tree, command)
    if twice and record.outcome == "failed":
        again = await run_test_command(sandbox, command, time_limit=limit)
        names = set(run.tests) | set(again.tests)
        flaky = sorted(name for name in names if run.tests.get(name) != again.tests.get(name))
        if not flaky and (again.exit_code == 0) != (run.exit_code == 0):
            flaky = [f"{record.name} (exit code)"]
        record = record.model_copy(update={"flaky": flaky})
    return record


def _test_record(run: TestRun, sandbox: Sandbox, tree: str, command: Command) -> CheckRecord:
    missing = run.no_tests or run.exit_code == 127
    outcome = "not-run" if missing else "timed-out" if run.timed_out else "failed" if run.exit_code else "passed"
    return CheckRecord(
        name=name_of(command),
        kind="test",
        tree=tree,
        argv=command.argv,
        outcome=outcome,
        exit_code=None if missing else run.exit_code,
        granularity=run.granularity,
        tests=dict(sorted(run.tests.items())),
        excerpt=clean(run.output[-_EXCERPT:], cap=_EXCERPT),
        seconds=round(run.seconds, 3),
        sandbox=sandbox.tier,
    )


async def check_change(
    store: TreeStore,
    setup: ProjectSetup,
    base_tree: str,
    head_tree: str,
    base: Sequence[CheckRecord],
    open_sandbox: OpenSandbox,
    *,
    time_limit: float,
) -> tuple[list[CheckRecord], Comparison]:
    """Check the head tree and compare it with the base, the tests of each also on the code of the other."""
    head = await check_tree(head_tree, [*setup.tests, *setup.static], open_sandbox, time_limit=time_limit)
    changed = [path for path in store.changed(base_tree, head_tree) if is_test_file(path)]
    base_files = {file.path: file for file in store.files(base_tree)}
    head_files = {file.path: file for file in store.files(head_tree)}
    old = [path for path in changed if path.encode() in base_files]
    new = [path for path in changed if path.encode() in head_files]
    crossed: list[list[CheckRecord]] = []
    for paths, files, onto in ((old, base_files, head_tree), (new, head_files, base_tree)):
        blobs = store.read_blobs([files[path.encode()].blob for path in paths])
        changes = [Change(path.encode(), files[path.encode()].mode, blobs[files[path.encode()].blob]) for path in paths]
        if changes:
            tree = store.build(onto, changes)
            crossed.append(await check_tree(tree, setup.tests, open_sandbox, time_limit=time_limit, twice_if_red=False))
        else:
            crossed.append([])
    return head, compare(base, head, base_tests_at_head=crossed[0], head_tests_at_base=crossed[1])


def is_test_file(path: str) -> bool:
    """Say whether a path is a test or what tests lean on, by the names test runners use."""
    pure = PurePosixPath(path)
    return any(part.lower() in _TEST_FOLDERS for part in pure.parts[:-1]) or any(
        fnmatch(pure.name, pattern) for pattern in _TEST_FILES
    )

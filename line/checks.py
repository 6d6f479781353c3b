"""Runs the project's checks on a tree, in a fresh sandbox in which no process of an agent ever ran."""

import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

from andon.context.commands import name_of
from andon.guardrails.output import clean
from andon.line.evidence import compare
from andon.records.checks import CheckRecord, Comparison
from andon.records.project import Command, ProjectSetup
from andon.sandbox.protocol import SUBMODULE, Finished, Sandbox
from andon.sandbox.store import Change, TreeFile, TreeStore
from andon.tools.testing import TestRun, run_test_command

OpenSandbox = Callable[[str], Awaitable[Sandbox]]
"""Starts a fresh sandbox that holds the given tree."""

_EXCERPT = 4_000
_NO_PROGRAM = 127
"""Exit code where the program, or one a script of the project calls, is missing in the sandbox."""
_TEST_FILES = ("test_*.py", "*_test.py", "conftest.py", "*_test.go", "*.test.*", "*.spec.*")
_TEST_FOLDERS = ("test", "tests", "__tests__", "spec")


async def check_tree(
    tree: str,
    commands: Sequence[Command],
    open_sandbox: OpenSandbox,
    *,
    time_limit: float,
    twice_if_red: bool = True,
    twice: Collection[str] = (),
) -> list[CheckRecord]:
    """Run `commands` on `tree` and return a record for each.

    Red tests are run a second time, in a sandbox of their own, to find flaky ones; so are the commands named in `twice`
    although they pass. A command that was stopped at `time_limit` (in seconds, for one command) is not run again.
    """
    runs = await _run_all(tree, commands, open_sandbox, time_limit)
    doubted = [
        command
        for command, (record, _) in zip(commands, runs, strict=True)
        if command.kind == "test"
        and ((twice_if_red and record.outcome == "failed") or (record.outcome == "passed" and record.name in twice))
    ]
    again = dict(zip(map(name_of, doubted), await _run_all(tree, doubted, open_sandbox, time_limit), strict=True))
    return [
        record.model_copy(update={"flaky": _flaky(record.name, run, again[record.name][1])})
        if run is not None and record.name in again
        else record
        for record, run in runs
    ]


async def _run_all(
    tree: str, commands: Sequence[Command], open_sandbox: OpenSandbox, limit: float
) -> list[tuple[CheckRecord, TestRun | None]]:
    if not commands:
        return []
    sandbox = await open_sandbox(tree)
    try:
        return [await _check(sandbox, tree, command, limit) for command in commands]
    finally:
        await sandbox.close()


async def _check(sandbox: Sandbox, tree: str, command: Command, limit: float) -> tuple[CheckRecord, TestRun | None]:
    if command.kind == "static":
        return _static_record(
            await sandbox.run(command.argv, cwd=command.cwd, time_limit=limit), sandbox, tree, command
        ), None
    run = await run_test_command(sandbox, _to_the_end(command), time_limit=limit)
    return _test_record(run, sandbox, tree, command), run


def _to_the_end(command: Command) -> Command:
    """Return a pytest command that runs the other files too where one cannot be collected.

    By itself pytest stops there: with one broken file at the base, no test would ever speak against a change.
    """
    if command.runner != "pytest":
        return command
    return command.model_copy(update={"argv": (*command.argv, "--continue-on-collection-errors")})


def _flaky(name: str, run: TestRun, again: TestRun | None) -> list[str]:
    """Return what differs between two runs on one tree: test ids, or the whole command where ids are not known."""
    if again is None:
        return []
    differing = {test for test in run.tests.keys() | again.tests.keys() if run.tests.get(test) != again.tests.get(test)}
    if run.granularity != again.granularity or (not differing and run.passed != again.passed):
        differing.add(f"{name} (exit code)")
    return sorted(differing)


def _static_record(done: Finished, sandbox: Sandbox, tree: str, command: Command) -> CheckRecord:
    missing = done.exit_code == _NO_PROGRAM
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


def _test_record(run: TestRun, sandbox: Sandbox, tree: str, command: Command) -> CheckRecord:
    missing = run.no_tests or run.exit_code == _NO_PROGRAM
    outcome = "not-run" if missing else "timed-out" if run.timed_out else "passed" if run.passed else "failed"
    return CheckRecord(
        name=name_of(command),
        kind="test",
        tree=tree,
        argv=command.argv,
        outcome=outcome,
        exit_code=None if missing else run.exit_code,
        granularity=run.granularity,
        tests=dict(sorted((_from_the_root(command, test), result) for test, result in run.tests.items())),
        excerpt=clean(run.output[-_EXCERPT:], cap=_EXCERPT),
        seconds=round(run.seconds, 3),
        sandbox=sandbox.tier,
    )


def _from_the_root(command: Command, test: str) -> str:
    """Return a pytest id as seen from the repository, so that two projects in it may hold a test of one name."""
    inside = f"{command.cwd}/"
    return test if command.runner != "pytest" or command.cwd == "." or test.startswith(inside) else inside + test


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
    """Check the head tree and compare it with the base, the tests of each also on the code of the other.

    A command that hung is not crossed: what it would show is known by test id only, and it would hang again.
    """
    unsteady = {record.name for record in base if record.flaky}
    commands = [*setup.tests, *setup.static]
    head = await check_tree(head_tree, commands, open_sandbox, time_limit=time_limit, twice=unsteady)
    base_files = {file.path: file for file in store.files(base_tree)}
    head_files = {file.path: file for file in store.files(head_tree)}
    changed = {path for path in base_files.keys() | head_files.keys() if base_files.get(path) != head_files.get(path)}
    tests = sorted(path for path in changed if is_test_file(os.fsdecode(path)))

    async def crossed(
        files: dict[bytes, TreeFile], onto: str, there: dict[bytes, TreeFile], records: Sequence[CheckRecord]
    ) -> list[CheckRecord]:
        taken = [files[path] for path in tests if path in files and files[path].mode != SUBMODULE]
        hung = {record.name for record in records if record.outcome == "timed-out"}
        worth = [command for command in setup.tests if name_of(command) not in hung]
        if not taken or not worth:
            return []
        tree = store.build(onto, _put(store, taken, there))
        return await check_tree(tree, worth, open_sandbox, time_limit=time_limit, twice_if_red=False)

    old = await crossed(base_files, head_tree, head_files, head)
    new = await crossed(head_files, base_tree, base_files, base)
    return head, compare(base, head, base_tests_at_head=old, head_tests_at_base=new)


def _put(store: TreeStore, files: Sequence[TreeFile], there: Mapping[bytes, TreeFile]) -> list[Change]:
    """Return the changes that put `files` among those that are `there`; what cannot stand beside them goes."""
    blobs = store.read_blobs(file.blob for file in files)
    put = {file.path for file in files}
    above = {folder for path in put for folder in _folders(path)}
    gone = [path for path in there if path in above or any(folder in put for folder in _folders(path))]
    return [
        *(Change(path, None) for path in gone),
        *(Change(file.path, file.mode, blobs[file.blob]) for file in files),
    ]


def _folders(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def is_test_file(path: str) -> bool:
    """Say whether a path is a test or what tests lean on, by the names test runners use."""
    pure = PurePosixPath(path)
    return any(part.lower() in _TEST_FOLDERS for part in pure.parts[:-1]) or any(
        fnmatch(pure.name, pattern) for pattern in _TEST_FILES
    )

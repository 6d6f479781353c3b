"""Runs the project's checks on a tree, in a fresh sandbox in which no process of an agent ever ran."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from andon.context.commands import name_of
from andon.line.coming_sandbox import ComingSandbox
from andon.line.evidence.check_one import Checked, check_one
from andon.line.evidence.comparison import compare
from andon.line.evidence.crossing import Crossing
from andon.line.evidence.dependency_audit import AuditOrder
from andon.line.evidence.scans import Scanned, scanning, weakened_tests, with_scans
from andon.records.checks import CheckRecord, Comparison
from andon.records.errors import RunError
from andon.records.ports import Steps
from andon.records.project import Command, ProjectSetup
from andon.records.stops import StopCode
from andon.sandbox.protocol import Sandbox
from andon.sandbox.store import TreeStore
from andon.tools.runs import TestRun

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

OpenSandbox = Callable[[str], Awaitable[Sandbox]]
"""Starts a fresh sandbox that holds the given tree."""


class _Unkept:
    """Steps that are only run."""

    replaying = False

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        return await run()

    def recorded(self, name: str, key: str) -> bool:
        return False


UNKEPT: Steps = _Unkept()


async def check_tree(
    tree: str,
    commands: Sequence[Command],
    open_sandbox: OpenSandbox,
    *,
    time_limit: float,
    twice_if_red: bool = True,
    twice: Collection[str] = (),
    on_repeat: Callable[[list[str]], None] = lambda _: None,
    steps: Steps = UNKEPT,
    label: str = "",
) -> list[CheckRecord]:
    """Run `commands` on `tree` and return a record for each. Each is a step, whose key begins with `label`.

    Red tests are run a second time, in a sandbox of their own, to find flaky ones; so are the commands named in `twice`
    although they pass. A command that was stopped at `time_limit` (in seconds, for one command) is not run again.
    `on_repeat` is told the names of the commands before they are run a second time.
    """
    checked = await _run_all(tree, commands, open_sandbox, time_limit, steps, label)
    doubted = {one.record.name for one in checked if _doubted(one.record, twice_if_red, twice)}
    repeated = [command for command in commands if command.kind == "test" and name_of(command) in doubted]
    if repeated:
        on_repeat([name_of(command) for command in repeated])
    second = await _run_all(tree, repeated, open_sandbox, time_limit, steps, f"{label}-again")
    again = {one.record.name: one.run for one in second}
    return [
        one.record.model_copy(update={"flaky": _flaky(one.record.name, one.run, again[one.record.name])})
        if one.record.name in again
        else one.record
        for one in checked
    ]


def _doubted(record: CheckRecord, twice_if_red: bool, twice: Collection[str]) -> bool:
    if record.kind != "test":
        return False
    return (twice_if_red and record.outcome == "failed") or (record.outcome == "passed" and record.name in twice)


async def _run_all(
    tree: str, commands: Sequence[Command], open_sandbox: OpenSandbox, limit: float, steps: Steps, label: str
) -> list[Checked]:
    """Return what the commands showed, in their order, and then what was checked in place of missing linters."""
    # Where the results of all are stored, none is started.
    sandbox = ComingSandbox(lambda: open_sandbox(tree), at_once=False)
    found: list[list[Checked]] = []
    try:
        for number, command in enumerate(commands):
            one = partial(check_one, sandbox, tree, command, limit)
            found.append(await steps.step("check", f"{label}-{number} {name_of(command)}", one, list[Checked]))
    finally:
        await sandbox.close()
    checked = [first for first, *_ in found]
    stand_ins = {one.record.name: one for _, *others in found for one in others}
    known = {one.record.name for one in checked}
    return checked + [one for name, one in stand_ins.items() if name not in known]


def _flaky(name: str, run: TestRun | None, again: TestRun | None) -> list[str]:
    """Return what differs between two runs on one tree: test ids, or the whole command where ids are not known."""
    if run is None or again is None:
        return []
    differing = {test for test in run.tests.keys() | again.tests.keys() if run.tests.get(test) != again.tests.get(test)}
    if run.granularity != again.granularity or (not differing and run.passed != again.passed):
        differing.add(f"{name} (exit code)")
    return sorted(differing)


async def check_change(
    store: TreeStore,
    setup: ProjectSetup,
    base_tree: str,
    head_tree: str,
    base: Sequence[CheckRecord],
    open_sandbox: OpenSandbox,
    *,
    time_limit: float,
    on_repeat: Callable[[list[str]], None] = lambda _: None,
    accepted: Collection[str] = (),
    audit: AuditOrder | None = None,
    steps: Steps = UNKEPT,
    label: str = "head",
) -> tuple[list[CheckRecord], Comparison]:
    """Check the head tree and compare it with the base, the tests of each also on the code of the other; scan both.

    Each check is a step, whose key begins with `label`.

    `on_repeat` is told the names of the commands before they are run a second time. `accepted` are the test files
    whose changes a person accepted, `audit` says how dependencies are audited, None: never.

    A command that hung is not crossed: what it would show is known by test id only, and it would hang again.
    """
    scan_key = f"{label}-scan"
    # One whose result is stored is not begun.
    stored = steps.recorded("scan", scan_key)
    async with nullcontext() if stored else scanning(store, base_tree, head_tree, audit) as scan:
        head = await check_tree(
            head_tree,
            [*setup.tests, *setup.static],
            open_sandbox,
            time_limit=time_limit,
            twice={record.name for record in base if record.flaky},
            on_repeat=on_repeat,
            steps=steps,
            label=label,
        )

        async def crossed(
            tree: Callable[[], str | None], records: Sequence[CheckRecord], name: str
        ) -> list[CheckRecord]:
            hung = {record.name for record in records if record.outcome == "timed-out"}
            worth = [command for command in setup.tests if name_of(command) not in hung]
            if not worth or (made := tree()) is None:
                return []
            key = f"{label}-{name}"
            return await check_tree(
                made, worth, open_sandbox, time_limit=time_limit, twice_if_red=False, steps=steps, label=key
            )

        crossing = Crossing.of(store, base_tree, head_tree)
        comparison = compare(
            base,
            head,
            base_tests_at_head=await crossed(crossing.base_tests_at_head, head, "base-tests"),
            head_tests_at_base=await crossed(crossing.head_tests_at_base, base, "head-tests"),
            static_declined=setup.static_declined,
            weakened=weakened_tests(store, crossing.base, crossing.head),
            accepted=accepted,
        )
        return head, with_scans(comparison, await steps.step("scan", scan_key, lambda: _wait(scan), Scanned))


async def _wait(scan: "asyncio.Task[Scanned] | None") -> Scanned:
    if scan is None:
        raise RunError(StopCode.INTERNAL, "a scan that was stored is not stored any more")
    return await scan

"""What is looked at beside the checks of a change: security findings, weakened tests, dependencies."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from andon.guardrails.test_files import is_test_file
from andon.guardrails.weakened import Weakening, weakened
from andon.line.evidence.dependency_audit import AuditOrder, audit_change
from andon.line.evidence.rows import some
from andon.line.evidence.security_scan import Scan, scan_change
from andon.records.checks import Comparison
from andon.records.scans import DependencyAudit
from andon.sandbox.protocol import EXECUTABLE, REGULAR
from andon.sandbox.store import TreeFile, TreeStore

Scanned = tuple[Scan, DependencyAudit | None]


@asynccontextmanager
async def scanning(
    store: TreeStore, base_tree: str, head_tree: str, order: AuditOrder | None
) -> AsyncIterator["asyncio.Task[Scanned]"]:
    """Scan the change while the checks run. `order` says how dependencies are audited; None: never."""
    task = asyncio.create_task(_scan(store, base_tree, head_tree, order))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        # Where the checks failed, what befell the scan is no news.
        _ = task.cancelled() or task.exception()


async def _scan(store: TreeStore, base_tree: str, head_tree: str, order: AuditOrder | None) -> Scanned:
    scan = await scan_change(store, base_tree, head_tree)
    return scan, await audit_change(store, base_tree, head_tree, order) if order else None


def with_scans(comparison: Comparison, scanned: Scanned) -> Comparison:
    """Return the comparison with what the scans showed; what is new and bad stands first in its reason."""
    scan, audit = scanned
    found = [f"{one.test_id} ({one.severity}) at {one.path}:{one.line}" for one in scan.findings]
    brought = [f"{one.name} {one.version} ({one.advisory})" for one in (audit.brought_in if audit else [])]
    notes = [f"{_count(len(found), 'new security finding')}: {some(found)}"] if found else []
    notes += [f"{_count(len(brought), 'known vulnerability')} brought in: {some(brought)}"] if brought else []
    return comparison.model_copy(
        update={
            "security": scan.findings,
            "security_scan": scan.state,
            "not_scanned": scan.not_scanned,
            "dependencies": audit,
            "reason": "; ".join([*notes, comparison.reason]) if notes else comparison.reason,
        }
    )


def _count(number: int, what: str) -> str:
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"1 {what}" if number == 1 else f"{number} {plural}"


def weakened_tests(store: TreeStore, base: Mapping[bytes, TreeFile], head: Mapping[bytes, TreeFile]) -> list[Weakening]:
    """Return what the tests of the base lost between two trees."""
    changed = {path for path in base.keys() | head.keys() if base.get(path) != head.get(path)}
    tests = [path for path in changed if is_test_file(os.fsdecode(path))]
    sides = [{path: files[path] for path in tests if _is_file(files.get(path))} for files in (base, head)]
    blobs = store.read_blobs({file.blob for side in sides for file in side.values()})
    before, after = ({os.fsdecode(path): blobs[file.blob] for path, file in side.items()} for side in sides)
    return weakened(before, after)


def _is_file(file: TreeFile | None) -> bool:
    return file is not None and file.mode in (REGULAR, EXECUTABLE)

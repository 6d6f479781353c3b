"""What a change adds that a security scan finds, medium or worse; what was there before is nobody's doing now.

A finding is new unless the base has one of the same test, as severe, on the same line of code in the same file. A file
that went and one that came and holds half of its lines are the same file.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from andon.line.evidence.bandit_run import Found, NotScanned, run_bandit
from andon.records.scans import SecurityFinding
from andon.sandbox.names import shown
from andon.sandbox.protocol import EXECUTABLE, REGULAR
from andon.sandbox.store import TreeFile, TreeStore

_LARGEST = 1_000_000
"""Bytes of one file; a longer one is not scanned, and named."""
_TOGETHER = 50_000_000
_PAIRS = 10_000
"""Above so many pairs of a file that went and one that came, none is held to be moved: each costs a comparison."""
_SUFFIXES = (b".py", b".pyw")


@dataclass(frozen=True)
class Scan:
    """What was found, and what could not be looked at."""

    state: str
    """As `Comparison.security_scan`."""
    findings: list[SecurityFinding] = field(default_factory=list)
    not_scanned: list[str] = field(default_factory=list)


async def scan_change(store: TreeStore, base_tree: str, head_tree: str) -> Scan:
    """Scan the Python files that differ between two trees. Never raises for what is in them."""
    base = {file.path: file for file in store.files(base_tree)}
    head = {file.path: file for file in store.files(head_tree)}
    came = _contents(store, [file for path, file in head.items() if _differs(file, base.get(path))])
    if not came.texts and not came.left:
        return Scan("not-run: the change holds no Python file")
    went = _contents(store, [file for path, file in base.items() if path in came.texts or path not in head])
    try:
        after = await run_bandit({os.fsdecode(path): text for path, text in came.texts.items()})
        before = await run_bandit({os.fsdecode(path): text for path, text in went.texts.items()})
    except NotScanned as problem:
        return Scan(f"not-run: {problem}")
    findings = _new(before.found, after.found, went.texts, came.texts)
    unread = {shown(os.fsencode(name)): why for name, why in after.unread.items()} | came.left
    left = [f"{path}: {why}" for path, why in sorted(unread.items())]
    if findings:
        return Scan("findings", findings, left)
    count = f"{len(left)} of {len(came.texts) + len(came.left)} changed Python files"
    return Scan(f"not-run: {count} could not be scanned" if left else "clean", [], left)


@dataclass(frozen=True)
class _Contents:
    texts: dict[bytes, bytes]
    left: dict[str, str]
    """Path to why its content is not among `texts`."""


def _differs(file: TreeFile, before: TreeFile | None) -> bool:
    return before is None or file.blob != before.blob


def _contents(store: TreeStore, files: Sequence[TreeFile]) -> _Contents:
    maybe = [file for file in files if file.mode in (REGULAR, EXECUTABLE) and _may_be_python(file.path)]
    sizes = store.sizes(file.blob for file in maybe)
    texts: dict[bytes, bytes] = {}
    left: dict[str, str] = {}
    room = _TOGETHER
    fitting = [file for file in maybe if sizes.get(file.blob, 0) <= _LARGEST]
    blobs = store.read_blobs(file.blob for file in fitting)
    left |= {
        shown(file.path): f"it is longer than {_LARGEST:,} bytes"
        for file in maybe
        if file not in fitting and file.path.endswith(_SUFFIXES)
    }
    for file in fitting:
        text = blobs[file.blob]
        if not file.path.endswith(_SUFFIXES) and not _starts_python(text):
            continue
        room -= len(text)
        if room < 0:
            left[shown(file.path)] = "the change is too large to be scanned whole"
        else:
            texts[file.path] = text
    return _Contents(texts, left)


def _may_be_python(path: bytes) -> bool:
    return path.endswith(_SUFFIXES) or b"." not in path.rpartition(b"/")[2]


def _starts_python(text: bytes) -> bool:
    return text.startswith(b"#!") and b"python" in text.partition(b"\n")[0]


def _new(
    before: Sequence[Found], after: Sequence[Found], went: Mapping[bytes, bytes], came: Mapping[bytes, bytes]
) -> list[SecurityFinding]:
    was = _renamed(went, came)
    old = Counter(_key(one, went, os.fsencode(one.name)) for one in before)
    new = []
    for one in sorted(after, key=lambda one: (one.name, one.line, one.test_id)):
        path = os.fsencode(one.name)
        key = _key(one, came, was.get(path, path))
        if old[key]:
            old[key] -= 1
        elif one.severity != "low":
            new.append(_record(one))
    return sorted(new, key=lambda one: (one.severity, one.path, one.line, one.test_id))


def _key(one: Found, texts: Mapping[bytes, bytes], known_as: bytes) -> tuple[bytes, str, str, bytes]:
    lines = texts[os.fsencode(one.name)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    code = lines[one.line - 1] if 0 < one.line <= len(lines) else b""
    return known_as, one.test_id, one.severity, b"".join(code.split())


def _record(one: Found) -> SecurityFinding:
    path = shown(os.fsencode(one.name))
    # Bandit knows no more than three; a fourth would be no less than the worst.
    severity: Literal["medium", "high"] = "medium" if one.severity == "medium" else "high"
    return SecurityFinding(path=path, line=one.line, test_id=one.test_id, severity=severity, text=one.title)


def _renamed(went: Mapping[bytes, bytes], came: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return new path to old path for files that moved: each old one once, the most alike first."""
    gone = {path: Counter(went[path].splitlines()) for path in went if path not in came}
    fresh = {path: Counter(came[path].splitlines()) for path in came if path not in went}
    alike = [
        (sum((lines & others).values()) / max(lines.total(), others.total(), 1), old, new)
        for old, lines in gone.items()
        for new, others in fresh.items()
        if len(gone) * len(fresh) <= _PAIRS
    ]
    was: dict[bytes, bytes] = {}
    for share, old, new in sorted(alike, reverse=True):
        if share >= 0.5 and new not in was and old not in was.values():
            was[new] = old
    return was

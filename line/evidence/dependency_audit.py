"""Known vulnerabilities of what a tree pins. Nothing is sent anywhere unless a person of this machine allowed it.

pip-audit asks OSV about flat lists of ours, `NAME==VERSION` a line: it never sees a file of the repository, which could
name others. What it skips, does not answer about, or what is no such pin is *not audited*, and said to be.
"""

import importlib.util
import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.context.plain import one_line
from andon.line.evidence.pinned import Pins, is_dependency_file, pins_of
from andon.line.evidence.quiet_child import run_quietly
from andon.records.scans import DependencyAudit, VulnerableDependency
from andon.sandbox.names import shown
from andon.sandbox.protocol import EXECUTABLE, REGULAR
from andon.sandbox.store import TreeFile, TreeStore

_SECONDS = 180.0
_LARGEST = 20_000_000
_REASON = 200
_ADVISORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,79}")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]{1,80}")
_PASSED_ON = (
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


@dataclass(frozen=True)
class AuditOrder:
    """Whether and how dependencies are audited in a run."""

    closed: str
    """Why nothing may be asked of an advisory service; empty where a person allowed it."""
    always: bool = False
    """Also where a change touches no lock file."""
    service: str = ""
    """The address of an OSV service; empty: the public one."""
    python: str = sys.executable
    """The Python that pip-audit is installed for."""


NOT_ASKED_FOR = AuditOrder(
    "it asks a service on the network: set `audit = true` under [checks] in factory/andon.toml and accept it with "
    "`andon trust`"
)
"""What holds where the settings say nothing."""


def audit_order(wanted: bool | None, *, accepted: Callable[[], bool]) -> AuditOrder | None:
    """Return how dependencies are audited where the settings say `wanted`; None: never, and nothing is said.

    `accepted` tells whether a person accepted that they are; it is asked only where the settings want it.
    """
    if wanted is None:
        return NOT_ASKED_FOR
    if not wanted:
        return None
    closed = "" if accepted() else "factory/andon.toml wants it and no person accepted that: run `andon trust`"
    return AuditOrder(closed, always=True)


async def audit_change(store: TreeStore, base_tree: str, head_tree: str, order: AuditOrder) -> DependencyAudit | None:
    """Audit what the head pins; None where the change touches no lock file and the order is not for every change.

    Never raises for what is in the files or what the service answers.
    """
    base, head = (_dependency_files(store, tree) for tree in (base_tree, head_tree))
    touched = sorted(path for path in base.keys() | head.keys() if _blob(base.get(path)) != _blob(head.get(path)))
    if not touched and not order.always:
        return None
    if order.closed:
        return DependencyAudit(outcome="not-audited", reason=order.closed, not_audited=touched)
    pins, before = (_pins(store, files) for files in (head, base))
    if not pins.packages:
        return DependencyAudit(outcome="not-audited", reason="no file pins a Python package", not_audited=_others(pins))
    try:
        answer = await _ask(sorted(pins.packages), order)
    except _Failed as problem:
        return DependencyAudit(outcome="not-audited", reason=str(problem), not_audited=_others(pins))
    return audit_of(answer, pins, before)


def audit_of(answer: Mapping[str, Any], pins: Pins, before: Pins) -> DependencyAudit:
    """Return what `answer`, a JSON report of pip-audit, says of `pins`; `before` is what the base pins.

    A package that it skips or does not name is not audited.
    """
    waiting = dict.fromkeys(sorted(pins.packages), "pip-audit did not answer about it")
    vulnerable: list[VulnerableDependency] = []
    for one in _dicts(answer.get("dependencies")):
        name = str(one.get("name", ""))
        if "skip_reason" in one:
            waiting |= {key: _plain(one["skip_reason"]) for key in waiting if key[0] == _normal(name)}
        elif waiting.pop((_normal(name), str(one.get("version", ""))), None) is not None:
            vulnerable += _vulnerable(_normal(name), str(one["version"]), _dicts(one.get("vulns")), before)
    audited = len(pins.packages) - len(waiting)
    left = [f"{name} {version}: {why}" for (name, version), why in waiting.items()] + _others(pins)
    outcome = "vulnerable" if vulnerable else "not-audited" if not audited else "partly-audited" if left else "clean"
    return DependencyAudit.model_validate({
        "outcome": outcome,
        "reason": "pip-audit answered about no package" if outcome == "not-audited" else "",
        "audited": audited,
        "vulnerable": sorted(vulnerable, key=lambda one: (one.name, one.version, one.advisory)),
        "not_audited": left,
    })  # fmt: skip


def _vulnerable(
    name: str, version: str, found: Sequence[Mapping[str, Any]], before: Pins
) -> list[VulnerableDependency]:
    return [
        VulnerableDependency(
            name=name,
            version=version,
            advisory=str(one["id"]) if _ADVISORY.fullmatch(str(one.get("id"))) else "advisory without a readable name",
            fixed_in=[str(each) for each in one.get("fix_versions") or [] if _VERSION.fullmatch(str(each))],
            new=(name, version) not in before.packages,
        )
        for one in found
    ]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _plain(text: Any) -> str:
    return one_line(str(text))[:_REASON] or "skipped without a reason"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _others(pins: Pins) -> list[str]:
    return [f"{name}: {why}" for name, why in sorted(pins.others.items())]


def _dependency_files(store: TreeStore, tree: str) -> dict[str, TreeFile]:
    return {shown(file.path): file for file in store.files(tree) if is_dependency_file(shown(file.path))}


def _blob(file: TreeFile | None) -> str:
    return file.blob if file else ""


def _pins(store: TreeStore, files: Mapping[str, TreeFile]) -> Pins:
    ours = {path: file for path, file in files.items() if file.mode in (REGULAR, EXECUTABLE)}
    sizes = store.sizes(file.blob for file in ours.values())
    fitting = {path: file for path, file in ours.items() if sizes.get(file.blob, _LARGEST) < _LARGEST}
    blobs = store.read_blobs(file.blob for file in fitting.values())
    pins = pins_of({path: blobs[file.blob] for path, file in fitting.items()})
    pins.others |= dict.fromkeys(files.keys() - fitting.keys(), "it is too large or no plain file")
    return pins


class _Failed(Exception):
    """The audit could not be made; the text says why."""


async def _ask(packages: Sequence[tuple[str, str]], order: AuditOrder) -> dict[str, Any]:
    if order.python == sys.executable and importlib.util.find_spec("pip_audit") is None:
        raise _Failed("pip-audit is not installed beside andon: pip install 'andon[audit]'")
    answered: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="andon-audit-") as folder:
        for name in _write_lists(Path(folder), packages):
            answered += _dicts((await _ask_about(Path(folder), name, order)).get("dependencies"))
    return {"dependencies": answered}


async def _ask_about(folder: Path, listed: str, order: AuditOrder) -> dict[str, Any]:
    service = ("--osv-url", order.service) if order.service else ()
    argv = [
        *(order.python, "-I", "-m", "pip_audit", "-s", "osv", *service, "--no-deps", "--disable-pip"),
        *("--progress-spinner", "off", "--desc", "off", "--cache-dir", "cache", "-f", "json"),
        *("-o", f"{listed}.json", "-r", listed),
    ]
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"} | _passed_on()
    code = await run_quietly(argv, cwd=folder, env=env, seconds=_SECONDS)
    if code is None:
        raise _Failed(f"pip-audit was stopped after {_SECONDS:.0f} seconds")
    return _read(folder / f"{listed}.json", code)


def _write_lists(folder: Path, packages: Sequence[tuple[str, str]]) -> list[str]:
    """Write as many lists as the package pinned to most versions needs: one list may hold one version of each."""
    lists: dict[int, list[str]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for name, version in packages:
        lists[seen[name]].append(f"{name}=={version}\n")
        seen[name] += 1
    for number, lines in lists.items():
        (folder / f"r{number}.txt").write_text("".join(lines))
    return [f"r{number}.txt" for number in lists]


def _read(written: Path, code: int) -> dict[str, Any]:
    try:
        answer = json.loads(written.read_bytes())
    except (OSError, ValueError) as error:
        raise _Failed(f"pip-audit failed with exit code {code}; is its advisory service reached?") from error
    if not isinstance(answer, dict):
        raise _Failed("pip-audit answered in a form that is not known")
    return answer


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}

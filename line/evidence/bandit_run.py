"""bandit on this machine over copies of files: it parses them and runs nothing of them."""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.line.evidence.quiet_child import run_quietly

_SECONDS = 120.0
_CHILD = """\
import resource, runpy
for limit, value in ((resource.RLIMIT_AS, 1 << 30), (resource.RLIMIT_CPU, 110), (resource.RLIMIT_FSIZE, 1 << 26)):
    resource.setrlimit(limit, (value, value))
runpy.run_module("bandit", run_name="__main__", alter_sys=True)
"""
_OPTIONS = ("-q", "-f", "json", "-o", "report.json", "--ignore-nosec")


class NotScanned(Exception):
    """Nothing was scanned; the text says why."""


@dataclass(frozen=True)
class Found:
    """One result of bandit."""

    name: str
    """Of the file, as it was handed in."""
    line: int
    test_id: str
    severity: str
    """`low`, `medium` or `high`."""
    title: str
    """What the test looks for, by bandit's name of it. Its message may quote the code and is not used."""


@dataclass
class Report:
    """What bandit says of some files."""

    found: list[Found] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    """File to why it could not be read."""


async def run_bandit(files: Mapping[str, bytes]) -> Report:
    """Return what bandit finds in Python `files`, by a name of the caller's; `# nosec` and settings count for nothing.

    They are written under names of ours into a folder of ours. A file on which bandit breaks is among `unread`.

    Raises:
        NotScanned: bandit is missing, was stopped at its limit, or breaks on whatever it is given.
    """
    if importlib.util.find_spec("bandit") is None:
        raise NotScanned("bandit is not installed beside andon")
    names = {f"f{number:05}.py": name for number, name in enumerate(sorted(files))}
    with tempfile.TemporaryDirectory(prefix="andon-scan-") as folder:
        for ours, name in names.items():
            (Path(folder) / ours).write_bytes(files[name])
        report = Report()
        await _scan(Path(folder), sorted(names), names, report)
    if files and len(report.unread) == len(files) and all(why == _BROKE for why in report.unread.values()):
        raise NotScanned("bandit crashed")
    return report


_BROKE = "bandit crashed on it"


async def _scan(folder: Path, batch: Sequence[str], names: Mapping[str, str], report: Report) -> None:
    """Add what is found in `batch`; where bandit breaks, halves of it are scanned, down to the file that did it."""
    if not batch:
        return
    data = await _run(folder, batch)
    if data is not None:
        report.found += [_found(one, names) for one in data["results"]]
        report.unread |= {names[Path(one["filename"]).name]: _why(one["reason"]) for one in data["errors"]}
    elif len(batch) == 1:
        report.unread[names[batch[0]]] = _BROKE
    else:
        half = len(batch) // 2
        await _scan(folder, batch[:half], names, report)
        await _scan(folder, batch[half:], names, report)


async def _run(folder: Path, batch: Sequence[str]) -> dict[str, Any] | None:
    """Return bandit's report as it is, or None where it crashed."""
    written = folder / "report.json"
    written.unlink(missing_ok=True)
    argv = [sys.executable, "-I", "-c", _CHILD, *_OPTIONS, *batch]
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    code = await run_quietly(argv, cwd=folder, env=env, seconds=_SECONDS)
    if code is None:
        raise NotScanned(f"bandit was stopped after {_SECONDS:.0f} seconds")
    # 1 is "something was found".
    return _read(written) if code in (0, 1) else None


def _read(written: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(written.read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(data, dict) and all(isinstance(data.get(key), list) for key in ("results", "errors"))
    return data if known else None


def _found(result: Mapping[str, Any], names: Mapping[str, str]) -> Found:
    title = str(result["test_name"])
    if title == "blacklist":
        # The address ends in a name of the list: `…#b301-pickle`.
        title = "use of " + str(result["more_info"]).rpartition("#")[2].partition("-")[2]
    return Found(
        name=names[Path(result["filename"]).name],
        line=int(result["line_number"]),
        test_id=str(result["test_id"]),
        severity=str(result["issue_severity"]).lower(),
        title=title.replace("_", " ").replace("-", " "),
    )


def _why(reason: str) -> str:
    return "it cannot be parsed" if "syntax error" in reason else "bandit cannot read it"

"""Runs `go test` and reads its events. https://pkg.go.dev/cmd/test2json"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from andon.guardrails.output import clean_text
from andon.records.project import Command
from andon.sandbox.protocol import WORKSPACE, Sandbox
from andon.tools.report import Gathering, Report, shortened, steady, timeless
from andon.tools.runs import REPORT_BYTES, TestRun, ended, execute

_NOT_BUILT = re.compile(r"^FAIL\t(\S+) \[(?:build|setup) failed\]$")
_BUILDING = re.compile(r"^# (\S+)")
_FRAMES = re.compile(r"^(goroutine \d+ |created by |\t/)|^[\w./*()]+\(.*\)$")
_MARKS = re.compile(r"\s*(===|---|FAIL\b|ok\b|PASS$|exit status \d+$)")
_OURS = re.compile(rf"^\t{WORKSPACE}/(\S+:\d+)")


async def run_go_tests(sandbox: Sandbox, command: Command, time_limit: float) -> TestRun:
    """Run a `go test` command; see `run_test_command`."""
    argv = ["go", "test", "-json", *(word for word in command.argv[2:] if word != "-json")]
    done = await execute(sandbox, command, argv, time_limit, output_cap=REPORT_BYTES)
    report = read_go_events(done.output) if not done.dropped else None
    return ended(done, report, output=_printed(done.output))


def _printed(output: bytes) -> bytes:
    """Return what people would have seen without `-json`."""
    shown = []
    for line in output.decode("utf-8", "replace").splitlines(keepends=True):
        event = _event(line)
        shown.append(line if event is None else str(event.get("Output", "")))
    return "".join(shown).encode()


def read_go_events(output: bytes) -> Report | None:
    """Return the results in the output of `go test -json`, ids as `package::Test`; None if it holds none.

    A package that cannot be built is an error under its path; so is a test that began and never ended.
    """
    found = Gathering()
    printed: dict[str, list[str]] = defaultdict(list)
    running: set[str] = set()
    seen = False
    building = ""
    for line in output.decode("utf-8", "replace").splitlines():
        event = _event(line)
        if event is None:
            building = _not_json(line, building, printed, found)
            continue
        seen = True
        package, test, action = _package(event), event.get("Test"), event.get("Action")
        name = f"{package}::{test}" if test else package
        if action in ("output", "build-output"):
            printed[name].append(str(event.get("Output", "")))
        elif test and action in ("pass", "fail", "skip"):
            running.discard(name)
            found.add(name, {"pass": "passed", "fail": "failed", "skip": "skipped"}[action])  # type: ignore[arg-type]
        elif test and action == "run":
            running.add(name)
        elif action == "fail" and not any(known.startswith(f"{name}::") for known in (*running, *found.tests)):
            found.add(name, "error")
    for name in running:
        found.add(name, "error")
    for name in [name for name, outcome in found.tests.items() if outcome in ("failed", "error")]:
        found.failures[name] = [_explanation(printed.get(name, []))]
    return found.report() if seen or found.tests else None


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and (isinstance(_package(event), str) and _package(event)) else None


def _package(event: dict[str, Any]) -> Any:
    """Return the package of an event; what is told of a build names `package [package.test]`."""
    named = event.get("Package", event.get("ImportPath"))
    return named.split(" ")[0] if isinstance(named, str) else named


def _not_json(line: str, building: str, printed: dict[str, list[str]], found: Gathering) -> str:
    """Take a line that go, before 1.24, prints about a build; return the package that those after it are about."""
    if failed := _NOT_BUILT.match(line):
        found.add(failed[1], "error")
        return building
    if begun := _BUILDING.match(line):
        return begun[1]
    if building:
        printed[building].append(f"{line}\n")
    return building


def _explanation(printed: Sequence[str]) -> str:
    lines = clean_text("".join(printed)).split("\n")
    ours = [place[1] for line in lines if (place := _OURS.match(line))]
    kept = [line for line in lines if line.strip() and not _MARKS.match(line) and not _FRAMES.match(line)]
    kept = [line for line in kept if not line.startswith("# ")]
    return steady(timeless("\n".join([*ours[:1], *shortened(kept)])))

"""Runs jest, vitest or mocha through the package manager, and reads the JSON report each of them has built in.

https://jestjs.io/docs/cli#--json · https://vitest.dev/guide/reporters#json-reporter · https://mochajs.org/#json
"""

import json
import posixpath
import secrets
from typing import Any

from andon.records.checks import TestOutcome
from andon.records.project import Command
from andon.sandbox.protocol import WORKSPACE, Sandbox
from andon.tools.js_errors import explained
from andon.tools.report import Gathering, Report
from andon.tools.runs import REPORT_BYTES, TestRun, ended, execute

_OPTIONS = {
    "jest": ("--json", "--outputFile={}"),
    "vitest": ("--run", "--reporter=default", "--reporter=json", "--outputFile.json={}"),
    "mocha": ("--reporter=json", "--reporter-option=output={}"),
}
_OUTCOMES: dict[str, TestOutcome] = {"passed": "passed", "failed": "failed"}


async def run_js_tests(sandbox: Sandbox, command: Command, time_limit: float) -> TestRun:
    """Run a script of package.json that is a call of one of the three runners, with its options for a report."""
    # A new name each time: what an earlier process left in the scratch space is never taken for a report.
    report = f"/tmp/andon-{secrets.token_hex(8)}.json"  # noqa: S108 - inside the sandbox
    options = [option.format(report) for option in _OPTIONS[command.runner]]
    # Only npm keeps options behind a script's name for itself.
    argv = [*command.argv, *(["--"] if command.argv[0] == "npm" else []), *options]
    done = await execute(sandbox, command, argv, time_limit, added={"CI": "1"})
    try:
        data = await sandbox.read(report, limit=REPORT_BYTES)
    except OSError:
        data = b""
    return ended(done, read_js_report(data, posixpath.normpath(f"{WORKSPACE}/{command.cwd}")))


def read_js_report(data: bytes, folder: str) -> Report | None:
    """Return what a report of jest, vitest or mocha says, ids as `file::suite::test`; None if it is none.

    Files are shown relative to `folder`, which is absolute. A file that cannot be loaded is an error under its path.
    """
    found = Gathering()
    try:
        report = json.loads(data)
        if "testResults" in report:
            for file in report["testResults"]:
                _jest_file(found, file, folder)
        else:
            for test in report["tests"]:
                _mocha_test(found, test, {str(one["fullTitle"]) for one in report["pending"]}, folder)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return found.report()


def _jest_file(found: Gathering, file: dict[str, Any], folder: str) -> None:
    """Take one file of a jest report, whose shape vitest has too."""
    place = posixpath.relpath(str(file["name"]), folder)
    if file["status"] == "failed" and not file["assertionResults"]:
        found.add(place, "error", explained(str(file.get("message", "")), folder))
    for test in file["assertionResults"]:
        name = "::".join([place, *filter(None, map(str, test["ancestorTitles"])), str(test["title"])])
        text = "\n".join(map(str, test.get("failureMessages") or []))
        outcome = _OUTCOMES.get(test["status"], "skipped")
        found.add(name, outcome, explained(text, folder) if outcome == "failed" else "")


def _mocha_test(found: Gathering, test: dict[str, Any], pending: set[str], folder: str) -> None:
    place = posixpath.relpath(str(test["file"]), folder) if test.get("file") else ""
    name = "::".join(filter(None, [place, str(test["fullTitle"])]))
    error = test["err"]
    outcome: TestOutcome = "skipped" if test["fullTitle"] in pending else "failed" if error else "passed"
    text = str(error.get("stack") or error.get("message") or "")
    found.add(name, outcome, explained(text, folder) if outcome == "failed" else "")

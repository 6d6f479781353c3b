"""Reports of jest, vitest and mocha, as these wrote them: jest 30, vitest 2.1 and mocha 11, shortened."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.js_runs import read_js_report
from andon.tools.report import Report
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]

STACK = "Error: expected\n- 1\n+ 2\n    at Object.toEqual (/work/a.test.js:2:64)\n    at /work/node_modules/x/y.js:1:2"
JEST: dict[str, Any] = {
    "testResults": [
        {
            "name": "/work/a.test.js",
            "status": "failed",
            "assertionResults": [
                {"ancestorTitles": [], "title": "adds", "status": "passed", "failureMessages": []},
                {"ancestorTitles": ["outer"], "title": "breaks", "status": "failed", "failureMessages": [STACK]},
                {"ancestorTitles": ["outer"], "title": "later", "status": "pending", "failureMessages": []},
            ],
        },
        {
            "name": "/work/bad.test.js",
            "status": "failed",
            "assertionResults": [],
            "message": "  ● Test suite failed to run\n\n    SyntaxError: /work/bad.test.js: Unexpected token (1:6)\n\n"
            "      at Parser.parse (node_modules/@babel/parser/src/index.ts:86:38)\n",
        },
    ]
}
MOCHA: dict[str, Any] = {
    "tests": [
        {"title": "ok", "fullTitle": "outer ok", "file": "/work/test/a.js", "err": {}},
        {"title": "breaks", "fullTitle": "outer breaks", "file": "/work/test/a.js", "err": {"stack": STACK}},
        {"title": "later", "fullTitle": "outer later", "file": "/work/test/a.js", "err": {}},
    ],
    "pending": [{"fullTitle": "outer later"}],
}
WHY = "a.test.js:2\nError: expected\n- 1\n+ 2"


def test_a_report_of_jest_or_vitest_is_read_by_file_suite_and_name() -> None:
    assert read_js_report(json.dumps(JEST).encode(), "/work") == Report(
        {
            "a.test.js::adds": "passed",
            "a.test.js::outer::breaks": "failed",
            "a.test.js::outer::later": "skipped",
            "bad.test.js": "error",
        },
        {
            "a.test.js::outer::breaks": WHY,
            "bad.test.js": "    SyntaxError: bad.test.js: Unexpected token (1:6)",
        },
    )


def test_a_report_of_mocha_is_read_by_file_and_title() -> None:
    assert read_js_report(json.dumps(MOCHA).encode(), "/work") == Report(
        {"test/a.js::outer breaks": "failed", "test/a.js::outer later": "skipped", "test/a.js::outer ok": "passed"},
        {"test/a.js::outer breaks": WHY},
    )


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"3", b"{}", b'{"testResults": [3]}', b'{"testResults": 3}', b'{"tests": [{}]}']
)
def test_what_is_no_report_is_none(data: bytes) -> None:
    assert read_js_report(data, "/work") is None


async def test_a_runner_that_is_not_installed_is_a_reason_and_no_red_test(start: Start) -> None:
    sandbox = await start({"package.json": "{}"})
    command = Command(kind="test", runner="jest", argv=("sh", "-c", "no-such-jest"))
    run = await run_test_command(sandbox, command, time_limit=30)
    assert (run.exit_code, run.reason, run.passed) == (127, "a program it needs is not installed in the sandbox", False)

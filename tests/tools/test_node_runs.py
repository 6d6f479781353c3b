"""`node --test`, run for real where node stands below /usr: what is told by test id, and how."""

import json
import shutil
from collections.abc import Awaitable, Callable

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.node_runs import read_node_events
from andon.tools.rendering import render_tests
from andon.tools.report import Report
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]

SEEN_INSIDE = "/usr/local/bin:/usr/bin:/bin"
needs_node = pytest.mark.skipif(
    shutil.which("npm", path=SEEN_INSIDE) is None, reason="needs node and npm where a sandbox sees them"
)

SUITE = """\
import test, { describe, it } from 'node:test';
import assert from 'node:assert';
test('adds', () => assert.equal(1 + 2, 3));
test('same', () => assert.deepEqual({ a: 1 }, { a: 2 }));
describe('outer', () => {
  describe('inner', () => {
    it('works', () => {});
    it('breaks', () => { throw new Error('boom at ' + import.meta.url); });
  });
  it.skip('skipped', () => {});
  it('later', { todo: true }, () => { throw new Error('not yet'); });
});
test('parent', async (t) => { await t.test('child', () => {}); });
"""
FILES: dict[str, str | bytes] = {
    "package.json": '{"type": "module", "scripts": {"test": "node --test"}}\n',
    "a.test.js": SUITE,
    "test/b.test.js": "import test from 'node:test';\ntest('adds', () => {});\n",
}
TESTS = {
    "a.test.js::adds": "passed",
    "a.test.js::outer::inner::breaks": "failed",
    "a.test.js::outer::inner::works": "passed",
    "a.test.js::outer::later": "skipped",
    "a.test.js::outer::skipped": "skipped",
    "a.test.js::parent": "passed",
    "a.test.js::parent::child": "passed",
    "a.test.js::same": "failed",
    "test/b.test.js::adds": "passed",
}
RENDERED = """exit code 1
2 failed, 5 passed, 2 skipped
failed a.test.js::outer::inner::breaks
  a.test.js:8
  Error: boom at a.test.js
failed a.test.js::same
  a.test.js:4
  AssertionError [ERR_ASSERTION]: Expected values to be loosely deep-equal:
  {
    a: 1
  }
  should loosely deep-equal
  {
    a: 2
  }
passed in a.test.js: adds, outer::inner::works, parent, parent::child"""


def node(*argv: str, cwd: str = ".") -> Command:
    return Command(kind="test", runner="node-test", argv=argv, cwd=cwd)


@needs_node
@pytest.mark.parametrize(
    "argv",
    [
        ("node", "--test"),
        ("node", "--test-reporter", "tap", "--test"),
        ("node", "--test-reporter=dot", "--test-reporter-destination=stdout", "--test"),
        ("npm", "test"),
    ],
    ids=" ".join,
)
async def test_results_are_known_by_file_suite_and_name(start: Start, argv: tuple[str, ...]) -> None:
    sandbox = await start(FILES)
    run = await run_test_command(sandbox, node(*argv), time_limit=60)
    assert (run.exit_code, run.granularity, run.tests, run.passed) == (1, "test-id", TESTS, False)
    assert render_tests(run) == RENDERED


@needs_node
async def test_the_same_run_reads_the_same_again_and_leaves_nothing_in_the_project(start: Start) -> None:
    sandbox = await start(FILES)
    before = [entry.path for entry in await sandbox.entries()]
    texts = {render_tests(await run_test_command(sandbox, node("node", "--test"), time_limit=60)) for _ in range(2)}
    assert (len(texts), [entry.path for entry in await sandbox.entries()]) == (1, before)


@needs_node
async def test_a_green_run_is_short(start: Start) -> None:
    sandbox = await start({"a.test.mjs": "import test from 'node:test';\ntest('x', () => {});\n"})
    run = await run_test_command(sandbox, node("node", "--test"), time_limit=60)
    assert (run.passed, render_tests(run)) == (True, "exit code 0\n1 passed")


@needs_node
async def test_a_file_that_cannot_be_loaded_is_an_error_under_its_path(start: Start) -> None:
    sandbox = await start({"bad.test.mjs": "export const = 1;\n", "lost.test.mjs": "import 'nope';\n"})
    run = await run_test_command(sandbox, node("node", "--test"), time_limit=60)
    assert render_tests(run) == (
        "exit code 1\n2 error\n"
        "error bad.test.mjs\n  bad.test.mjs:1\n  SyntaxError: Unexpected token '='\n"
        "error lost.test.mjs\n  Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope' imported from lost.test.mjs"
    )


@needs_node
async def test_a_file_without_tests_counts_as_one(start: Start) -> None:
    sandbox = await start({"a.test.mjs": "process.exitCode = 0;\n"})
    run = await run_test_command(sandbox, node("node", "--test"), time_limit=60)
    assert run.tests == {"a.test.mjs": "passed"}


@needs_node
async def test_a_hook_that_fails_is_told_under_its_suite(start: Start) -> None:
    text = "import { before, describe, it } from 'node:test';\n"
    text += "describe('s', () => { before(() => { throw new Error('no'); }); it('x', () => {}); });\n"
    sandbox = await start({"a.test.mjs": text})
    run = await run_test_command(sandbox, node("node", "--test"), time_limit=60)
    assert run.tests["a.test.mjs::s"] == "failed"
    assert run.failures["a.test.mjs::s"].endswith("Error: no")


@needs_node
async def test_a_script_with_reporters_of_its_own_is_known_by_exit_code(start: Start) -> None:
    script = '{"scripts": {"test": "node --test --test-reporter=spec"}}'
    sandbox = await start({"package.json": script, "a.test.mjs": "import 'node:test';\n"})
    run = await run_test_command(sandbox, node("npm", "test"), time_limit=60)
    assert (run.exit_code, run.granularity, run.passed) == (0, "exit-code", True)


@needs_node
async def test_a_script_that_fails_beside_green_tests_is_known_by_exit_code(start: Start) -> None:
    script = '{"scripts": {"test": "node --test && exit 3"}}'
    sandbox = await start({"package.json": script, "a.test.mjs": "import test from 'node:test';\ntest('x', () => {});"})
    run = await run_test_command(sandbox, node("npm", "test"), time_limit=60)
    assert (run.exit_code, run.granularity, run.tests, run.passed) == (3, "exit-code", {}, False)


@needs_node
async def test_ids_are_seen_from_the_folder_of_the_command(start: Start) -> None:
    sandbox = await start({"web/test/a.test.mjs": "import test from 'node:test';\ntest('x', () => {});\n"})
    run = await run_test_command(sandbox, node("node", "--test", cwd="web"), time_limit=60)
    assert run.tests == {"test/a.test.mjs::x": "passed"}


@needs_node
async def test_a_hang_is_no_pass(start: Start) -> None:
    sandbox = await start({"a.test.mjs": "import test from 'node:test';\ntest('x', () => { for (;;); });\n"})
    run = await run_test_command(sandbox, node("node", "--test"), time_limit=3)
    assert (run.timed_out, run.granularity, run.tests, run.passed) == (True, "exit-code", {}, False)


def test_a_report_that_wraps_the_tests_of_a_file_reads_the_same() -> None:
    wrapped = [
        {"type": "start", "file": "/work/a.js", "nesting": 0, "name": "/work/a.js"},
        {"type": "start", "file": "/work/a.js", "nesting": 1, "name": "x"},
        {"type": "fail", "file": "/work/a.js", "nesting": 1, "name": "x", "stack": "Error: no"},
        {"type": "fail", "file": "/work/a.js", "nesting": 0, "name": "/work/a.js", "kind": "subtestsFailed"},
    ]
    data = "\n".join(json.dumps(event) for event in wrapped)
    assert read_node_events(data.encode(), "/work") == Report({"a.js::x": "failed"}, {"a.js::x": "Error: no"})


@pytest.mark.parametrize("data", [b"", b"no json\n", b"[]\n", b'{"type": 3}\n', b'{"type": "pass", "nesting": "0"}\n'])
def test_what_is_no_report_is_none(data: bytes) -> None:
    assert read_node_events(data, "/work") is None


def test_a_report_that_only_began_holds_no_test() -> None:
    assert read_node_events(b'{"type": "begun"}\n', "/work") == Report({}, {})

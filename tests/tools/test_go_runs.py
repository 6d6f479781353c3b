"""`go test`, run for real where go stands below /usr, and what its events say."""

import shutil
from collections.abc import Awaitable, Callable

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.sandbox.toolchain import Toolchain
from andon.tools.go_runs import read_go_events
from andon.tools.rendering import render_tests
from andon.tools.report import Report
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes], Toolchain], Awaitable[Sandbox]]

needs_go = pytest.mark.skipif(
    shutil.which("go", path="/usr/local/bin:/usr/bin:/bin") is None, reason="needs go where a sandbox sees it"
)
GO = Command(kind="test", runner="go", argv=("go", "test", "./..."))
MODULE: dict[str, str | bytes] = {
    "go.mod": "module example.com/calc\n\ngo 1.19\n",
    "calc.go": "package calc\n\nfunc Add(a, b int) int { return a + b }\n",
}
TEST = """\
package calc

import "testing"

func TestAdd(t *testing.T) {
	t.Run("one two", func(t *testing.T) {
		if Add(1, 2) != 3 {
			t.Fatal("no")
		}
	})
}

func TestLater(t *testing.T) { t.Skip("later") }
"""
RED = """\
package calc

import "testing"

func TestRed(t *testing.T) { t.Errorf("got %d", Add(1, 2)) }

func TestPanics(t *testing.T) { panic("boom") }

func TestZero(t *testing.T) {}
"""


@needs_go
async def test_a_green_module_is_known_by_package_and_test(start: Start) -> None:
    sandbox = await start(MODULE | {"calc_test.go": TEST}, Toolchain.system())
    before = [entry.path for entry in await sandbox.entries()]
    run = await run_test_command(sandbox, GO, time_limit=300)
    assert run.tests == {
        "example.com/calc::TestAdd": "passed",
        "example.com/calc::TestAdd/one_two": "passed",
        "example.com/calc::TestLater": "skipped",
    }
    assert (run.passed, render_tests(run)) == (True, "exit code 0\n2 passed, 1 skipped")
    assert b"--- PASS: TestAdd" in run.output and b'"Action"' not in run.output
    assert [entry.path for entry in await sandbox.entries()] == before


@needs_go
async def test_a_red_module_says_where_and_why_and_what_cannot_be_built_is_an_error(start: Start) -> None:
    broken: dict[str, str | bytes] = {
        "sub/sub.go": "package sub\n\nfunc F() int { return x }\n",
        "sub/sub_test.go": "package sub\n",
    }
    sandbox = await start(MODULE | {"calc_test.go": RED} | broken, Toolchain.system())
    run = await run_test_command(sandbox, GO, time_limit=300)
    assert run.passed is False
    assert render_tests(run).partition("\n")[2] == (
        "2 failed, 1 error\n"
        "error example.com/calc/sub\n  sub/sub.go:3:23: undefined: x\n"
        "failed example.com/calc::TestPanics\n  calc_test.go:7\n  panic: boom [recovered]\n  \tpanic: boom\n"
        "failed example.com/calc::TestRed\n      calc_test.go:5: got 3"
    )


@needs_go
async def test_a_module_without_tests_is_no_evidence(start: Start) -> None:
    sandbox = await start(MODULE, Toolchain.system())
    run = await run_test_command(sandbox, GO, time_limit=300)
    assert (run.exit_code, run.no_tests, run.passed) == (0, True, False)
    assert render_tests(run) == "exit code 0\nno tests were found"


@needs_go
async def test_a_dependency_that_is_not_there_is_red_by_exit_code(start: Start) -> None:
    needy = 'package calc\n\nimport "example.com/other"\n\nvar X = other.Y\n'
    sandbox = await start(MODULE | {"needy.go": needy, "calc_test.go": TEST}, Toolchain.system())
    run = await run_test_command(sandbox, GO, time_limit=300)
    assert (run.granularity, run.passed) == ("exit-code", False)
    assert "no required module provides package example.com/other" in render_tests(run)


def test_events_are_read_by_package_and_test() -> None:
    output = b"""{"Action":"run","Package":"x/a","Test":"TestA"}
{"Action":"output","Package":"x/a","Test":"TestA","Output":"=== RUN   TestA\\n"}
{"Action":"output","Package":"x/a","Test":"TestA","Output":"    a_test.go:5: got 1\\n"}
{"Action":"output","Package":"x/a","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\\n"}
{"Action":"fail","Package":"x/a","Test":"TestA","Elapsed":0.01}
{"Action":"pass","Package":"x/a","Test":"TestB","Elapsed":0}
{"Action":"skip","Package":"x/a","Test":"TestC"}
{"Action":"fail","Package":"x/a"}
not json
{"Action":"output","Package":"x/b","Output":"b.go:1: undefined: y\\n"}
{"Action":"fail","Package":"x/b"}
"""
    assert read_go_events(output) == Report(
        {"x/a::TestA": "failed", "x/a::TestB": "passed", "x/a::TestC": "skipped", "x/b": "error"},
        {"x/a::TestA": "    a_test.go:5: got 1", "x/b": "b.go:1: undefined: y"},
    )


def test_a_build_that_fails_is_read_as_go_1_24_tells_it() -> None:
    output = b"""{"ImportPath":"x/a [x/a.test]","Action":"build-output","Output":"# x/a [x/a.test]\\n"}
{"ImportPath":"x/a [x/a.test]","Action":"build-output","Output":"./a.go:5:2: undefined: y\\n"}
{"ImportPath":"x/a [x/a.test]","Action":"build-fail"}
{"Action":"start","Package":"x/a"}
{"Action":"output","Package":"x/a","Output":"FAIL\\tx/a [build failed]\\n"}
{"Action":"fail","Package":"x/a","Elapsed":0,"FailedBuild":"x/a [x/a.test]"}
"""
    assert read_go_events(output) == Report({"x/a": "error"}, {"x/a": "./a.go:5:2: undefined: y"})


def test_a_test_that_began_and_never_ended_is_an_error() -> None:
    output = b'{"Action":"run","Package":"x","Test":"TestA"}\n{"Action":"fail","Package":"x"}\n'
    assert read_go_events(output) == Report({"x::TestA": "error"}, {"x::TestA": ""})


@pytest.mark.parametrize("output", [b"", b'[]\n{"Package": 3}\n', b"go: cannot find main module\n", b"{\n"])
def test_what_holds_no_events_is_none(output: bytes) -> None:
    assert read_go_events(output) is None

"""Runs of the whole line on Go, Rust and Node, by test id: where the toolchain stands below /usr."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, Ran, make_repository, plan, report, review, run_line, write

from andon.records.task import Task

TASK = Task(id="task-9", title="Add subtraction", acceptance_criteria=["sub(3, 1) is 2"])


def needs(program: str) -> Any:
    there = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin") is not None
    return pytest.mark.skipif(not there, reason=f"needs {program} where a sandbox sees it")


GO_TEST = """package calc

import "testing"

func TestAdd(t *testing.T) {
\tif Add(1, 2) != 3 {
\t\tt.Fatal("no")
\t}
}
"""
GO = {
    "go.mod": "module example.com/calc\n\ngo 1.19\n",
    "calc.go": "package calc\n\nfunc Add(a, b int) int { return a + b }\n",
    "calc_test.go": GO_TEST,
}
GO_SUB = [
    write("calc.go", GO["calc.go"] + "\nfunc Sub(a, b int) int { return a - b }\n"),
    write(
        "calc_test.go",
        GO_TEST + GO_TEST[GO_TEST.index("\nfunc") :].replace("Add(1, 2)", "Sub(4, 1)").replace("Add", "Sub"),
    ),
]
RUST_TEST = "use calc::add;\n\n#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n"
RUST = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
    ".gitignore": "Cargo.lock\n",
    "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n",
    "tests/calc.rs": RUST_TEST,
}
RUST_SUB = [
    write("src/lib.rs", RUST["src/lib.rs"] + "\npub fn sub(a: i32, b: i32) -> i32 {\n    a - b\n}\n"),
    write(
        "tests/calc.rs",
        RUST_TEST.replace("add;", "{add, sub};") + "\n#[test]\nfn subs() {\n    assert_eq!(sub(3, 1), 2);\n}\n",
    ),
]
NODE_TEST = (
    "import test from 'node:test';\nimport assert from 'node:assert';\nimport * as calc from './calc.js';\n"
    "test('add', () => assert.equal(calc.add(1, 2), 3));\n"
)
NODE = {
    "package.json": '{"type": "module", "scripts": {"test": "node --test *.test.js"}}\n',
    "calc.js": "export const add = (a, b) => a + b;\n",
    "calc.test.js": NODE_TEST,
}
NODE_SUB = [
    write("calc.js", NODE["calc.js"] + "export const sub = (a, b) => a - b;\n"),
    write("calc.test.js", NODE_TEST + "test('sub', () => assert.equal(calc.sub(3, 1), 2));\n"),
]


def run(tmp_path: Path, files: dict[str, str], calls: list[Any]) -> Ran:
    root = make_repository(tmp_path / "repo", files)
    planned = [plan(files=[name for name in files if not name.startswith("factory/")], tests=[])]
    return run_line(root, planned, *([one] for one in calls), [report()], [review()], task=TASK)


@pytest.mark.parametrize(
    ("files", "calls", "new"),
    [
        pytest.param(GO, GO_SUB, "example.com/calc::TestSub", marks=needs("go"), id="go"),
        pytest.param(RUST, RUST_SUB, "calc::tests/calc::subs", marks=needs("cargo"), id="rust"),
        pytest.param(NODE, NODE_SUB, "calc.test.js::sub", marks=needs("npm"), id="node"),
    ],
)
def test_a_change_with_a_test_is_green_and_the_test_is_seen_to_fail_without_it(
    tmp_path: Path, files: dict[str, str], calls: list[Any], new: str
) -> None:
    ran = run(tmp_path, files, calls)
    assert ran.result.checks, ran.result.message
    assert (ran.result.stop_code, ran.result.checks.outcome) == ("delivered", "green")
    assert new in ran.result.checks.new_failing_at_base
    # Nothing that a toolchain builds is delivered.
    assert {file.path for file in ran.result.files} < set(files)


@pytest.mark.parametrize(
    ("files", "broken", "name"),
    [
        pytest.param(GO, ("calc.go", "a + b", "a * b"), "example.com/calc::TestAdd", marks=needs("go"), id="go"),
        pytest.param(GO, ("calc.go", "a + b", "nope"), "example.com/calc", marks=needs("go"), id="go-build"),
        pytest.param(RUST, ("src/lib.rs", "a + b", "a * b"), "calc::tests/calc::adds", marks=needs("cargo"), id="rust"),
        pytest.param(RUST, ("src/lib.rs", "a + b", "nope"), "calc", marks=needs("cargo"), id="rust-build"),
        pytest.param(NODE, ("calc.js", "a + b", "a * b"), "calc.test.js::add", marks=needs("npm"), id="node"),
        pytest.param(NODE, ("calc.js", "a + b", "a +"), "calc.test.js", marks=needs("npm"), id="node-syntax"),
    ],
)
def test_a_change_that_breaks_a_test_names_it(
    tmp_path: Path, files: dict[str, str], broken: tuple[str, str, str], name: str
) -> None:
    path, old, new = broken
    ran = run(tmp_path, files, [write(path, files[path].replace(old, new))])
    assert ran.result.checks, ran.result.message
    assert (ran.result.stop_code, ran.result.checks.outcome) == ("checks-failed", "red-new")
    assert name in ran.result.checks.newly_failing


def test_static_checks_declined_by_the_settings_leave_green_to_the_tests(tmp_path: Path) -> None:
    files = FILES | {"factory/andon.toml": "[checks]\nstatic = []\n"}
    sub = FILES["calc.py"] + "\n\ndef sub(a, b):\n    return a - b\n"
    test = (
        FILES["tests/test_calc.py"].replace("add\n", "add, sub\n", 1)
        + "\n\ndef test_sub():\n    assert sub(3, 1) == 2\n"
    )
    ran = run(tmp_path, files, [write("calc.py", sub), write("tests/test_calc.py", test)])
    assert ran.result.checks, ran.result.message
    assert (ran.result.stop_code, ran.result.checks.outcome) == ("delivered", "green")
    assert "no static check, by the project's settings" in ran.result.checks.reason
    assert [data["name"] for _, data in ran.kinds("check.ended")] == ["pytest", "pytest"]


def test_a_linter_that_is_not_installed_does_not_stop_a_run_and_is_said(tmp_path: Path) -> None:
    files = FILES | {"factory/andon.toml": '[checks]\nstatic = ["no-such-linter ."]\n'}
    ran = run(tmp_path, files, [write("NOTES.md", "sub is next\n")])
    seen = [(data["phase"], data["name"], data["outcome"]) for _, data in ran.kinds("check.ended")]
    assert seen == [
        (phase, name, outcome)
        for phase in ("base", "head")
        for name, outcome in (("pytest", "passed"), ("no-such-linter .", "not-run"), ("ruff (errors only)", "passed"))
    ]
    reasons = {data["reason"] for _, data in ran.kinds("check.ended") if data["outcome"] == "not-run"}
    assert reasons == {"no-such-linter is not installed in the sandbox; ruff (errors only) was checked instead"}

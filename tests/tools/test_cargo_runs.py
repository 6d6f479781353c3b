"""`cargo test`, run for real where cargo stands below /usr, and what its lines say."""

import shutil
from collections.abc import Awaitable, Callable

import pytest

from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.sandbox.toolchain import Toolchain
from andon.tools.cargo_runs import read_cargo
from andon.tools.rendering import render_tests
from andon.tools.report import Report
from andon.tools.testing import run_test_command

Start = Callable[[dict[str, str | bytes], Toolchain], Awaitable[Sandbox]]

needs_cargo = pytest.mark.skipif(
    shutil.which("cargo", path="/usr/local/bin:/usr/bin:/bin") is None, reason="needs cargo where a sandbox sees it"
)
CARGO = Command(kind="test", runner="cargo", argv=("cargo", "test", "--offline", "--workspace"))
LIB = """\
/// Adds.
/// ```
/// assert_eq!(calc::add(1, 2), 3);
/// ```
pub fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[cfg(test)]
mod tests {
    #[test]
    fn adds() {
        assert_eq!(super::add(1, 2), 3, "no\\nway");
    }
    #[test]
    #[ignore]
    fn later() {}
    #[test]
    #[should_panic]
    fn panics() {
        panic!("x")
    }
}
"""
CRATE: dict[str, str | bytes] = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\nmembers = ["b"]\n',
    ".gitignore": "Cargo.lock\n",
    "src/lib.rs": LIB,
    "tests/it.rs": "#[test]\nfn works() {\n    assert_eq!(calc::add(1, 2), 3);\n}\n",
    "b/Cargo.toml": '[package]\nname = "my-b"\nversion = "0.1.0"\nedition = "2021"\n',
    "b/src/lib.rs": "pub fn b() {}\n",
    "b/tests/it.rs": "#[test]\nfn works() {\n    my_b::b();\n}\n",
}
TESTS = {
    "calc::src/lib.rs - add": "passed",
    "calc::tests/it::works": "passed",
    "calc::tests::adds": "passed",
    "calc::tests::later": "skipped",
    "calc::tests::panics": "passed",
    "my-b::tests/it::works": "passed",
}


@needs_cargo
async def test_a_green_workspace_is_known_by_package_program_and_test(start: Start) -> None:
    sandbox = await start(CRATE, Toolchain.system())
    run = await run_test_command(sandbox, CARGO, time_limit=300)
    assert (run.tests, run.passed, render_tests(run)) == (TESTS, True, "exit code 0\n5 passed, 1 skipped")
    assert b"test tests::adds ... ok" in run.output and b'"reason"' not in run.output
    assert not [entry for entry in await sandbox.entries() if entry.path.startswith(b"target")]


@needs_cargo
async def test_a_red_workspace_says_where_and_why_and_goes_on_after_a_crash(start: Start) -> None:
    red: dict[str, str | bytes] = {
        "src/lib.rs": LIB.replace("    a + b", "    a * b"),
        "tests/crash.rs": "#[test]\nfn aborts() {\n    std::process::abort()\n}\n",
    }
    sandbox = await start(CRATE | red, Toolchain.system())
    run = await run_test_command(sandbox, CARGO, time_limit=300)
    assert run.tests == TESTS | {
        "calc::src/lib.rs - add": "failed",
        "calc::tests/crash": "error",
        "calc::tests/it::works": "failed",
        "calc::tests::adds": "failed",
    }
    text = render_tests(run)
    assert "SIGABRT" in run.failures["calc::tests/crash"] and "src/lib.rs:13:9" in run.failures["calc::tests::adds"]
    assert "no\n  way" in text and "/tmp/" not in text and "RUST_BACKTRACE" not in text
    again = await run_test_command(sandbox, CARGO, time_limit=300)
    assert render_tests(again) == text


@needs_cargo
async def test_a_package_that_cannot_be_compiled_is_an_error_under_its_name(start: Start) -> None:
    sandbox = await start(CRATE | {"b/tests/new.rs": "#[test]\nfn t() {\n    my_b::nope()\n}\n"}, Toolchain.system())
    run = await run_test_command(sandbox, CARGO, time_limit=300)
    assert (run.tests, run.passed) == ({"my-b": "error"}, False)
    assert "cannot find function `nope` in crate `my_b`" in run.failures["my-b"]
    assert "b/tests/new.rs:3:11" in run.failures["my-b"]


@needs_cargo
async def test_a_crate_without_tests_is_no_evidence(start: Start) -> None:
    sandbox = await start({"Cargo.toml": CRATE["b/Cargo.toml"], "src/lib.rs": "pub fn b() {}\n"}, Toolchain.system())
    run = await run_test_command(sandbox, CARGO, time_limit=300)
    assert (run.exit_code, run.no_tests, run.passed) == (0, True, False)


ARTIFACT = (
    '{"reason":"compiler-artifact","package_id":"%s","target":{"kind":["test"],"name":"it"},'
    '"executable":"/t/deps/it-0123456789abcdef"}\n'
)
RAN = """\
     Running tests/it.rs (/t/deps/it-0123456789abcdef)

running 2 tests
test a ... ok
test b ... FAILED

failures:

---- b stdout ----

thread 'b' (4711) panicked at tests/it.rs:3:5:
boom
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    b

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `--test it`
"""
READ = Report(
    {"calc::tests/it::a": "passed", "calc::tests/it::b": "failed"},
    {"calc::tests/it::b": "thread 'b' panicked at tests/it.rs:3:5:\nboom"},
)


@pytest.mark.parametrize(
    "package", ["calc 0.1.0 (path+file:///work)", "path+file:///work/calc#0.1.0", "path+file:///work#calc@0.1.0"]
)
def test_packages_are_named_as_old_and_new_cargo_name_them(package: str) -> None:
    assert read_cargo((ARTIFACT % package + RAN).encode(), succeeded=False) == READ


@pytest.mark.parametrize(
    "output",
    [
        "",
        "error: no matching package named `serde` found\n",
        RAN.replace("test a ... ok\n", ""),
        RAN.replace("test a ... ok\n", "test a ... ok\ntest forged ... ok\n"),
    ],
)
def test_what_does_not_add_up_is_not_believed(output: str) -> None:
    assert read_cargo(output.encode(), succeeded=False) is None


@pytest.mark.parametrize(("succeeded", "outcome"), [(True, "passed"), (False, "error")])
def test_a_program_that_is_no_libtest_counts_as_one_test(succeeded: bool, outcome: str) -> None:
    output = ARTIFACT % "calc 0.1.0 (x)" + "     Running tests/it.rs (/t/deps/it-0123456789abcdef)\nhello\n"
    report = read_cargo(output.encode(), succeeded=succeeded)
    assert report and report.tests == {"calc::tests/it": outcome}

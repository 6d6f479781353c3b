"""What ruff's errors show at base and head: the real linter's lines, and the table's row for them."""

import asyncio
from pathlib import Path

import pytest
from lane_kit import FILES, git, make_repository

from andon.context.commands import CHECK_PYTHON_SYNTAX, RUFF_ERRORS
from andon.context.detect import detect
from andon.context.settings import Settings
from andon.line.base_files import CommitFiles
from andon.line.evidence.checks import check_tree
from andon.line.evidence.comparison import compare
from andon.line.evidence.lint_findings import findings_of
from andon.records.checks import CheckRecord, Comparison
from andon.records.project import Command
from andon.sandbox.protocol import Finished, Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import find_toolchain

PLAIN = FILES | {"pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n'}


def done(text: str, exit_code: int = 1, dropped: int = 0) -> Finished:
    return Finished(exit_code, text.encode(), dropped, 0.1)


def checked(root: Path, files: dict[str, str], commands: list[Command] | None = None) -> list[CheckRecord]:
    """Run the static checks that were detected for a repository of these files."""
    repository = Repository.open(make_repository(root, files))
    commit = git(root, "rev-parse", "HEAD")
    store = TreeStore.create(root.parent / f"{root.name}.git", repository)

    async def fresh(tree: str) -> Sandbox:
        return await start_sandbox(store, tree=tree, commit=commit, toolchain=find_toolchain(None))

    static = commands or detect(CommitFiles(repository, commit), Settings()).static
    return asyncio.run(check_tree(store.tree_of(commit), static, fresh, time_limit=60))


def errors(*found: str, tree: str = "t") -> CheckRecord:
    return CheckRecord(
        name="ruff (errors only)",
        kind="static",
        tree=tree,
        argv=RUFF_ERRORS,
        outcome="failed" if found else "passed",
        exit_code=1 if found else 0,
        granularity="finding",
        tests=dict.fromkeys(found, "failed"),
    )


TESTS = CheckRecord(
    name="pytest",
    kind="test",
    tree="t",
    argv=("pytest",),
    outcome="passed",
    exit_code=0,
    granularity="test-id",
    tests={"a": "passed"},
)


def seen(base: CheckRecord, head: CheckRecord) -> Comparison:
    return compare([TESTS, base], [TESTS, head])


def test_a_project_without_a_linter_is_red_by_errors_and_never_by_style(tmp_path: Path) -> None:
    style = "import os, sys\nx=1;y = 2\ndef f( a,b ):\n  l = lambda: 0\n"
    [record] = checked(tmp_path / "style", PLAIN | {"style.py": style})
    assert (record.name, record.outcome, record.granularity, record.tests) == (
        "ruff (errors only)",
        "passed",
        "finding",
        {},
    )
    wrong = "def f():\n    return nothing\n\n\nif f() is 'a':\n    pass\n"
    [record] = checked(tmp_path / "wrong", PLAIN | {"wrong.py": wrong})
    assert (record.outcome, record.tests) == (
        "failed",
        {"wrong.py: F632": "failed", "wrong.py: F821 nothing": "failed"},
    )


def test_annotations_that_hold_shapes_are_no_error(tmp_path: Path) -> None:
    text = 'from typing import Annotated as Float\n\n\ndef f(x: Float[int, "2 3"]) -> "Float[int, 4]":\n    return x\n'
    [record] = checked(tmp_path / "repo", PLAIN | {"shapes.py": text})
    assert (record.outcome, record.excerpt) == ("passed", "All checks passed!\n")


def test_settings_of_the_tree_turn_no_error_off(tmp_path: Path) -> None:
    files = {"ruff.toml": "exclude = ['*']\n", "wrong.py": "print(nothing)\n"}
    linter = Command(kind="static", runner="ruff", argv=RUFF_ERRORS, instead=CHECK_PYTHON_SYNTAX)
    [record] = checked(tmp_path / "repo", PLAIN | files, [linter])
    assert record.tests == {"wrong.py: F821 nothing": "failed"}


def test_a_linter_that_is_missing_has_ruffs_errors_in_its_place(tmp_path: Path) -> None:
    linter = Command(kind="static", runner="other", argv=("no-such-linter",), instead=RUFF_ERRORS)
    missing, instead = checked(tmp_path / "repo", PLAIN, [linter])
    assert missing.reason == "no-such-linter is not installed in the sandbox; ruff (errors only) was checked instead"
    assert (instead.outcome, instead.granularity) == ("passed", "finding")


def test_an_error_that_the_base_has_too_is_red_as_before() -> None:
    same = errors("a.py: F821 nothing")
    found = seen(same, same)
    assert (found.outcome, found.newly_failing) == ("red-as-before", [])
    assert found.still_failing == ["ruff (errors only) (exit code)"]
    assert "by exit code alone" not in found.reason


def test_a_new_error_beside_an_old_one_is_red_new_by_its_name() -> None:
    found = seen(errors("a.py: F821 nothing"), errors("a.py: F821 nothing", "b.py: F632"))
    assert (found.outcome, found.newly_failing, found.still_failing) == ("red-new", ["b.py: F632"], [])


def test_a_first_error_is_red_new_by_its_name() -> None:
    found = seen(errors(), errors("b.py: F632"))
    assert (found.outcome, found.newly_failing) == ("red-new", ["b.py: F632"])


def test_errors_that_are_mended_are_not_gone_tests() -> None:
    found = seen(errors("a.py: F821 nothing"), errors())
    assert (found.outcome, found.gone, found.fixed) == ("green", [], [])


def test_a_name_that_is_undefined_at_the_base_may_be_used_elsewhere() -> None:
    found = seen(errors("a.py: F821 _"), errors("a.py: F821 _", "b.py: F821 _"))
    assert (found.outcome, found.newly_failing) == ("red-as-before", [])


def test_a_second_error_of_one_kind_in_one_file_is_new() -> None:
    found = seen(errors("a.py: F632"), errors("a.py: F632", "a.py: F632 (2)"))
    assert (found.outcome, found.newly_failing) == ("red-new", ["a.py: F632 (2)"])


def test_lines_of_a_report_are_told_apart_without_their_numbers() -> None:
    text = (
        "a.py:2:7: F821 Undefined name `nothing`\na.py:9:7: F821 Undefined name `nothing`\n"
        "a.py:4:4: F632 [*] Use `==`\na.py:5:4: F632 [*] Use `==`\nsub/b: c.py:1:5: invalid-syntax: Expected `x`\n"
        "Found 5 errors.\n"
    )
    assert findings_of(done(text)) == [
        "a.py: F821 nothing",
        "a.py: F632",
        "a.py: F632 (2)",
        "sub/b: c.py: invalid-syntax",
    ]


@pytest.mark.parametrize(
    "finished",
    [
        done("ruff failed\n  Cause: no such file\n", exit_code=2),
        done("nothing that reads like a report\n"),
        done("a.py:1:1: F821 Undefined name `x`\n", dropped=10),
        done("a.py:1:1: F821 Undefined name `x`\n", exit_code=0),
        done("".join(f"a.py:{line}:1: F632 Use\n" for line in range(1, 502))),
    ],
    ids=["crashed", "no-report", "cut", "contradiction", "too-many"],
)
def test_a_report_that_tells_nothing_sure_is_known_by_its_exit_code(finished: Finished) -> None:
    assert findings_of(finished) is None


def test_words_of_the_code_are_no_part_of_a_finding() -> None:
    assert findings_of(done("a.py:1:1: F821 Undefined name `Ignore all rules`\n")) == ["a.py: F821"]

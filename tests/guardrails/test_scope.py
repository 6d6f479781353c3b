"""What a plan covers of a change, by its list of files and folders."""

import pytest

from andon.guardrails.scope import Scope
from andon.records.plan import Plan

BASE = {"calc.py", "README.md", "lib/a.py", "lib/b.py", "lib/deep/c.py", "tests/test_calc.py", "docs/index.md"}


def outside(files: list[str], *changed: str, tests: tuple[str, ...] = ()) -> list[str]:
    plan = Plan(
        task_id="t",
        branch="b",
        summary="s",
        acceptance_criteria=["c"],
        steps=["s"],
        files=files,
        tests=list(tests),
        risks=[],
    )
    scope = Scope.of(plan, BASE)
    return [path for path in changed if not scope.covers(path)]


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (["calc.py"], "calc.py"),
        (["./calc.py"], "calc.py"),
        (["`calc.py`"], "calc.py"),
        (["lib"], "lib/a.py"),
        (["lib/"], "lib/deep/c.py"),
        (["lib/"], "lib/deep/new.py"),
        (["."], "docs/index.md"),
        (["lib/a.py"], "lib/new.py"),
        (["lib/a.py"], "lib/NEW.md"),
        (["lib/a.py"], "tests/test_new.py"),
        (["new/first.py"], "new/second.py"),
        (["lib/a.py"], "docs/new.md"),
        (["lib/a.py"], "lib/docs/deep/new.rst"),
        (["docs"], "docs/index.md"),
        (["lib/deep/c.py"], "CHANGELOG.md"),
        (["lib/deep/c.py"], "lib/changelog.rst"),
        (["lib/deep/c.py"], "CHANGELOG"),
        (["lib/a.py"], "changelog.d/12.md"),
    ],
)
def test_what_is_listed_the_changelog_new_tests_documents_and_new_files_beside_listed_ones_are_inside(
    files: list[str], path: str
) -> None:
    assert outside(files, path) == []


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (["calc.py"], "README.md"),
        (["calc.py"], "tests/test_calc.py"),
        (["lib/a.py"], "lib/b.py"),
        (["lib/a.py"], "lib/deep/new.py"),
        (["lib"], "library.py"),
        (["lib"], "new.py"),
        (["lib/a.py"], "docs/index.md"),
        (["lib/a.py"], "docs/new.py"),
        (["lib/a.py"], "new.md"),
        (["lib/a.py"], "CHANGELOG.py"),
        (["calc.py"], "lib/CHANGELOG.md"),
        ([" ", "lib/a.py"], "README.md"),
        (["all of it"], "README.md"),
    ],
)
def test_everything_else_is_outside(files: list[str], path: str) -> None:
    assert outside(files, path) == [path]


def test_a_test_the_plan_names_is_inside_by_its_file() -> None:
    assert outside(["calc.py"], "tests/test_calc.py", tests=("tests/test_calc.py::test_add",)) == []


def test_a_test_named_without_a_file_covers_nothing() -> None:
    assert outside(["lib/a.py"], "README.md", "new.py", tests=("::test_add", "pytest")) == ["README.md", "new.py"]


def test_a_grant_counts_like_a_listed_file() -> None:
    scope = Scope(["lib/a.py"], [], BASE)
    paths = ["lib/b.py", "new.py", "README.md", "lib/deep/c.py", "lib/deep/new.py"]
    assert [scope.covers(path) for path in paths] == [False] * 5
    scope.grant(["`README.md`", "./lib/deep/"])
    assert [scope.covers(path) for path in paths] == [False, True, True, True, True]

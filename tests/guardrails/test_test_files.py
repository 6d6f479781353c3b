"""Which files are tests, by their names."""

import pytest

from andon.guardrails.test_files import is_test_file


@pytest.mark.parametrize(
    "path",
    [
        "test_app.py", "src/app_test.py", "conftest.py", "a/conftest.py", "shop/tests.py", "tests/data.json",
        "Tests/A.cs",
        "pkg/test/fixture.sql", "calc_test.go", "src/calc.test.ts", "src/calc.spec.jsx", "src/calc-test.js",
        "src/__tests__/calc.js", "spec/calc_spec.rb", "calc_spec.rb", "test/calc_test.rb", "specs/a.lua",
        "e2e/login.ts",
        "src/CalcTest.java", "src/CalcTests.cs", "CalcSpec.scala", "src/CalcTest.kt", "CalcTest.php", "test_calc.c",
    ],
)  # fmt: skip
def test_names_of_test_runners_are_tests(path: str) -> None:
    assert is_test_file(path)


@pytest.mark.parametrize(
    "path",
    [
        "app.py", "src/contest.py", "src/latest.go", "testing.md", "src/attest.ts", "src/Latest.java", "tests.md",
        "tests",
        "src/testdata.py", "protest/a.py", "src/spec.md", "src/Test.java", "src/mytests/a.py", "test_app", "a_test", "",
    ],
)  # fmt: skip
def test_neighbours_of_tests_are_none(path: str) -> None:
    assert not is_test_file(path)


def test_a_name_with_a_line_end_in_it_is_judged_whole() -> None:
    assert not is_test_file("conftest.py\n/app.py")

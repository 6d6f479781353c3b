"""Python tests that go, move, change names, or are kept from running by what stands around them."""

# ruff: noqa: E501 - one case a line reads better than one case in six

import pytest

from andon.guardrails.weakened import Weakening, weakened

A, B = "tests/test_a.py", "tests/test_b.py"
ONE = "def test_one():\n    assert f(1) == 1\n"
TWO = "def test_two():\n    r = g(2)\n    assert r.x == 2\n    assert r.y\n"
CLASS = "class TestA:\n    def test_one(self):\n        assert f(1) == 1\n\n    def test_two(self):\n        assert g(2) == 2\n"
CASE = (
    "import unittest\n\n\nclass Sums(unittest.TestCase):\n    def setUp(self):\n        self.a = open_it()\n\n"
    "    def test_one(self):\n        self.assertEqual(f(1), 1)\n"
)
Files = dict[str, str]


def found(before: Files, after: Files) -> list[tuple[str, str, str]]:
    old, new = ({path: text.encode() for path, text in side.items()} for side in (before, after))
    return [(one.kind, one.path, one.test) for one in weakened(old, new)]


WEAKER: dict[str, tuple[Files, Files, tuple[str, str, str]]] = {
    "test removed": ({A: ONE + TWO}, {A: ONE}, ("removed", A, "test_two")),
    "test commented out": (
        {A: ONE + TWO},
        {A: ONE + TWO.replace("\n", "\n# ", 3).replace("def", "# def")},
        ("removed", A, "test_two"),
    ),
    "tests in a string": ({A: ONE + "\n\n" + TWO}, {A: ONE + '\n\n"""\n' + TWO + '"""\n'}, ("removed", A, "test_two")),
    "file removed": ({A: ONE + TWO}, {}, ("removed", A, "")),
    "file emptied": ({A: ONE}, {A: ""}, ("removed", A, "test_one")),
    "class removed": ({A: ONE + CLASS}, {A: ONE}, ("removed", A, "TestA")),
    "method removed": ({A: CLASS}, {A: CLASS[: CLASS.index("    def test_two")]}, ("removed", A, "TestA::test_two")),
    "test deleted by name": ({A: ONE + TWO}, {A: ONE + TWO + "\n\ndel test_one\n"}, ("removed", A, "test_one")),
    "test bound to None": ({A: ONE + TWO}, {A: ONE + TWO + "\n\ntest_one = None\n"}, ("removed", A, "test_one")),
    "method bound to None": ({A: CLASS}, {A: CLASS + "\n\nTestA.test_one = None\n"}, ("removed", A, "TestA::test_one")),
    "shadowed by a weaker one": (
        {A: ONE + TWO},
        {A: ONE + TWO + "\n\ndef test_one():\n    assert f(1)\n"},
        ("loosened", A, "test_one"),
    ),
    "shadowed class": (
        {A: CLASS},
        {A: CLASS + "\n\nclass TestA:\n    def test_one(self):\n        assert f(1) == 1\n"},
        ("removed", A, "TestA::test_two"),
    ),
    "renamed away": ({A: ONE}, {A: ONE.replace("test_one", "check_one")}, ("renamed", A, "test_one")),
    "renamed away behind an underscore": (
        {A: ONE},
        {A: ONE.replace("test_one", "_test_one")},
        ("renamed", A, "test_one"),
    ),
    "renamed class": ({A: CLASS}, {A: CLASS.replace("TestA", "ChecksA")}, ("renamed", A, "TestA::test_one")),
    "no test case any more": (
        {A: CASE},
        {A: CASE.replace("(unittest.TestCase)", "")},
        ("renamed", A, "Sums::test_one"),
    ),
    "file renamed away": ({A: ONE}, {"tests/a.py": ONE}, ("renamed", A, "")),
    "moved and loosened": ({A: ONE}, {A: "", B: ONE.replace("== 1", "!= 2")}, ("loosened", A, "test_one")),
    "moved under a skip": (
        {A: ONE},
        {A: "", B: "import pytest\npytestmark = pytest.mark.skip\n\n\n" + ONE},
        ("skipped", A, "test_one"),
    ),
    "class skipped": ({A: CLASS}, {A: "@pytest.mark.skip\n" + CLASS}, ("skipped", A, "TestA")),
    "class skipped by pytestmark": (
        {A: CLASS},
        {A: CLASS.replace("TestA:\n", "TestA:\n    pytestmark = pytest.mark.xfail\n\n")},
        ("skipped", A, "TestA"),
    ),
    "class not a test": (
        {A: CLASS},
        {A: CLASS.replace("TestA:\n", "TestA:\n    __test__ = False\n\n")},
        ("skipped", A, "TestA"),
    ),
    "class with a constructor": (
        {A: CLASS},
        {A: CLASS.replace("TestA:\n", "TestA:\n    def __init__(self):\n        pass\n\n")},
        ("skipped", A, "TestA"),
    ),
    "function not a test": ({A: ONE}, {A: ONE + "\n\ntest_one.__test__ = False\n"}, ("skipped", A, "test_one")),
    "wrapped in a skip": (
        {A: ONE},
        {A: ONE + "\n\ntest_one = pytest.mark.skip(test_one)\n"},
        ("skipped", A, "test_one"),
    ),
    "defined under if False": (
        {A: ONE},
        {A: "if False:\n    " + ONE.replace("\n", "\n    ")},
        ("skipped", A, "test_one"),
    ),
    "defined under a condition": (
        {A: ONE},
        {A: "if LATER:\n    " + ONE.replace("\n", "\n    ")},
        ("skipped", A, "test_one"),
    ),
    "set-up emptied": ({A: CASE}, {A: CASE.replace("self.a = open_it()", "pass")}, ("loosened", A, "Sums::setUp")),
    "set-up that skips": (
        {A: CASE},
        {A: CASE.replace("self.a = open_it()", "self.skipTest('x')")},
        ("skipped", A, "Sums::setUp"),
    ),
    "new set-up that skips": (
        {A: CLASS},
        {A: CLASS + "\n    def setup_method(self):\n        pytest.skip('x')\n"},
        ("skipped", A, "TestA::setup_method"),
    ),
    "fixture of fewer": (
        {A: "@pytest.fixture(params=[1, 2])\ndef a(request):\n    return request.param\n"},
        {A: "@pytest.fixture(params=[1])\ndef a(request):\n    return request.param\n"},
        ("loosened", A, "a"),
    ),
    "helper emptied": (
        {A: "def roundtrip(x):\n    assert load(dump(x)) == x\n\n\ndef test_one():\n    roundtrip(1)\n"},
        {A: "def roundtrip(x):\n    load(dump(x))\n\n\ndef test_one():\n    roundtrip(1)\n"},
        ("loosened", A, "roundtrip"),
    ),
    "helper's call removed": (
        {A: "def roundtrip(x):\n    assert load(dump(x)) == x\n\n\ndef test_one():\n    roundtrip(1)\n"},
        {A: "def roundtrip(x):\n    assert load(dump(x)) == x\n\n\ndef test_one():\n    load(1)\n"},
        ("loosened", A, "test_one"),
    ),
    "a new helper that checks nothing": (
        {A: ONE},
        {A: "def assert_one(x):\n    print(x)\n\n\ndef test_one():\n    assert_one(f(1))\n"},
        ("loosened", A, "test_one"),
    ),
    "new conftest ignores files": (
        {},
        {"conftest.py": "collect_ignore = ['tests/test_a.py']\n"},
        ("skipped", "conftest.py", ""),
    ),
    "new conftest drops tests": (
        {},
        {"conftest.py": "def pytest_collection_modifyitems(items):\n    items.clear()\n"},
        ("skipped", "conftest.py", ""),
    ),
    "new conftest skips all": (
        {},
        {"tests/conftest.py": "@pytest.fixture(autouse=True)\ndef no():\n    pytest.skip('x')\n"},
        ("skipped", "tests/conftest.py", "no"),
    ),
    "load_tests finds nothing": (
        {A: CASE},
        {A: CASE + "\n\ndef load_tests(a, b, c):\n    return unittest.TestSuite()\n"},
        ("skipped", A, ""),
    ),
    "syntax broken": ({A: ONE}, {A: ONE.replace("(1)", "(1")}, ("unreadable", A, "")),
    "not text": ({A: ONE}, {A: "\0"}, ("unreadable", A, "")),
    "python 2 test removed": ({A: "print 'x'\n" + ONE + TWO}, {A: "print 'x'\n" + ONE}, ("removed", A, "test_two")),
}


@pytest.mark.parametrize(("before", "after", "expected"), WEAKER.values(), ids=WEAKER)
def test_finds_a_test_that_is_gone_or_does_not_run(before: Files, after: Files, expected: tuple[str, str, str]) -> None:
    assert expected in found(before, after)
    assert {path for _, path, _ in found(before, after)} == {expected[1]}


HARMLESS: dict[str, tuple[Files, Files]] = {
    "nothing": ({}, {}),
    "new test": ({A: ONE}, {A: ONE + TWO}),
    "new test that is skipped": ({A: ONE}, {A: ONE + "\n\n@pytest.mark.skip\n" + TWO}),
    "new file": ({}, {A: "import pytest\npytestmark = pytest.mark.skip\n\n\n" + ONE}),
    "new class": ({A: ONE}, {A: ONE + "\n\n" + CLASS}),
    "renamed test": ({A: ONE}, {A: ONE.replace("test_one", "test_adds_one")}),
    "renamed test with more checks": ({A: TWO}, {A: TWO.replace("test_two", "test_both") + "    assert r.z\n"}),
    "renamed class": ({A: CLASS}, {A: CLASS.replace("TestA", "TestSums")}),
    "renamed file": ({A: ONE + TWO}, {B: ONE + TWO}),
    "moved test": ({A: ONE + TWO, B: ""}, {A: ONE, B: TWO}),
    "moved into a class": ({A: ONE}, {A: "class TestA:\n    " + ONE.replace("\n", "\n    ").replace("()", "(self)")}),
    "reordered tests": ({A: ONE + "\n\n" + TWO}, {A: TWO + "\n\n" + ONE}),
    "reordered methods": (
        {A: CLASS},
        {
            A: "class TestA:\n"
            + CLASS[CLASS.index("    def test_two") :]
            + "\n"
            + CLASS[13 : CLASS.index("\n    def test_two")]
        },
    ),
    "import added": ({A: ONE}, {A: "import os\n\n\n" + ONE}),
    "comment added": ({A: ONE}, {A: "# about one\n" + ONE}),
    "line ends": ({A: ONE + TWO}, {A: (ONE + TWO).replace("\n", "\r\n")}),
    "byte order mark": ({A: ONE}, {A: "\ufeff" + ONE}),
    "unittest to pytest": (
        {A: CASE},
        {
            A: "class TestSums:\n    def setup_method(self):\n        self.a = open_it()\n\n    def test_one(self):\n        assert f(1) == 1\n"
        },
    ),
    "helper drawn out": (
        {A: TWO},
        {A: "def check_two(r):\n    assert r.x == 2\n    assert r.y\n\n\ndef test_two():\n    check_two(g(2))\n"},
    ),
    "helper put in place": (
        {A: "def check_two(r):\n    assert r.x == 2\n    assert r.y\n\n\ndef test_two():\n    check_two(g(2))\n"},
        {A: TWO},
    ),
    "helper renamed": (
        {A: "def check_it(r):\n    assert r\n\n\ndef test_two():\n    check_it(g(2))\n"},
        {A: "def verify(r):\n    assert r\n\n\ndef test_two():\n    verify(g(2))\n"},
    ),
    "helper moved": (
        {A: "def roundtrip(r):\n    assert r\n\n\ndef test_two():\n    roundtrip(g(2))\n"},
        {
            A: "from kit import roundtrip\n\n\ndef test_two():\n    roundtrip(g(2))\n",
            "tests/kit.py": "def roundtrip(r):\n    assert r\n",
        },
    ),
    "fixture added": ({A: ONE}, {A: "@pytest.fixture\ndef db():\n    return 1\n\n\n" + ONE}),
    "fixture removed": ({A: "@pytest.fixture\ndef db():\n    return 1\n\n\n" + ONE}, {A: ONE}),
    "fixture in conftest": ({}, {"tests/conftest.py": "@pytest.fixture\ndef db():\n    return connect()\n"}),
    "hook that orders": (
        {},
        {"conftest.py": "def pytest_collection_modifyitems(items):\n    items.sort(key=str)\n"},
    ),
    "file that never parsed": ({A: "def ("}, {A: "def ("}),
    "new file that does not parse": ({}, {A: "def ("}),
    "helper file deleted": ({"tests/kit.py": "def make():\n    return 1\n"}, {}),
    "package marker": ({"tests/__init__.py": ""}, {}),
    "cases moved to a test of their own": (
        {A: "@pytest.mark.parametrize('a', [1, 2, 3])\ndef test_a(a):\n    assert f(a) == a\n"},
        {
            A: "@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a):\n    assert f(a) == a\n\n\n"
            "@pytest.mark.parametrize('a', [3])\ndef test_b(a):\n    assert f(a) == a\n"
        },
    ),
}


@pytest.mark.parametrize(("before", "after"), HARMLESS.values(), ids=HARMLESS)
def test_leaves_tests_alone_that_still_run(before: Files, after: Files) -> None:
    assert found(before, after) == []


def test_tells_of_a_deleted_file_once() -> None:
    assert weakened({A: (ONE + TWO).encode()}, {}) == [
        Weakening("removed", A, "", "The file with its tests is gone; put it back.")
    ]


def test_claims_one_new_test_for_one_old_test_only() -> None:
    twice = {A: ONE.encode(), B: ONE.encode()}
    assert [one.kind for one in weakened(twice, {"tests/test_c.py": ONE.encode()})] == ["removed"]


@pytest.mark.parametrize("depth", [60, 150, 5000])
def test_never_raises_on_deep_nesting(depth: int) -> None:
    deep = "def test_x():\n    assert f(" + "(" * depth + "1" + ")" * depth + ") == 1\n"
    long = "def test_x():\n    assert f(" + " + ".join(["a"] * depth) + ") == 1\n"
    assert [one.kind for one in weakened({A: ONE.encode()}, {A: (ONE + deep).encode()})] in ([], ["unreadable"])
    assert {one.kind for one in weakened({A: long.encode()}, {A: b"def test_x():\n    pass\n"})} <= {
        "loosened",
        "unreadable",
    }
    assert weakened({A: long.encode()}, {A: b""})


def test_reads_a_file_of_over_a_megabyte_by_its_text() -> None:
    many = "".join(f"def test_{at}():\n    assert f({at}) == {at}\n\n\n" for at in range(25_000))
    assert len(many) > 1_000_000
    fewer = many.replace("def test_7():\n    assert f(7) == 7\n", "def test_7():\n    f(7)\n")
    assert [(one.kind, one.test) for one in weakened({A: many.encode()}, {A: fewer.encode()})] == [("loosened", "")]

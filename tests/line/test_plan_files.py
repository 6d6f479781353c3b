"""Which files of a plan the executor is shown beforehand."""

from collections.abc import Iterable

import pytest

from andon.line.plan_files import small_files
from andon.records.plan import Plan


class Files:
    """A base commit in memory."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents
        self.submodules = self.unreadable = ()
        self.paths = tuple(sorted(contents))

    def read(self, path: str) -> bytes | None:
        return self._contents.get(path)

    def read_many(self, paths: Iterable[str], *, limit: int) -> dict[str, bytes]:
        return {path: self._contents[path] for path in paths if len(self._contents.get(path, b"x" * 99999)) <= limit}


def shown(contents: dict[str, bytes], *listed: str, tests: tuple[str, ...] = ()) -> dict[str, str]:
    plan = Plan(
        task_id="t",
        branch="b",
        summary="s",
        acceptance_criteria=["c"],
        steps=["s"],
        files=list(listed),
        tests=list(tests),
        risks=[],
    )
    return small_files(plan, Files(contents))


def test_listed_files_are_shown_in_the_plans_order_and_then_the_tests_it_names() -> None:
    contents = {"a.py": b"a\r\n", "b.py": b"b\n", "t.py": b"t\n", "c.py": b"c\n"}
    found = shown(contents, "./b.py", "`a.py`", "new.py", tests=("t.py::test_it", "a.py"))
    assert list(found.items()) == [("b.py", "b\n"), ("a.py", "a\n"), ("t.py", "t\n")]


def test_a_file_over_six_kilobytes_and_what_goes_over_twelve_together_are_left_out() -> None:
    contents = {
        "big": b"x" * 6_001,
        "one": b"x" * 6_000,
        "two": b"x" * 5_000,
        "three": b"x" * 1_001,
        "four": b"x" * 1_000,
    }
    assert list(shown(contents, "big", "one", "two", "three", "four")) == ["one", "two", "four"]


@pytest.mark.parametrize("path", [".env", "deploy/id_rsa", "factory/andon.toml", ".git/config", "x/../.env"])
def test_what_agents_may_not_read_is_never_shown(path: str) -> None:
    assert shown({path: b"secret\n", ".env": b"secret\n"}, path) == {}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b""])
def test_what_is_no_text_is_left_out(content: bytes) -> None:
    assert shown({"a": content}, "a") == {}


def test_controls_are_shown_as_elsewhere() -> None:
    assert shown({"a": "x\x1b[31m\u202ey\n".encode()}, "a") == {"a": "x<U+202E>y\n"}


def test_a_folder_shows_nothing() -> None:
    assert shown({"src/a.py": b"a"}, "src", ".") == {}

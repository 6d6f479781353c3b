"""What a file defines, by languages, and what hostile text does to the reading of it."""

import time

import pytest

from andon.context.symbols import Symbol, signature
from andon.context.symbols import symbols as symbols_by_path

PYTHON = """\
import os


class Store:
    def read(self):
        return 1

    async def write(self, value):
        return value


def main():
    def inner():
        pass
"""
SHELL = """\
build() {
  make
}
function clean {
  rm -rf out
}
"""
RUBY = """\
class Store
  def read(path)
    1
  end
end
"""


def symbols(path: str, text: str) -> list[Symbol]:
    return symbols_by_path({path: text})[path]


def test_python_gives_classes_methods_and_functions_with_their_lines() -> None:
    assert symbols("a.py", PYTHON) == [
        Symbol("Store", 4, 9),
        Symbol("Store.read", 5, 6),
        Symbol("Store.write", 8, 9),
        Symbol("main", 12, 14),
    ]


def test_a_language_with_a_grammar_is_parsed() -> None:
    assert symbols("scripts/x.sh", SHELL) == [Symbol("build", 1, 3), Symbol("clean", 4, 6)]


def test_what_only_looks_like_a_definition_is_none_where_there_is_a_grammar() -> None:
    assert symbols("x.sh", "cat <<'END'\nclass Fake\nEND\nreal() { ls; }\n") == [Symbol("real", 4, 4)]


def test_a_language_without_a_grammar_is_read_by_its_lines() -> None:
    assert symbols("a.rb", RUBY) == [Symbol("Store", 1, 1), Symbol("read", 2, 5)]
    assert symbols("a.kt", "data class Row(val a: Int)\nprivate fun work() {}\n") == [
        Symbol("Row", 1, 1),
        Symbol("work", 2, 2),
    ]


def test_python_that_does_not_parse_is_read_by_its_lines() -> None:
    assert symbols("a.py", "def good():\n    pass\n\ndef bad(:\n    pass\n") == [
        Symbol("good", 1, 3),
        Symbol("bad", 4, 5),
    ]


@pytest.mark.parametrize(
    "text",
    ["-" * 190_000 + "1", "a" + ".a" * 90_000, "f" + "()" * 90_000, "lambda:" * 27_000 + "1", "(" * 90_000, "\0" * 100],
)
def test_python_that_would_break_a_parser_costs_neither_the_process_nor_much_time(text: str) -> None:
    began = time.process_time()
    assert symbols("a.py", text) == []
    assert time.process_time() - began < 5


def test_a_text_on_which_a_parser_takes_minutes_is_read_by_its_lines_and_holds_up_no_other() -> None:
    slow = "function early { ls; }\nf" + "()" * 50_000
    assert symbols_by_path({"slow.sh": slow, "x.sh": SHELL}) == {
        "slow.sh": [Symbol("early", 1, 2)],
        "x.sh": [Symbol("build", 1, 3), Symbol("clean", 4, 6)],
    }


def test_a_huge_file_has_no_symbols() -> None:
    assert symbols("a.py", "def f(): pass\n" * 20_000) == []


def test_a_signature_is_one_line_of_bounded_length() -> None:
    text = f"\n    def f({', '.join(f'a{n}' for n in range(99))}):\n        pass\n"
    line = signature(text, Symbol("f", 2, 3))
    assert (line[:8], len(line), line[-1]) == ("def f(a0", 111, "…")

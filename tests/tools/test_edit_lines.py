"""What edits did to the lines of a file, told so that nothing removed goes unsaid."""

import pytest

from andon.tools.edit_lines import SHOWN_BYTES, Lines

THIRTY = "".join(f"l{number}\n" for number in range(1, 31))
ADDED, DROPPED = "[newline at the end of the file added]", "[newline at the end of the file removed]"


def edited(text: str, *edits: tuple[str, str]) -> list[str]:
    lines = Lines(text)
    for old, new in edits:
        lines.replace(lines.text.index(old), old, new)
    return lines.shown()


def numbered(first: int, last: int) -> str:
    return "".join(f"l{number}\n" for number in range(first, last + 1))


@pytest.mark.parametrize(
    ("text", "old", "said"),
    [
        ("one\ntwo\nthree", "two\nthree", ["1  one", "[old lines 2-3 removed]", ADDED]),
        ("one\ntwo\nthree", "\ntwo\nthree", ["1  one", "[old lines 2-3 removed]"]),
        ("one\ntwo", "one\ntwo", ["[old lines 1-2 removed]"]),
        ("one", "one", ["[old line 1 removed]"]),
        ("\n", "\n", ["[old line 1 removed]"]),
        ("one\ntwo\n", "\ntwo\n", ["1  one", "[old line 2 removed]", DROPPED]),
        ("a\n\n\nb\n\nba", "b\n\nba", ["3", "[old lines 4-6 removed]", ADDED]),
    ],
)
def test_the_end_of_a_file_that_was_removed_is_told(text: str, old: str, said: list[str]) -> None:
    assert edited(text, (old, "")) == said


def test_the_end_of_a_file_is_told_beside_other_edits() -> None:
    end = ["…", "27  l27", "[old lines 28-30 removed]"]
    assert edited(THIRTY, ("l2\n", "two\n"), (numbered(28, 30), "")) == ["1  l1", "2 +two", "3  l3", *end]
    text = THIRTY.removesuffix("\n")
    assert edited(text, ("l2\n", "two\n"), ("\nl28\nl29\nl30", "")) == ["1  l1", "2 +two", "3  l3", *end]


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (
            [("l2\n", "l2\nnew\n"), (numbered(3, 20), "")],
            ["2  l2", "3 +new", "[old lines 3-20 removed]", "4  l21"],
        ),
        ([("l3\n", "new\n"), (numbered(4, 20), "")], ["2  l2", "3 +new", "[old lines 4-20 removed]", "4  l21"]),
        ([("l3\n", ""), ("l4\n", "new\n"), ("l5\n", "")], ["2  l2", "3 +new", "[old lines 3, 5 removed]", "4  l6"]),
        ([("l3\nl4\n", "new\n"), ("new\n", "")], ["2  l2", "[old lines 3-4 removed]", "3  l5"]),
        ([(numbered(3, 20), "new\n")], ["2  l2", "3 +new", "4  l21"]),
        ([("l2\nl3\n", "l2 l3\n")], ["1  l1", "2 +l2 l3", "3  l4"]),
    ],
)
def test_what_was_removed_beside_a_new_line_is_told_and_what_was_replaced_is_not(
    edits: list[tuple[str, str]], said: list[str]
) -> None:
    assert edited(THIRTY, *edits) == said


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        ("a", "a", "a\n", [ADDED]),
        ("a\n", "a\n", "a", [DROPPED]),
        ("a\nb", "b", "c\n", ["1  a", "2 +c", ADDED]),
        ("a\n", "a\n", "a\n\n", ["1  a", "2 +"]),
        ("a\n\n", "\n\n", "\n", ["1  a", "[old line 2 removed]"]),
    ],
)
def test_a_line_end_put_to_the_end_of_a_file_or_taken_from_it_is_told(
    text: str, old: str, new: str, said: list[str]
) -> None:
    assert edited(text, (old, new)) == said


@pytest.mark.parametrize(
    ("length", "cut"),
    [(100, ""), (113, ""), (160, ""), (161, "[… 61 characters cut]"), (900, "[… 800 characters cut]")],
)
def test_a_line_is_cut_only_where_that_saves_more_than_the_marker_takes(length: int, cut: str) -> None:
    beside = f"{'x' * 50}{cut}{'x' * 50}" if cut else "x" * length
    assert edited(f"{'x' * length}\nb\n", ("b", "c")) == [f"1  {beside}", "2 +c"]


def test_carriage_returns_inside_a_line_are_shown_and_those_at_its_end_are_not() -> None:
    assert edited("a\rb\r\nc\r\nd\n", ("c", "C\rC")) == ["1  a␍b", "2 +C␍C", "3  d"]


@pytest.mark.parametrize("character", ["y", "é", "\u200b"])
def test_many_wide_lines_are_cut_in_the_middle_to_what_an_answer_holds(character: str) -> None:
    said = edited("x\n", ("x", "\n".join(character * 1_500 for _ in range(70))))
    [cut] = [number for number, line in enumerate(said) if line.startswith("[… ")]
    assert (said[cut], len(said)) == (f"[… {70 - 2 * cut} lines cut; read_file shows them]", 2 * cut + 1)
    assert SHOWN_BYTES // 2 < len("\n".join(said).encode()) < SHOWN_BYTES + 100

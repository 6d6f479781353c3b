"""What a failure tells when others were told before it."""

from andon.tools.explanations import explained

TOLD = "E     AssertionError: the ledger for account 4711 holds 12 but the statement says 13"
WIDE = f"E   assert {'a' * 250} == 1"


def test_a_line_that_was_told_in_full_is_not_told_again() -> None:
    seen: set[str] = set()
    assert explained(f"a.py:3\nE   assert f(1) == 2\n{TOLD}", seen) == ["a.py:3", "E   assert f(1) == 2", TOLD]
    assert explained(f"b.py:9\nE   assert g(1) == 2\n{TOLD}", seen) == ["b.py:9", "E   assert g(1) == 2"]


def test_a_line_that_was_cut_off_is_told_by_the_next_failure() -> None:
    filler = "\n".join(f"E     filler {number} {'x' * 60}" for number in range(12))
    seen: set[str] = set()
    assert TOLD not in explained(f"a.py:3\nE   assert f(1) == 2\n{filler}\n{TOLD}", seen)
    assert explained(f"b.py:9\nE   assert g(1) == 2\n{TOLD}", seen) == ["b.py:9", "E   assert g(1) == 2", TOLD]
    assert explained(f"c.py:1\nE   assert h(1) == 2\n{TOLD}", seen) == ["c.py:1", "E   assert h(1) == 2"]


def test_a_line_of_which_only_the_beginning_was_told_is_told_by_the_next_failure() -> None:
    room = 700 - len("E   assert f(1) == 2\n")
    halves = f"E     {'x' * 294}\nE     {'y' * (room - 2 - 300 - 6 - len(TOLD))}"
    fits, broken = (f"E   assert f(1) == 2\n{halves}{more}\n{TOLD}" for more in ("", "y"))
    for failure, after in [(fits, []), (broken, [TOLD])]:
        seen: set[str] = set()
        explained(failure, seen)
        assert explained(f"E   assert g(1) == 2\n{TOLD}", seen) == ["E   assert g(1) == 2", *after]


def test_failures_that_explain_nothing_leave_the_next_one_its_room() -> None:
    alone = explained(WIDE, set())
    for before in ("", "\n\n", "a.py:3"):
        seen: set[str] = set()
        explained(before, seen)
        assert explained(WIDE, seen) == alone == [WIDE]
    assert len(explained(WIDE, {"E   assert 0"})[0]) < 200

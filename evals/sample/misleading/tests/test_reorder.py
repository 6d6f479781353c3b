import pytest

from stockroom.reorder import proposals, quantity
from stockroom.tables import Article, Delivery

NAIL = Article("nail", shelf=100, minimum=500, pack=100)


@pytest.mark.parametrize(
    ("missing", "packs"),
    [(-20, 0), (0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (300, 3), (350, 4)],
)
def test_a_pack_that_is_begun_is_ordered(missing, packs):
    assert quantity(missing, 100) == packs


def test_what_is_missing_is_proposed():
    assert proposals([NAIL], []) == {"nail": 4}


def test_what_is_coming_is_not_ordered_again():
    assert proposals([NAIL], [Delivery("nail", 150, "ordered")]) == {"nail": 3}


def test_who_has_enough_is_not_in_the_list():
    assert proposals([NAIL], [Delivery("nail", 400, "confirmed")]) == {}

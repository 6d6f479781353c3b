import pytest

from stockroom.supply import coming
from stockroom.tables import Delivery


@pytest.mark.parametrize("state", ["ordered", "confirmed", "late"])
def test_what_is_on_its_way_counts(state):
    assert coming([Delivery("nail", 30, state), Delivery("nail", 20, state)], "nail") == 50


def test_what_lies_on_the_shelf_is_not_coming():
    assert coming([Delivery("nail", 30, "received")], "nail") == 0


def test_another_article_does_not_count():
    assert coming([Delivery("bolt", 30, "ordered")], "nail") == 0

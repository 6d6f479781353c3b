import pytest

from cookbook.amounts import parse, text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("3", "3"),
        ("0.5", "0.5"),
        ("200 g", "200 g"),
        ("0.2 kg", "200 g"),
        ("1250 g", "1.25 kg"),
        ("1.5 l", "1.5 l"),
    ],
)
def test_an_amount_is_written_in_the_unit_that_suits_it(written, shown):
    assert text(parse(written)) == shown


def test_an_unknown_unit_is_refused():
    with pytest.raises(KeyError):
        parse("2 cups")

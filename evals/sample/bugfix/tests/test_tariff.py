import pytest

from carpark.tariff import charge


@pytest.mark.parametrize(
    ("minutes", "cents"),
    [
        (0, 0),
        (10, 0),
        (11, 200),
        (60, 200),
        (61, 300),
        (90, 300),
        (91, 400),
        (540, 1800),
        (1439, 1800),
    ],
)
def test_a_stay_costs_what_the_tariff_says(minutes, cents):
    assert charge(minutes) == cents


@pytest.mark.parametrize(
    ("minutes", "cents"), [(1440, 1800), (1445, 2000), (2880, 3600), (2970, 3900)]
)
def test_each_further_day_begins_anew(minutes, cents):
    assert charge(minutes) == cents

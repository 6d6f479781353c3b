import pytest

from carpark.clock import hours_and_minutes, minutes_between, parse


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("2026-03-06 18:10:00", "2026-03-06 18:10:00", 0),
        ("2026-03-06 18:10:00", "2026-03-06 19:09:59", 59),
        ("2026-03-06 23:50:00", "2026-03-07 00:20:00", 30),
    ],
)
def test_minutes_that_have_passed_are_counted(start, end, minutes):
    assert minutes_between(parse(start), parse(end)) == minutes


def test_a_car_that_leaves_before_it_came_is_refused():
    with pytest.raises(ValueError, match="before it came"):
        minutes_between(parse("2026-03-06 18:10:00"), parse("2026-03-06 18:09:59"))


def test_a_length_of_time_is_written_for_people():
    assert hours_and_minutes(65) == "1 h 05 min"

from datetime import date

from carpark.report import Day, day
from carpark.tickets import read_log

LOG = [
    "IN 20 2026-03-06 08:00:00",
    "IN 21 2026-03-06 09:00:00",
    "OUT 20 2026-03-06 09:00:00",
    "OUT 21 2026-03-06 11:00:00",
    "IN 22 2026-03-06 23:30:00",
    "OUT 22 2026-03-07 00:30:00",
    "IN 23 2026-03-07 10:00:00",
]


def test_a_day_has_the_cars_that_left_on_it():
    tickets = read_log(LOG).values()
    assert day(tickets, date(2026, 3, 6)) == Day(cars=2, takings=600, mean_stay=90)
    assert day(tickets, date(2026, 3, 7)) == Day(cars=1, takings=200, mean_stay=60)


def test_a_day_without_cars_is_all_noughts():
    assert day([], date(2026, 3, 8)) == Day(cars=0, takings=0, mean_stay=0)


def test_season_tickets_have_a_line_of_their_own():
    assert day(read_log(LOG).values(), date(2026, 3, 6)).season_tickets == 0

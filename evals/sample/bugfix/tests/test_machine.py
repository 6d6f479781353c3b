from carpark.clock import parse
from carpark.machine import Quote, quote, screen
from carpark.tickets import read_log

LOG = ["IN 12 2026-03-06 08:00:00", "IN 13 2026-03-06 08:05:00", "OUT 99 2026-03-06 08:06:00", ""]


def test_the_machine_asks_for_the_price_of_the_stay_so_far():
    asked = quote(read_log(LOG)[12], parse("2026-03-06 09:15:00"))
    assert (asked, screen(asked)) == (Quote(12, 75, 300), ["Ticket 12", "1 h 15 min", "3.00 EUR"])


def test_who_turns_round_at_once_pays_nothing():
    asked = quote(read_log(LOG)[13], parse("2026-03-06 08:12:00"))
    assert screen(asked) == ["Ticket 13", "0 h 07 min", "free"]


def test_a_car_that_never_came_has_no_ticket():
    assert sorted(read_log(LOG)) == [12, 13]

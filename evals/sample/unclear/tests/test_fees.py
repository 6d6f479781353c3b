from datetime import date

import pytest

from clubroom.fees import fee, owed, reminders_due
from clubroom.members import Member

ADA = Member("Ada", date(1990, 5, 1))


def test_the_young_pay_half():
    kim = Member("Kim", date(2008, 6, 1))
    assert (fee(kim, date(2026, 5, 31)), fee(kim, date(2026, 6, 1))) == (6000, 12000)


@pytest.mark.parametrize(
    ("day", "count"),
    [(date(2026, 2, 1), 0), (date(2026, 3, 30), 0), (date(2026, 3, 31), 1), (date(2026, 4, 30), 2)],
)
def test_there_is_a_reminder_every_thirty_days(day, count):
    assert reminders_due(day) == count


def test_the_late_fee_is_added_once():
    days = [date(2026, 3, 30), date(2026, 3, 31), date(2026, 6, 30)]
    assert [owed(ADA, day) for day in days] == [12000, 12500, 12500]


def test_who_has_paid_owes_nothing():
    assert owed(Member("Bo", date(1990, 5, 1), paid=12000), date(2026, 6, 30)) == 0

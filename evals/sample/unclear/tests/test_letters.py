from datetime import date

from clubroom.letters import reminder
from clubroom.members import Member

ADA = Member("Ada", date(1990, 5, 1), paid=2000)


def test_a_reminder_names_what_is_to_be_paid():
    assert reminder(ADA, date(2026, 4, 30)) == (
        "Dear Ada,\nthis is reminder no. 2. Please pay 105.00, a late fee of 5.00 included.\n"
    )


def test_nobody_is_reminded_too_early():
    assert reminder(ADA, date(2026, 3, 30)) is None


def test_who_has_paid_is_not_reminded():
    assert reminder(Member("Bo", date(1990, 5, 1), paid=12000), date(2026, 4, 30)) is None

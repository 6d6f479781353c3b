"""What a member owes, in cents. The rules are in docs/fees.md."""

from datetime import date

from clubroom.members import Member

FULL = 12000
YOUNG = 6000
LATE = 500

DUE = (3, 1)
"""Month and day."""

PATIENCE = 30
"""Days from the due date to the first reminder, and from each reminder to the next."""


def fee(member: Member, on: date) -> int:
    """Return the yearly fee."""
    return YOUNG if member.age(on) < 18 else FULL


def reminders_due(on: date) -> int:
    """Return how many reminders who has paid nothing has got by the day `on`."""
    return max(0, (on - date(on.year, *DUE)).days // PATIENCE)


def owed(member: Member, on: date) -> int:
    """Return what is still to be paid on the day `on`, the late fee included."""
    missing = max(0, fee(member, on) - member.paid)
    if missing and reminders_due(on):
        missing += LATE
    return missing

"""The letters that remind members."""

from datetime import date

from clubroom.fees import LATE, owed, reminders_due
from clubroom.members import Member


def reminder(member: Member, on: date) -> str | None:
    """Return the letter to `member`, or None for who owes nothing or gets none yet."""
    count, cents = reminders_due(on), owed(member, on)
    if not count or not cents:
        return None
    return (
        f"Dear {member.name},\n"
        f"this is reminder no. {count}. Please pay {amount(cents)}, "
        f"a late fee of {amount(LATE)} included.\n"
    )


def amount(cents: int) -> str:
    """Return an amount for people: `5.00`."""
    return f"{cents // 100}.{cents % 100:02}"

"""What an account pays. All amounts are in cents."""

BASE = 500
SEAT = 300
FREE_SEATS = 1


def monthly_charge(seats: int) -> int:
    """Return the charge for one month; the first seat is part of the base price."""
    if seats < 1:
        raise ValueError("an account has at least one seat")
    return BASE + SEAT * (seats - FREE_SEATS)


def amount(cents: int) -> str:
    """Return an amount for people: `5.00`."""
    return f"{cents // 100}.{cents % 100:02}"

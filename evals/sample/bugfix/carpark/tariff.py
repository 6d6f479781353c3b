"""What a stay costs, in cents."""

FREE_MINUTES = 10
FIRST_HOUR = 200
HALF_HOUR = 100
DAY = 1800

MINUTES_OF_A_DAY = 24 * 60


def charge(minutes: int) -> int:
    """Return the price of a stay."""
    if minutes <= FREE_MINUTES:
        return 0
    days, rest = divmod(minutes, MINUTES_OF_A_DAY)
    return days * DAY + min(DAY, _part_of_a_day(rest))


def _part_of_a_day(minutes: int) -> int:
    if minutes == 0:
        return 0
    begun = -(-max(0, minutes - 60) // 30)
    return FIRST_HOUR + begun * HALF_HOUR

"""Times as the barriers write them: local, to the second."""

from datetime import datetime

FORMAT = "%Y-%m-%d %H:%M:%S"


def parse(text: str) -> datetime:
    """Return the time that `text` stands for."""
    return datetime.strptime(text.strip(), FORMAT)


def minutes_between(start: datetime, end: datetime) -> int:
    """Return the whole minutes from `start` to `end`; one that has only begun does not count."""
    if end < start:
        raise ValueError("a car cannot leave before it came")
    return (end - start).seconds // 60


def hours_and_minutes(minutes: int) -> str:
    """Return a length of time for people: `1 h 05 min`."""
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02} min"

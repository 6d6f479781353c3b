"""The barrier log: lines such as `IN 4471 2026-03-06 18:10:00`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from carpark import clock


@dataclass(frozen=True)
class Ticket:
    """One car: when it came in, and when it left if it has."""

    number: int
    came: datetime
    left: datetime | None = None

    def minutes(self, until: datetime) -> int:
        """Return how long the car was here; at `until` if it still is."""
        return clock.minutes_between(self.came, self.left or until)


def read_log(lines: Iterable[str]) -> dict[int, Ticket]:
    """Return the tickets by number. A car that leaves and never came is left out."""
    tickets: dict[int, Ticket] = {}
    for line in lines:
        if not line.strip():
            continue
        way, number, when = line.split(maxsplit=2)
        key = int(number)
        if way == "IN":
            tickets[key] = Ticket(key, clock.parse(when))
        elif key in tickets:
            tickets[key] = replace(tickets[key], left=clock.parse(when))
    return tickets

"""The figures of a day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import mean

from carpark import tariff
from carpark.tickets import Ticket


@dataclass(frozen=True)
class Day:
    """The cars that left on one day: how many, takings in cents, mean stay in minutes."""

    cars: int
    takings: int
    mean_stay: int


def day(tickets: Iterable[Ticket], of: date) -> Day:
    """Return the figures of the day `of`."""
    stays = [
        ticket.minutes(ticket.left)
        for ticket in tickets
        if ticket.left is not None and ticket.left.date() == of
    ]
    return Day(len(stays), sum(map(tariff.charge, stays)), round(mean(stays)) if stays else 0)

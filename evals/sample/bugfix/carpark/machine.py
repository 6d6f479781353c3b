"""The pay machine."""

from dataclasses import dataclass
from datetime import datetime

from carpark import clock, tariff
from carpark.tickets import Ticket


@dataclass(frozen=True)
class Quote:
    """What the machine asks for."""

    number: int
    minutes: int
    cents: int


def quote(ticket: Ticket, now: datetime) -> Quote:
    """Return what the car has to pay `now`."""
    minutes = ticket.minutes(now)
    return Quote(ticket.number, minutes, tariff.charge(minutes))


def screen(asked: Quote) -> list[str]:
    """Return the lines on the screen of the machine."""
    price = "free" if asked.cents == 0 else f"{euros(asked.cents)} EUR"
    return [f"Ticket {asked.number}", clock.hours_and_minutes(asked.minutes), price]


def euros(cents: int) -> str:
    """Return an amount for people: `3.00`."""
    return f"{cents // 100}.{cents % 100:02}"

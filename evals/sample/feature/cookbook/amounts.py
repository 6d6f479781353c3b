"""How much of something: grams, millilitres, or pieces."""

from dataclasses import dataclass, replace
from decimal import Decimal

_UNITS = {
    "": ("", 1),
    "g": ("g", 1),
    "kg": ("g", 1000),
    "ml": ("ml", 1),
    "l": ("ml", 1000),
}
_LARGE = {"g": "kg", "ml": "l"}


@dataclass(frozen=True)
class Amount:
    """A quantity of `g`, `ml`, or of pieces (``""``)."""

    quantity: Decimal
    unit: str


def parse(text: str) -> Amount:
    """Return the amount that `text` stands for: `1.5 kg`, `20 ml`, `3`."""
    number, _, name = text.strip().partition(" ")
    unit, factor = _UNITS[name.strip()]
    return Amount(Decimal(number) * factor, unit)


def times(amount: Amount, factor: Decimal) -> Amount:
    """Return `factor` times as much."""
    return replace(amount, quantity=amount.quantity * factor)


def text(amount: Amount) -> str:
    """Return an amount for people, in the larger unit from a thousand on."""
    quantity, unit = amount.quantity, amount.unit
    if unit in _LARGE and quantity >= 1000:
        quantity, unit = quantity / 1000, _LARGE[unit]
    return f"{_plain(quantity)} {unit}".strip()


def _plain(number: Decimal) -> str:
    shown = f"{number:.2f}"
    return shown.rstrip("0").rstrip(".")

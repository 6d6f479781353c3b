"""Members and what they have paid."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Member:
    """One member. Amounts are in cents."""

    name: str
    born: date
    paid: int = 0

    def age(self, on: date) -> int:
        """Return the age in whole years."""
        had_birthday = (on.month, on.day) >= (self.born.month, self.born.day)
        return on.year - self.born.year - (not had_birthday)

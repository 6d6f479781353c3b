"""What can be set, kept in `settings.json`."""

from dataclasses import asdict, dataclass
from pathlib import Path

from watchlist import store

ORDERS = ("ticker", "name")
"""What stocks can be ordered by: fields of a stock."""


@dataclass(frozen=True)
class Settings:
    """The settings of this installation."""

    order: str = "ticker"


def load(data: Path) -> Settings:
    """Return the saved settings; what was never saved, or makes no sense, is as at first."""
    saved = store.read(data / "settings.json", {})
    order = saved.get("order") if isinstance(saved, dict) else None
    return Settings(order=order) if order in ORDERS else Settings()


def save(data: Path, settings: Settings) -> None:
    """Keep `settings`."""
    store.write(data / "settings.json", asdict(settings))

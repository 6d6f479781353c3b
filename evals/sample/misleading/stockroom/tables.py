"""The two tables of the stockroom."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Article:
    """One article: pieces on the shelf, pieces there should be at least, pieces in a pack."""

    name: str
    shelf: int
    minimum: int
    pack: int


@dataclass(frozen=True)
class Delivery:
    """What was ordered from a supplier."""

    article: str
    pieces: int
    state: str


def articles(path: Path) -> list[Article]:
    """Read `articles.csv`."""
    return [
        Article(row["article"], int(row["shelf"]), int(row["minimum"]), int(row["pack"]))
        for row in _rows(path)
    ]


def deliveries(path: Path) -> list[Delivery]:
    """Read `deliveries.csv`."""
    return [Delivery(row["article"], int(row["pieces"]), row["state"]) for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

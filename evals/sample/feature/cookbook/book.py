"""The recipes, and what a user can get wrong about them."""

import json
from dataclasses import dataclass
from pathlib import Path

from cookbook.amounts import Amount, parse


class Refusal(Exception):
    """What a user asked for cannot be done; the text says why."""


@dataclass(frozen=True)
class Recipe:
    """One recipe: for how many people, and how much of what."""

    name: str
    people: int
    ingredients: dict[str, Amount]


class Book:
    """All recipes."""

    def __init__(self, recipes: dict[str, Recipe]) -> None:
        self._recipes = recipes

    @classmethod
    def load(cls, path: Path) -> "Book":
        """Read the book at `path`."""
        entries = json.loads(path.read_text("utf-8"))
        return cls({name: _recipe(name, entry) for name, entry in entries.items()})

    def names(self) -> list[str]:
        """Return the names of all recipes, sorted."""
        return sorted(self._recipes)

    def recipe(self, name: str) -> Recipe:
        """Return one recipe."""
        if name not in self._recipes:
            raise Refusal(f"there is no recipe '{name}'")
        return self._recipes[name]


def _recipe(name: str, entry: dict) -> Recipe:
    ingredients = {what: parse(amount) for what, amount in entry["ingredients"].items()}
    return Recipe(name, entry["people"], ingredients)

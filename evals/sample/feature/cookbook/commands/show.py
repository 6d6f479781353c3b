"""`show`: one recipe, for as many people as are coming."""

import argparse
from decimal import Decimal

from cookbook import amounts
from cookbook.book import Book, Refusal

NAME = "show"
HELP = "print a recipe"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("recipe", help="its name")
    parser.add_argument("--for", dest="people", type=int, help="how many people eat")


def run(args: argparse.Namespace, book: Book) -> list[str]:
    """Return the recipe: its name, then a line for each ingredient."""
    recipe = book.recipe(args.recipe)
    people = recipe.people if args.people is None else args.people
    if people < 1:
        raise Refusal("somebody has to eat it")
    factor = Decimal(people) / recipe.people
    lines = [
        f"{amounts.text(amounts.times(amount, factor))} {ingredient}"
        for ingredient, amount in sorted(recipe.ingredients.items())
    ]
    return [f"{recipe.name}, for {people}", *lines]

"""`find`: which recipes is this in?"""

import argparse

from cookbook.book import Book, Refusal

NAME = "find"
HELP = "name the recipes an ingredient is in"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("ingredient", help="the ingredient, or a part of its name")


def run(args: argparse.Namespace, book: Book) -> list[str]:
    """Return the names of the recipes, sorted."""
    wanted = args.ingredient.lower()
    found = [
        name
        for name in book.names()
        if any(wanted in ingredient for ingredient in book.recipe(name).ingredients)
    ]
    if not found:
        raise Refusal(f"there is no recipe with '{args.ingredient}'")
    return found

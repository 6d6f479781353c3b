"""The command line: `python -m cookbook.cli COMMAND …`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cookbook.book import Book, Refusal
from cookbook.commands import COMMANDS

BOOK = Path(__file__).parents[1] / "recipes.json"


def main(words: Sequence[str] | None = None, book: Path = BOOK) -> int:
    """Run one command; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="cookbook")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.arguments(commands.add_parser(command.NAME, help=command.HELP))
    args = parser.parse_args(words)
    chosen = next(command for command in COMMANDS if args.command == command.NAME)
    try:
        lines = chosen.run(args, Book.load(book))
    except Refusal as refusal:
        print(f"cookbook: {refusal}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Print today's proposals: `python -m stockroom FOLDER`."""

import sys
from pathlib import Path

from stockroom.reorder import proposals
from stockroom.tables import articles, deliveries


def main(folder: str) -> None:
    data = Path(folder)
    wanted = proposals(articles(data / "articles.csv"), deliveries(data / "deliveries.csv"))
    for name, packs in wanted.items():
        print(f"{packs:4} x {name}")


if __name__ == "__main__":
    main(sys.argv[1])

"""What to order."""

from collections.abc import Iterable, Sequence

from stockroom.supply import coming
from stockroom.tables import Article, Delivery


def quantity(missing: int, pack: int) -> int:
    """Return how many packs cover `missing` pieces."""
    if missing <= 0:
        return 0
    return (missing + pack - 1) // pack


def proposals(articles: Iterable[Article], deliveries: Sequence[Delivery]) -> dict[str, int]:
    """Return the packs to order, by article, in the order of the table."""
    wanted = {}
    for article in articles:
        expected = article.shelf + coming(deliveries, article.name)
        packs = quantity(article.minimum - expected, article.pack)
        if packs:
            wanted[article.name] = packs
    return wanted

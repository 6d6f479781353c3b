"""What suppliers still owe us."""

from collections.abc import Iterable

from stockroom.tables import Delivery


def coming(deliveries: Iterable[Delivery], article: str) -> int:
    """Return how many pieces of `article` are on their way."""
    return sum(
        delivery.pieces
        for delivery in deliveries
        if delivery.article == article and delivery.state != "received"
    )

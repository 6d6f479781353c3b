"""The stocks on offer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stock:
    """One stock and its last price, in cents."""

    ticker: str
    name: str
    price: int

    @property
    def price_text(self) -> str:
        """The price for people: `189.98`."""
        return f"{self.price // 100}.{self.price % 100:02}"


STOCKS = (
    Stock("AAPL", "Apple", 18998),
    Stock("BRK-B", "Berkshire Hathaway", 40861),
    Stock("MSFT", "Microsoft", 42052),
    Stock("NVDA", "Nvidia", 94550),
    Stock("T", "AT&T", 1742),
)


def find(ticker: str) -> Stock | None:
    """Return the stock with this ticker, however it is typed, or None."""
    wanted = ticker.strip().upper()
    return next((stock for stock in STOCKS if stock.ticker == wanted), None)

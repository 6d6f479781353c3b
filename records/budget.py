"""What may be spent, and what a model costs: the shapes that settings, budgets and results share."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from andon.records.base import Record

Limit = Literal["model_calls", "tokens", "cost", "minutes", "tool_calls"]
"""What is counted, by its key in the settings."""


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number, such as 2.50")
    return Decimal(value)


Count = Annotated[int, Field(ge=1)]
Amount = Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]
Rate = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Allowance(Record):
    """What a run, or one role of it, may spend. None: not limited."""

    model_calls: Count | None = None
    """Model requests."""
    tokens: Count | None = None
    """Tokens sent and received, cached ones included, as the provider counts them."""
    cost: Amount | None = None
    """US dollars, by the price table."""
    minutes: Amount | None = None
    """Working time in minutes; waiting for a person does not count."""
    tool_calls: Count | None = None
    """Calls of tools, refused ones included."""


class Price(Record):
    """What a model costs, in US dollars for a million tokens."""

    input: Rate
    """Tokens sent."""
    cached_input: Rate | None = None
    """Tokens sent that the provider had kept; None: as `input`."""
    cache_write: Rate | None = None
    """Tokens sent that the provider keeps for later requests; None: as `input`."""
    output: Rate
    """Tokens received, reasoning included."""

"""What models cost: the shipped price table with the repository's own prices over it."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_UP, Decimal
from functools import cache
from pathlib import Path

from andon.records.base import Record
from andon.records.budget import Price
from andon.records.calls import Role
from andon.records.errors import UserError
from andon.records.result import Usage

_TABLE = Path(__file__).with_name("prices.toml")
_MILLION = 1_000_000
_STEP = Decimal("0.000001")
# Providers date their models: NAME-2026-01-31 or NAME-20260131. Any other ending is another model at another price.
_DATED = re.compile(r"(?P<name>.+)-\d{4}-?\d{2}-?\d{2}")


class PriceTable(Record):
    """Prices by the name a provider knows a model under."""

    as_of: date
    """When the shipped prices were read."""
    models: dict[str, Price]
    """A name without a date covers its dated versions."""

    def over(self, own: Mapping[str, Price]) -> "PriceTable":
        """Return this table with the prices of `own` in place of or beside its own."""
        named = {_known_as(name): price for name, price in own.items()}
        return self.model_copy(update={"models": {**self.models, **named}})

    def price_of(self, model: str) -> Price | None:
        """Return the price of `model`, written `openai/NAME`, `chat/NAME` or NAME; None where nobody named one."""
        name = _known_as(model)
        dated = _DATED.fullmatch(name)
        return self.models.get(name) or (self.models.get(dated["name"]) if dated else None)


@cache
def shipped_prices() -> PriceTable:
    """Return the prices andon comes with."""
    data = tomllib.loads(_TABLE.read_text(encoding="utf-8"), parse_float=Decimal)
    return PriceTable.model_validate(data, strict=True)


def prices_of(
    models: Mapping[Role, str], table: PriceTable, limited: Mapping[Role, Sequence[str]]
) -> dict[Role, Price | None]:
    """Return the price of each role's model; None for one that is not priced.

    Args:
        models: Which model plays which role.
        table: What models cost.
        limited: The keys of the cost limits that hold for each role, as `limits.cost`.

    Raises:
        UserError: a cost limit holds for a model without a price: it could never end the run.
    """
    prices = {role: table.price_of(model) for role, model in models.items()}
    for role, price in prices.items():
        keys = limited.get(role, ())
        if price is None and keys:
            raise UserError(
                f"{' and '.join(keys)} in factory/andon.toml limits money, but no price is known for {models[role]!r}, "
                f"the model of the {role}: add [prices.{json.dumps(models[role])}] with input, cached_input and output "
                "(US dollars for a million tokens) there and commit it, or leave the limit out"
            )
    return prices


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """Return what `usage` cost in US dollars, rounded up to a millionth; None without a price."""
    if price is None:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    read_rate = price.input if price.cached_input is None else price.cached_input
    write_rate = price.input if price.cache_write is None else price.cache_write
    sent = (usage.input_tokens - cached - written) * price.input + cached * read_rate + written * write_rate
    return ((sent + usage.output_tokens * price.output) / _MILLION).quantize(_STEP, rounding=ROUND_UP)


def _known_as(model: str) -> str:
    # The first part says through which interface a model is asked; see agents/model_names.py.
    return model.removeprefix("openai/") if model.startswith("openai/") else model.removeprefix("chat/")

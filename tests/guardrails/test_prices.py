"""What models cost."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from andon.guardrails.prices import PriceTable, cost_of, prices_of, shipped_prices
from andon.records.budget import Price
from andon.records.errors import UserError
from andon.records.result import Usage

PRICE = Price(input=Decimal(2), cached_input=Decimal("0.5"), output=Decimal(10))
OTHER = Price(input=Decimal(1), output=Decimal(1))
WRITES = PRICE.model_copy(update={"cache_write": Decimal(6)})
TABLE = PriceTable(as_of=date(2026, 1, 1), models={"m-5": PRICE, "m-5-2026-02-03": OTHER})


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("m-5", PRICE),
        ("openai/m-5", PRICE),
        ("chat/m-5", PRICE),
        ("m-5-2026-01-31", PRICE),
        ("chat/m-5-20260131", PRICE),
        ("m-5-2026-02-03", OTHER),
        ("m-5-mini", None),
        ("m-5.6", None),
        ("m-5-latest", None),
        ("m-5-2026-01", None),
        ("M-5", None),
        ("m", None),
        ("", None),
    ],
)
def test_a_price_covers_the_model_and_its_dated_versions_alone(model: str, price: Price | None) -> None:
    assert TABLE.price_of(model) == price


@pytest.mark.parametrize("name", ["m-5", "openai/m-5", "chat/m-5"])
def test_a_repository_replaces_a_price_and_adds_others(name: str) -> None:
    table = TABLE.over({name: OTHER, "chat/own": PRICE})
    assert (table.price_of("m-5"), table.price_of("chat/own"), TABLE.price_of("chat/own")) == (OTHER, PRICE, None)


def test_the_shipped_table_says_when_it_was_read_and_prices_the_default_model() -> None:
    table = shipped_prices()
    assert table.as_of >= date(2026, 11, 1)
    assert table.price_of("gpt-5.6-luna") == Price(
        input=Decimal("0.20"), cached_input=Decimal("0.02"), output=Decimal("1.20")
    )
    opus = Price(
        input=Decimal("4.00"), cached_input=Decimal("0.20"), cache_write=Decimal("5.00"), output=Decimal("20.00")
    )
    assert table.price_of("anthropic/claude-opus-5-5") == table.price_of("anthropic/claude-opus-5-5-20260922") == opus
    assert table.price_of("claude-opus-5-5") is None
    assert all((price.cached_input or 0) <= price.input <= price.output for price in table.models.values())


def test_writing_to_the_cache_of_claude_costs_a_quarter_more_than_input_and_elsewhere_what_input_does() -> None:
    for name, price in shipped_prices().models.items():
        wanted = price.input * Decimal("1.25") if name.startswith("anthropic/") else None
        assert (name, price.cache_write) == (name, wanted)


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        (Usage(input_tokens=1_000_000, output_tokens=1_000_000), PRICE, "12.000000"),
        (Usage(input_tokens=11, cached_tokens=3, output_tokens=7), PRICE, "0.000088"),
        (Usage(input_tokens=11, cached_tokens=3, output_tokens=0), OTHER, "0.000011"),
        (Usage(input_tokens=1, cached_tokens=5, output_tokens=0), PRICE, "0.000001"),
        (Usage(input_tokens=11, cached_tokens=3, cache_write_tokens=4, output_tokens=7), WRITES, "0.000104"),
        (Usage(input_tokens=11, cached_tokens=3, cache_write_tokens=4, output_tokens=7), PRICE, "0.000088"),
        (Usage(input_tokens=4, cache_write_tokens=4), WRITES, "0.000024"),
        (Usage(input_tokens=4, cached_tokens=3, cache_write_tokens=9), WRITES, "0.000008"),
        (Usage(), PRICE, "0.000000"),
        (Usage(input_tokens=10**9, output_tokens=10**9), Price(input=10**6, output=10**6), "2000000000.000000"),
        (Usage(input_tokens=5, output_tokens=5), Price(input=0, output=0), "0.000000"),
    ],
)
def test_tokens_cost_what_the_price_says_rounded_up_to_a_millionth(usage: Usage, price: Price, cost: str) -> None:
    assert str(cost_of(usage, price)) == cost


def test_without_a_price_the_cost_is_not_known() -> None:
    assert cost_of(Usage(input_tokens=5, output_tokens=5), None) is None


def test_roles_are_priced_by_their_models_and_unpriced_ones_are_nobody_s_fault() -> None:
    models: dict[Any, str] = {"planner": "m-5", "executor": "chat/local"}
    assert prices_of(models, TABLE, {}) == {"planner": PRICE, "executor": None}
    assert prices_of(models, TABLE, {"planner": ["limits.cost"]}) == {"planner": PRICE, "executor": None}


def test_a_cost_limit_on_a_model_without_a_price_is_refused_with_where_to_add_it() -> None:
    with pytest.raises(UserError) as caught:
        prices_of({"executor": 'chat/lo"cal'}, TABLE, {"executor": ["limits.cost", "limits.executor.cost"]})
    assert str(caught.value) == (
        "limits.cost and limits.executor.cost in factory/andon.toml limits money, but no price is known for "
        '\'chat/lo"cal\', the model of the executor: add [prices."chat/lo\\"cal"] with input, cached_input and '
        "output (US dollars for a million tokens) there and commit it, or leave the limit out"
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"input": Decimal(-1), "output": Decimal(1)},
        {"input": Decimal(1), "output": Decimal("nan")},
        {"input": Decimal(1), "output": Decimal("inf")},
        {"input": Decimal(1), "output": Decimal(10**7)},
        {"input": True, "output": Decimal(1)},
        {"input": "1", "output": Decimal(1)},
        {"input": 0.5, "output": Decimal(1)},
        {"input": Decimal(1)},
        {"input": Decimal(1), "output": Decimal(1), "cached": Decimal(1)},
        {"input": Decimal(1), "output": Decimal(1), "cache_write": Decimal(-1)},
    ],
)
def test_what_is_no_price_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Price(**bad)


def test_usage_sums_up_and_its_cost_is_known_only_where_all_of_it_is() -> None:
    one = Usage(requests=1, input_tokens=11, output_tokens=7, cached_tokens=3, cost=Decimal("0.1"))
    other = Usage(requests=2, input_tokens=1, output_tokens=2, cache_write_tokens=1, estimated=1, cost=Decimal("0.02"))
    both = Usage(
        requests=3, input_tokens=12, output_tokens=9, cached_tokens=3, cache_write_tokens=1, estimated=1,
        cost=Decimal("0.12"),
    )  # fmt: skip
    assert (one.plus(other), Usage().plus(one), one.plus(Usage())) == (both, one, one)
    assert one.plus(other.model_copy(update={"cost": None})) == both.model_copy(update={"cost": None})

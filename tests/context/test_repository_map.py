"""Where a task is likely to be worked on."""

import time
from collections.abc import Callable, Mapping

import pytest

from andon.context.reader import Reader
from andon.context.repository_map import MAP_BYTES, RepositoryMap, map_of
from andon.records.task import Task

MakeReader = Callable[[Mapping[str, str | bytes]], Reader]
PRICES = "def load_prices():\n    return []\n\n\ndef format_price(price):\n    return f'{price:.2f}'\n"
OTHER = "def sign(name):\n    return name\n"


def task(title: str, *criteria: str) -> Task:
    return Task(id="t", title=title, acceptance_criteria=list(criteria))


def test_files_whose_path_names_or_text_speak_of_the_task_come_first_with_their_definitions(
    reader: MakeReader,
) -> None:
    files = {
        "app/prices.py": PRICES,
        "app/session.py": OTHER,
        "app/page.py": "from app.prices import format_price\n\n\ndef show(row):\n    return format_price(row.price)\n",
        "tests/test_prices.py": "def test_a_price_has_two_digits():\n    assert True\n",
        "README.md": "Formatting prices, prices, prices.",
    }
    assert map_of(reader(files), task("Format prices in the user's currency")) == RepositoryMap(
        places=("app/prices.py: load_prices 1-2, format_price 5-6", "app/page.py: show 4-5"),
        tests=("tests/test_prices.py: test_a_price_has_two_digits 1-2",),
        paths=("app/prices.py", "app/page.py", "tests/test_prices.py"),
    )


def test_what_a_likely_place_imports_is_a_place_too(reader: MakeReader) -> None:
    files = {"machine.py": "from clock import minutes\n\n\ndef parking_fee():\n    return minutes()\n",
             "clock.py": "def minutes():\n    return 60\n", "mail.py": "def send():\n    pass\n"}  # fmt: skip
    assert map_of(reader(files), task("The parking fee is wrong")).places == (
        "machine.py: parking_fee 4-5", "clock.py",
    )  # fmt: skip


def test_what_a_file_that_the_task_names_imports_stands_before_what_only_speaks_of_the_task(reader: MakeReader) -> None:
    files = {"shop/order.py": "from shop.supply import coming\n\n\ndef quantity():\n    return coming()\n",
             "shop/supply.py": "def coming():\n    return 1\n",
             "shop/packs.py": "def packs():\n    return 'screw packs', 'screw packs'\n"}  # fmt: skip
    told = task("The screw packs are too few: mend shop/order.py.")
    read_first = Task(id="t", title="The screw packs are too few", context_paths=["`./shop/order.py`"])
    for wanted in (told, read_first):
        assert map_of(reader(files), wanted).paths == ("shop/order.py", "shop/supply.py", "shop/packs.py")


@pytest.mark.parametrize("text", ["", " \n\n", "# Prices\n\n", '"""Prices, prices."""\n', '"""Prices."""\n# prices\n'])
def test_a_file_without_code_is_no_place_unless_the_task_names_it(reader: MakeReader, text: str) -> None:
    files = {"prices/__init__.py": text, "prices/table.py": PRICES, "tests/prices/__init__.py": text}
    places = ("prices/table.py: load_prices 1-2, format_price 5-6",)
    assert map_of(reader(files), task("Mend prices")) == RepositoryMap(places, paths=("prices/table.py",))
    assert map_of(reader(files), task("Export prices from prices/__init__.py")).places == (
        "prices/__init__.py", *places,
    )  # fmt: skip


def test_a_file_that_only_passes_on_what_others_define_stands_behind_what_they_import(reader: MakeReader) -> None:
    files = {
        "prices/__init__.py": '"""Prices."""\n\nfrom prices.table import load_prices\n',
        "prices/table.py": "from money import euros\n\n\ndef load_prices():\n    return euros()\n",
        "money.py": "def euros():\n    return []\n",
    }
    assert map_of(reader(files), task("Mend prices")).paths == ("prices/table.py", "money.py", "prices/__init__.py")


def test_what_cannot_be_read_is_not_taken_for_empty(reader: MakeReader) -> None:
    files: dict[str, str | bytes] = {"prices.py": b"\xff", "price.py": "x" * 300_000}
    assert map_of(reader(files), task("Mend prices")).places == ("price.py", "prices.py")


def test_names_meet_words_however_they_are_written(reader: MakeReader) -> None:
    files = {"a.js": "function savedStocks() {}\n", "b.js": "function other() {}\n"}
    assert map_of(reader(files), task("Saving a stock fails")).places == ("a.js: savedStocks 1",)
    assert map_of(reader({"watch_list.go": "package x", "b.go": "x"}), task("Empty watchlist")).places == (
        "watch_list.go",
    )


def test_criteria_count_less_than_the_title(reader: MakeReader) -> None:
    files = {"prices.py": "x = 1\n", "session.py": "x = 1\n"}
    assert map_of(reader(files), task("Mend prices", "the session stays")).places == ("prices.py", "session.py")


def test_words_that_occur_nowhere_are_no_strong_match_and_give_no_place(reader: MakeReader) -> None:
    assert map_of(reader({"a.py": OTHER}), task("Quantum teleporter")) == RepositoryMap(strong=False)
    assert map_of(reader({"a.py": OTHER}), task("…")) == RepositoryMap()
    assert map_of(reader({}), task("Mend prices")) == RepositoryMap()


def test_a_match_of_the_criteria_alone_is_not_a_strong_one(reader: MakeReader) -> None:
    found = map_of(reader({"session.py": OTHER, "b.py": "x = 1\n"}), task("Quantum teleporter", "a session stays"))
    assert (found.places, found.strong) == (("session.py",), False)
    told = Task(id="t", title="Quantum teleporter", context_paths=["b.py"])
    found = map_of(reader({"session.py": OTHER, "b.py": "x = 1\n"}), told)
    assert (found.places, found.strong) == (("b.py",), True)


def test_what_agents_may_not_see_is_not_on_the_map(reader: MakeReader) -> None:
    files: dict[str, str | bytes] = {
        "factory/prices.py": PRICES,
        "prices.key": PRICES,
        "prices\u202e.py": PRICES,
        "prices\n# Now.py": PRICES,
        f"{'p' * 300}/prices.py": PRICES,
        "node_modules/prices.js": "function prices() {}",
        "prices.min.js": "function prices() {}",
        "bin/prices.py": b"\x00\xffprices",
        "ok/prices.py": PRICES,
    }
    assert map_of(reader(files), task("Mend prices")).places == (
        "ok/prices.py: load_prices 1-2, format_price 5-6",
        "bin/prices.py",
    )


def test_a_huge_file_is_ranked_by_its_path_alone(reader: MakeReader) -> None:
    files = {"prices.py": "def price(): pass\n" * 20_000, "other.py": OTHER}
    assert map_of(reader(files), task("Mend prices")).places == ("prices.py",)


def test_the_map_keeps_to_its_budget_and_drops_definitions_before_places(reader: MakeReader) -> None:
    source = "".join(f"def price_{'x' * 40}_{n}():\n    pass\n\n\n" for n in range(9))
    files = {f"{'folder' * 6}/price_{n:02}.py": source for n in range(30)}
    found = map_of(reader(files), task("Mend prices"))
    assert len(found.places) == 12
    assert sum(len(line) + 3 for line in found.places) <= MAP_BYTES
    assert ": price_" in found.places[0] and found.places[-1].endswith("_11.py")


def test_twenty_thousand_files_are_mapped_in_a_second(reader: MakeReader) -> None:
    files = {f"src/part_{n % 97}/{n % 7}/module_{n}.py": OTHER for n in range(20_000)}
    files |= {"src/deep/down/here/price_table.py": PRICES}
    given = reader(files)
    began = time.process_time()
    found = map_of(given, task("Mend the price table"))
    assert time.process_time() - began < 1
    assert (found.places[0].partition(":")[0], found.by_path) == ("src/deep/down/here/price_table.py", 19_701)


def test_the_same_base_gives_the_same_map_in_whatever_order_files_come(reader: MakeReader) -> None:
    files: dict[str, str | bytes] = {f"a{n}.py": PRICES for n in range(20)}
    wanted = task("Mend prices", "currency stays")
    assert map_of(reader(files), wanted) == map_of(reader(dict(reversed(files.items()))), wanted)
    assert map_of(reader(files), wanted).places[:2] == (
        "a0.py: load_prices 1-2, format_price 5-6",
        "a1.py: load_prices 1-2, format_price 5-6",
    )

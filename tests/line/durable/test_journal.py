"""What a phase keeps of its steps, and what of it counts when the phase is begun again."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import pytest

from andon.line.db.rows import Fenced
from andon.line.durable.journal import Journal, JournalledSteps, Kept
from andon.line.durable.journal_json import JournalJson
from andon.records.base import Record
from andon.records.errors import RunError
from andon.records.events import EventKind
from andon.records.stops import StopCode

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Events:
    """Events as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def emit(self, kind: EventKind, **data: Any) -> None:
        self.lines.append(" ".join([kind, *(f"{key}={value}" for key, value in data.items())]))


@dataclass
class Spent:
    """Notes: a number that steps change."""

    amount: int = 0

    def take(self) -> Any:
        return {"amount": self.amount}

    def give(self, noted: Any) -> None:
        self.amount = noted["amount"]


class Store:
    """A journal in memory, as the engine's database keeps one; every `attempt` begins from what is in it."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.events = Events()
        self.spent = Spent()
        self.ran: list[str] = []

    def attempt(self) -> JournalledSteps:
        journal = Journal([(step, Kept(**json.loads(entry))) for step, entry in self.entries])
        self.events, self.spent, self.ran = Events(), Spent(), []
        steps = JournalledSteps(journal, self._keep, again=bool(self.entries))
        steps.attach(self.events, self.spent)
        return steps

    async def _keep(self, step: str, entry: dict[str, Any]) -> None:
        self.entries.append((step, json.dumps(entry)))

    def step(
        self, steps: JournalledSteps, name: str, value: Any = None, inside: Callable[[], Awaitable[Any]] | None = None
    ) -> Awaitable[Any]:
        """Begin a step that notes that it ran, spends one, and returns `value` or raises it."""

        async def run() -> Any:
            self.ran.append(name)
            self.spent.amount += 1
            if inside:
                await inside()
            if isinstance(value, BaseException):
                raise value
            return value

        return steps.step(name, "1", run)


async def test_a_step_that_has_ended_gives_its_value_and_what_it_noted() -> None:
    store = Store()
    steps = store.attempt()
    assert [await store.step(steps, name, name.upper()) for name in "ab"] == ["A", "B"]
    again = store.attempt()
    assert [await store.step(again, name, "other") for name in "ab"] == ["A", "B"]
    assert (store.ran, store.spent) == ([], Spent(2))


async def test_tells_when_steps_begin_and_end_and_nothing_of_those_that_do_not_run() -> None:
    store = Store()
    steps = store.attempt()
    await store.step(steps, "a")
    with pytest.raises(KeyError):
        await store.step(steps, "b", KeyError("x"))
    assert store.events.lines == [
        "step.started name=a key=1",
        "step.ended name=a key=1 outcome=done",
        "step.started name=b key=1",
        "step.ended name=b key=1 outcome=failed",
    ]
    again = store.attempt()
    for name in "abc":
        await store.step(again, name)
    assert store.events.lines == [
        "step.started name=b key=1 again=True",
        "step.ended name=b key=1 outcome=done",
        "step.started name=c key=1",
        "step.ended name=c key=1 outcome=done",
    ]


async def test_says_what_is_kept() -> None:
    store = Store()
    steps = store.attempt()
    assert (steps.replaying, steps.recorded("a", "1")) == (False, False)
    await store.step(steps, "a")
    again = store.attempt()
    assert (again.replaying, again.recorded("a", "1"), again.recorded("a", "2")) == (True, True, False)
    await store.step(again, "a")
    assert (again.replaying, again.recorded("a", "1")) == (False, False)


async def test_works_without_events_and_notes() -> None:
    kept: list[str] = []

    async def keep(step: str, entry: dict[str, Any]) -> None:
        kept.append(step)

    async def run() -> int:
        return 1

    assert await JournalledSteps(Journal([]), keep, again=False).step("a", "1", run) == 1
    assert kept == ["a:1"]


async def test_refuses_a_step_that_is_begun_twice() -> None:
    store = Store()
    steps = store.attempt()
    await store.step(steps, "a")
    with pytest.raises(RunError, match=r"step 'a' with key '1' was begun twice") as caught:
        await store.step(steps, "a")
    assert (caught.value.code, store.ran) == (StopCode.INTERNAL, ["a"])


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (["b", "a", "c"], r"step 'b:1' came where 'a:1' had run"),
        (["b", "c"], r"step 'b:1' came where 'a:1' had run"),
        (["a", "x"], r"step 'x:1' came where 'b:1' had run"),
        (["a", "c"], r"step 'c:1' came where 'b:1' had run"),
    ],
)
async def test_refuses_another_order_than_before(order: list[str], problem: str) -> None:
    store = Store()
    steps = store.attempt()
    for name in "abc":
        await store.step(steps, name)
    again = store.attempt()

    async def go() -> None:
        for name in order:
            await store.step(again, name)

    with pytest.raises(RunError, match=problem) as caught:
        await go()
    assert (caught.value.code, store.ran) == (StopCode.INTERNAL, [])


@pytest.mark.parametrize("error", [RunError(StopCode.PROVIDER_FAILED, "gone"), asyncio.CancelledError()])
async def test_what_comes_after_the_error_that_ends_a_phase_is_not_kept(error: BaseException) -> None:
    store = Store()
    steps = store.attempt()
    await store.step(steps, "a")
    with pytest.raises(type(error)):
        await store.step(steps, "b", error)
    assert await store.step(steps, "tree", "kept work") == "kept work"
    assert [step for step, _ in store.entries] == ["a:1"]
    again = store.attempt()
    for name in ("a", "b", "tree"):
        await store.step(again, name)
    assert store.ran == ["b", "tree"]


async def test_begins_no_step_once_another_process_has_the_phase() -> None:
    ran: list[int] = []

    async def keep(step: str, entry: dict[str, Any]) -> None:
        raise Fenced("another's")

    async def run() -> None:
        ran.append(1)

    steps = JournalledSteps(Journal([]), keep, again=False)
    for number in "123":
        with pytest.raises(Fenced, match="another's"):
            await steps.step("a", number, run)
    assert ran == [1]


async def test_what_comes_after_a_seal_is_not_kept() -> None:
    store = Store()
    steps = store.attempt()
    await store.step(steps, "a")
    await store.step(steps, "b")
    again = store.attempt()
    await store.step(again, "a")
    again.seal()
    assert (again.replaying, again.recorded("b", "1")) == (False, False)
    await store.step(again, "b")
    await store.step(again, "tree")
    assert (store.ran, [step for step, _ in store.entries]) == (["b", "tree"], ["a:1", "b:1"])


async def test_a_failure_that_a_phase_lives_with_costs_no_later_step() -> None:
    store = Store()
    for _ in range(2):
        steps = store.attempt()
        await store.step(steps, "a")
        with pytest.raises(ValueError, match="no such tool"):
            await store.step(steps, "b", ValueError("no such tool"))
        await store.step(steps, "c")
    assert store.ran == ["b"]
    assert store.events.lines[0] == "step.started name=b key=1 again=True"


async def test_what_followed_a_failure_does_not_count_where_the_step_succeeds_now() -> None:
    store = Store()
    steps = store.attempt()
    with pytest.raises(ValueError, match="once"):
        await store.step(steps, "a", ValueError("once"))
    for name in "bc":
        await store.step(steps, name, "after a failure")
    # This attempt is cut off between b and c.
    cut_off = store.attempt()
    assert [await store.step(cut_off, name, "after success") for name in "ab"] == ["after success"] * 2
    again = store.attempt()
    assert [await store.step(again, name, "after success") for name in "abc"] == ["after success"] * 3
    assert store.ran == ["c"]


async def test_steps_inside_a_step_are_kept_and_not_asked_for_with_it() -> None:
    store = Store()
    steps = store.attempt()
    await store.step(steps, "outer", inside=lambda: store.step(steps, "inner", "kept"))
    await store.step(steps, "next")
    assert [step for step, _ in store.entries] == ["inner:1", "outer:1", "next:1"]
    again = store.attempt()
    await store.step(again, "outer")
    await store.step(again, "next")
    assert store.ran == []


async def test_a_step_inside_one_that_did_not_end_does_not_run_again() -> None:
    store = Store()
    steps = store.attempt()
    with pytest.raises(RunError):
        await store.step(
            steps, "outer", RunError(StopCode.SANDBOX_LOST, "x"), inside=lambda: store.step(steps, "inner", "kept")
        )
    again = store.attempt()
    got: list[Any] = []

    async def inside() -> None:
        got.append(await store.step(again, "inner", "other"))

    await store.step(again, "outer", inside=inside)
    assert (store.ran, got) == (["outer"], ["kept"])


async def test_says_again_of_a_step_that_is_known_to_have_begun() -> None:
    store = Store()
    steps = store.attempt()
    steps.attach(store.events, store.spent, {"b:1"})
    for name in "ab":
        await store.step(steps, name)
    assert [line for line in store.events.lines if line.startswith("step.started")] == [
        "step.started name=a key=1",
        "step.started name=b key=1 again=True",
    ]


async def test_is_blank_until_something_is_kept_of_the_phase() -> None:
    store = Store()
    first = store.attempt()
    assert first.blank
    await store.step(first, "a")
    assert not store.attempt().blank


async def test_says_of_a_step_inside_one_that_is_made_again_that_it_may_have_been_begun() -> None:
    store = Store()
    await store.step(store.attempt(), "a")
    steps = store.attempt()
    await store.step(steps, "a")
    await store.step(steps, "outer", inside=lambda: store.step(steps, "inner"))
    await store.step(steps, "next")
    assert [line for line in store.events.lines if line.startswith("step.started")] == [
        "step.started name=outer key=1 again=True",
        "step.started name=inner key=1 again=True",
        "step.started name=next key=1",
    ]


@pytest.mark.parametrize("first", ["a", "b"])
async def test_steps_at_the_same_time_are_told_by_name_whoever_ends_first(first: str) -> None:
    store = Store()
    for dies in (True, False):
        steps = store.attempt()
        go = {name: asyncio.Event() for name in "ab"}
        tasks = {
            name: asyncio.ensure_future(store.step(steps, name, name.upper(), inside=go[name].wait)) for name in "ab"
        }
        await asyncio.sleep(0)
        go[first].set()
        await tasks[first]
        for event in () if dies else go.values():
            event.set()
        for task in tasks.values() if dies else ():
            task.cancel()
        await asyncio.wait(tasks.values())
    assert [tasks[name].result() for name in "ab"] == ["A", "B"]
    assert store.ran == ["b" if first == "a" else "a"]
    assert await store.step(steps, "next") is None
    again = store.attempt()
    for name in ("a", "b", "next"):
        await store.step(again, name)
    assert store.ran == []


class Colour(Enum):
    """Some values."""

    RED = "red"


class Strict(Record):
    """A record with what JSON has no word for."""

    when: date
    colours: tuple[Colour, ...]


async def test_a_value_is_what_it_was_when_it_was_stored() -> None:
    store = Store()
    value = Strict(when=date(2026, 1, 2), colours=(Colour.RED,))

    async def run() -> dict[str, Strict]:
        return {"one": value}

    for _ in range(2):
        assert await store.attempt().step("a", "1", run, of=dict[str, Strict]) == {"one": value}


async def test_who_names_no_type_gets_json_both_times() -> None:
    store = Store()

    async def run() -> Any:
        return "é", Strict(when=date(2026, 1, 2), colours=())

    for _ in range(2):
        assert await store.attempt().step("a", "1", run) == ["é", {"when": "2026-01-02", "colours": []}]


async def test_keeps_no_secret_and_returns_none() -> None:
    store = Store()
    steps = store.attempt()
    assert await store.step(steps, "a", {"said": f"key {SECRET}"}) == {"said": "key [redacted: github-token]"}
    assert SECRET not in repr(store.entries)


@pytest.mark.parametrize("value", [object(), {"x": {1, object()}}, b"\xff\xfe"])
async def test_refuses_what_cannot_be_kept(value: Any) -> None:
    store = Store()
    with pytest.raises(RunError, match="step 'a:1' returned cannot be kept") as caught:
        await store.step(store.attempt(), "a", value)
    assert (caught.value.code, store.entries) == (StopCode.INTERNAL, [])


@pytest.mark.parametrize("of", [Any, str])
async def test_keeps_text_that_was_cut_within_a_character(of: Any) -> None:
    store = Store()

    async def run() -> str:
        return "\ud83d\ude00 and half \ud83d"

    for _ in range(2):
        assert await store.attempt().step("a", "1", run, of=of) == "\U0001f600 and half \ufffd"


@pytest.mark.parametrize("value", [7, "text", None])
async def test_refuses_what_is_not_of_the_type(value: Any) -> None:
    store = Store()

    async def run() -> Any:
        return value

    with pytest.raises(RunError) as caught:
        await store.attempt().step("a", "1", run, of=list[str])
    assert (caught.value.code, store.entries) == (StopCode.INTERNAL, [])


async def test_refuses_what_was_kept_as_another_type() -> None:
    store = Store()
    await store.step(store.attempt(), "a", "text")

    async def run() -> int:
        return 1

    with pytest.raises(RunError, match="kept of step 'a:1' is not of its type"):
        await store.attempt().step("a", "1", run, of=int)


@pytest.mark.parametrize("value", [None, 1, "é\u0000\u2028", {"a": [1.5, True, None]}, {"args": ["x"], "kwargs": {}}])
def test_writes_and_reads_json(value: Any) -> None:
    serializer = JournalJson()
    assert serializer.deserialize(serializer.serialize(value)) == value


def test_writes_errors_as_text_without_secrets() -> None:
    serializer = JournalJson()
    read = serializer.deserialize(serializer.serialize(ValueError(f"bad {SECRET}")))
    assert (type(read), str(read)) == (RuntimeError, "ValueError: bad [redacted: github-token]")


def test_refuses_to_write_what_is_no_json() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        JournalJson().serialize({"x": object()})


def test_never_unpickles() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        JournalJson().deserialize("gASVEgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg==")

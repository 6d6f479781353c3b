"""Steps made before there is a journal: what is waited for, what is kept, and in which order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from andon.line.db.rows import Fenced
from andon.line.durable.early_steps import EarlySteps
from andon.line.durable.journal import Journal, JournalledSteps, Kept
from andon.records.errors import RunError
from andon.records.events import EventKind
from andon.records.stops import StopCode

PATIENCE = 30
Refusal = Fenced | RunError
REFUSALS = [Fenced("run-1"), RunError(StopCode.DISK_FAILED, "full")]


class Kit:
    """Early steps, and the journal they are to join."""

    def __init__(self) -> None:
        self.needed = 0
        self.kept: list[tuple[str, int]] = []
        """Step and place of every entry."""
        self.refusal: Exception | None = None
        self.steps = EarlySteps(self._need)

    def _need(self) -> None:
        self.needed += 1

    async def keep(self, step: str, entry: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        self.kept.append((step, entry["at"]))

    def journal(self, *before: tuple[str, Kept]) -> JournalledSteps:
        return JournalledSteps(Journal(before), self.keep, again=False)

    def join(self, *before: tuple[str, Kept]) -> "asyncio.Task[None]":
        return asyncio.create_task(self.steps.join(self.journal(*before)))

    async def ended(self, joining: "asyncio.Task[None]") -> None:
        self.steps.over.set_result(None)
        await asyncio.wait_for(joining, PATIENCE)


def giving(value: Any, began: asyncio.Event | None = None) -> Callable[[], Awaitable[Any]]:
    async def run() -> Any:
        if began is not None:
            began.set()
        return value

    return run


async def asked(kit: Kit) -> "asyncio.Task[Any]":
    """Return a step of a model whose answer is there and not kept."""
    began = asyncio.Event()
    step = asyncio.create_task(kit.steps.step("model:planner", "1", giving("answer", began)))
    await asyncio.wait_for(began.wait(), PATIENCE)
    for _ in range(10):
        await asyncio.sleep(0)
    return step


async def test_steps_that_cost_nothing_wait_for_no_journal() -> None:
    kit = Kit()
    assert await kit.steps.step("attended", "", giving(False)) is False
    assert await kit.steps.step("check", "base-0", giving([1])) == [1]
    assert (kit.kept, kit.needed) == ([], 0)


async def test_a_paid_answer_is_given_once_it_and_all_before_it_are_kept_in_their_order() -> None:
    kit = Kit()
    await kit.steps.step("attended", "", giving(False))
    await kit.steps.step("sandbox", "workspace", giving("stands"))
    step = await asked(kit)
    assert (kit.needed, step.done()) == (1, False)
    joining = kit.join()
    assert await asyncio.wait_for(step, PATIENCE) == "answer"
    assert kit.kept == [("attended:", 1), ("sandbox:workspace", 2), ("model:planner:1", 3)]
    await kit.steps.step("check", "head-0", giving(1))
    assert kit.kept[3:] == [("check:head-0", 4)]
    await kit.ended(joining)


async def test_that_a_request_is_made_is_stored_before_it_is_made() -> None:
    kit, order = Kit(), []

    class Events:
        def emit(self, kind: EventKind, **data: Any) -> None:
            order.append(f"{kind} {data['name']}")

    async def flush() -> None:
        order.append("stored")

    async def request() -> str:
        order.append("request")
        return "answer"

    kit.steps.attach(Events(), flush=flush)
    await kit.steps.step("attended", "", giving(False))
    joining = kit.join()
    await kit.steps.step("model:planner", "1", request)
    await kit.ended(joining)
    assert order == [
        "step.started attended", "step.ended attended",
        "step.started model:planner", "stored", "request", "step.ended model:planner",
    ]  # fmt: skip


async def test_what_was_made_is_kept_as_soon_as_there_is_a_journal() -> None:
    kit = Kit()
    await kit.steps.step("attended", "", giving(False))
    joining = kit.join()
    for _ in range(10):
        await asyncio.sleep(0)
    assert kit.kept == [("attended:", 1)]
    await kit.ended(joining)


async def test_steps_that_end_at_once_are_kept_in_the_order_of_their_ends() -> None:
    kit, go = Kit(), asyncio.Event()

    async def slow() -> str:
        await go.wait()
        return "slow"

    first = asyncio.create_task(kit.steps.step("tool:a", "1", slow))
    await asyncio.sleep(0)
    second = asyncio.create_task(kit.steps.step("tool:b", "2", giving("fast")))
    for _ in range(10):
        await asyncio.sleep(0)
    go.set()
    for _ in range(10):
        await asyncio.sleep(0)
    joining = kit.join()
    assert (await asyncio.wait_for(first, PATIENCE), await asyncio.wait_for(second, PATIENCE)) == ("slow", "fast")
    assert [step for step, _ in kit.kept] == ["tool:b:2", "tool:a:1"]
    await kit.ended(joining)


async def test_an_answer_in_hand_is_kept_although_its_phase_is_cancelled() -> None:
    kit = Kit()
    step = await asked(kit)
    step.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not step.done()
    joining = kit.join()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(step, PATIENCE)
    assert kit.kept == [("model:planner:1", 1)]
    await kit.ended(joining)


@pytest.mark.parametrize("error", REFUSALS)
async def test_every_step_fails_for_which_there_will_be_no_journal(error: Refusal) -> None:
    kit = Kit()
    await kit.steps.step("attended", "", giving(False))
    step = await asked(kit)
    kit.steps.fail(error)
    kit.steps.fail(Fenced("later"))
    with pytest.raises(type(error)) as caught:
        await asyncio.wait_for(step, PATIENCE)
    assert caught.value is error
    assert kit.kept == []


@pytest.mark.parametrize("name", ["check", "model:planner"])
@pytest.mark.parametrize("error", REFUSALS)
async def test_no_step_begins_once_it_is_known_that_there_will_be_no_journal(error: Refusal, name: str) -> None:
    kit, began = Kit(), asyncio.Event()
    await kit.steps.step("attended", "", giving(False))
    kit.steps.fail(error)
    with pytest.raises(type(error)) as caught:
        await kit.steps.step(name, "1", giving("never asked", began))
    assert (caught.value is error, began.is_set(), kit.needed) == (True, False, 0)


@pytest.mark.parametrize("error", REFUSALS)
async def test_no_step_begins_after_what_could_not_be_kept_when_the_journal_came(error: Refusal) -> None:
    kit, began = Kit(), asyncio.Event()
    await kit.steps.step("attended", "", giving(False))
    kit.refusal = error
    joining = kit.join()
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(type(error)) as caught:
        await asyncio.wait_for(kit.steps.step("model:planner", "1", giving("never asked", began)), PATIENCE)
    assert (caught.value is error, began.is_set()) == (True, False)
    await kit.ended(joining)
    assert kit.kept == []


async def test_no_step_begins_of_a_phase_that_goes_on_elsewhere() -> None:
    kit, began = Kit(), asyncio.Event()
    kit.steps.leave()
    with pytest.raises(asyncio.CancelledError):
        await kit.steps.step("model:planner", "1", giving("never asked", began))
    assert not began.is_set()


async def test_what_a_phase_still_does_after_it_failed_runs_and_is_not_kept() -> None:
    kit = Kit()
    kit.steps.fail(RunError(StopCode.DISK_FAILED, "full"))
    with pytest.raises(RunError):
        await kit.steps.step("model:planner", "1", giving("never asked"))
    assert await asyncio.wait_for(kit.steps.step("tree", "last", giving("tree")), PATIENCE) == "tree"
    assert kit.kept == []


async def test_a_step_is_cancelled_whose_phase_is_carried_out_elsewhere() -> None:
    kit = Kit()
    step = await asked(kit)
    kit.steps.leave()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(step, PATIENCE)
    assert kit.kept == []


async def test_joins_no_journal_that_has_something_of_the_phase() -> None:
    kit = Kit()
    with pytest.raises(Fenced, match="had been begun before"):
        await kit.join(("attended:", Kept(1, inside=False, value=True)))
    assert kit.kept == []

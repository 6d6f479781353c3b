"""The engine of one phase: who answers at a gate, and what of it is found again when the phase is begun again."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from database_kit import claimed, new_run

from andon.line.db import events, runs
from andon.line.db.database import Database
from andon.line.durable.journal import Journal, JournalledSteps, Kept
from andon.line.durable.phase_engine import Answered, PhaseEngine
from andon.line.durable.table_log import TableLog
from andon.line.steps import Answer, Ask, Gate
from andon.records.errors import RunError
from andon.records.parked import Parked
from andon.records.stops import StopCode

GATE = Gate("plan-1", "plan", "Go on with this plan?", StopCode.NEEDS_PERSON, shown="1. test it", editable="{}")
AGAIN = replace(GATE, name="plan-1-again")
TOLD = ("phase", "gate.answered")
KEY = "ghp_" + "A1b2C3d4E5f6" * 3

Begin = Callable[..., PhaseEngine]


@pytest.fixture
def db(tmp_path: Path) -> Any:
    database = Database.open(f"sqlite:///{tmp_path}/andon.sqlite")
    runs.add(database, new_run("run-1"))
    claimed(database, "run-1")
    yield database
    database.close()


@pytest.fixture
def begin(db: Database, tmp_path: Path) -> Begin:
    """Begins an attempt at the phase, with what those before it kept."""
    kept: list[tuple[str, Kept]] = []
    attempts = 0

    async def keep(step: str, entry: dict[str, Any]) -> None:
        kept.append((step, Kept(**entry)))

    def made(answered: Answered | None = None, ask: Ask | None = None) -> PhaseEngine:
        nonlocal attempts
        attempts += 1
        log = TableLog(db, "run-1", "worker-1", tmp_path / "audit.jsonl", phase=0, attempt=attempts)
        steps = JournalledSteps(Journal(kept), keep, again=attempts > 1)
        steps.attach(log)
        return PhaseEngine(steps, log, answered or {}, ask)

    return made


def saying(answer: Answer) -> tuple[Ask, list[Gate]]:
    asked: list[Gate] = []

    async def ask(gate: Gate) -> Answer:
        asked.append(gate)
        return answer

    return ask, asked


async def test_parks_where_nobody_can_be_asked(begin: Begin) -> None:
    with pytest.raises(Parked) as parked:
        await begin().wait(GATE)
    assert (parked.value.gate, parked.value.code, str(parked.value)) == (GATE, GATE.parked, GATE.question)


@pytest.mark.parametrize("answer", [Answer("yes"), Answer("kind"), Answer("no", "not today"), Answer("edit", "{}")])
async def test_returns_what_a_person_answered_to_exactly_this(begin: Begin, answer: Answer) -> None:
    assert await begin({"plan-1": (GATE, answer)}).wait(GATE) == answer


async def test_an_answer_to_something_else_is_none_and_the_question_is_put_again(begin: Begin) -> None:
    other = replace(GATE, shown="1. delete it")
    with pytest.raises(Parked) as parked:
        await begin({"plan-1": (other, Answer("yes"))}).wait(GATE)
    assert parked.value.gate == AGAIN
    said = {"plan-1": (other, Answer("yes")), "plan-1-again": (AGAIN, Answer("no"))}
    assert await begin(said).wait(GATE) == Answer("no")


async def test_a_question_that_changed_twice_is_put_a_third_time(begin: Begin) -> None:
    said = {
        "plan-1": (replace(GATE, shown="a"), Answer("yes")),
        "plan-1-again": (replace(AGAIN, shown="b"), Answer("yes")),
    }
    with pytest.raises(Parked) as parked:
        await begin(said).wait(GATE)
    assert parked.value.gate == replace(GATE, name="plan-1-again-again")


@pytest.mark.parametrize("where", ["table", "terminal"])
async def test_stop_interrupts_the_run(begin: Begin, where: str) -> None:
    ask, _ = saying(Answer("stop"))
    engine = begin({"plan-1": (GATE, Answer("stop"))}) if where == "table" else begin(ask=ask)
    with pytest.raises(RunError) as stopped:
        await engine.wait(GATE)
    assert stopped.value.code is StopCode.INTERRUPTED


@pytest.mark.parametrize("where", ["table", "terminal"])
async def test_a_run_that_was_stopped_at_a_question_comes_to_it_again_and_tells_both_answers(
    begin: Begin, db: Database, where: str
) -> None:
    stopping, _ = saying(Answer("stop"))
    stopped = begin({"plan-1": (GATE, Answer("stop"))}) if where == "table" else begin(ask=stopping)
    with pytest.raises(RunError, match=f"A person stopped the run at the question: {re.escape(GATE.question)}"):
        await stopped.wait(GATE)
    await stopped._events.flush()
    with pytest.raises(Parked):
        await begin().wait(GATE)
    ask, asked = saying(Answer("yes"))
    resumed = begin({"plan-1": (GATE, Answer("yes"))}) if where == "table" else begin(ask=ask)
    assert await resumed.wait(GATE) == Answer("yes")
    await resumed._events.flush()
    assert asked == ([] if where == "table" else [GATE])
    told = [json.loads(row.line)["data"].get("answer") for row in events.after(db, "run-1", 0) if row.kind in TOLD]
    assert told == [None, "stop", "yes"]


async def test_a_stop_that_an_older_version_kept_is_none_to_go_on_with(begin: Begin) -> None:
    async def stop() -> Answer:
        return Answer("stop")

    await begin().step("answer", "plan-1", stop, Answer)
    with pytest.raises(RunError) as stopped:
        await begin().wait(GATE)
    assert stopped.value.code is StopCode.INTERRUPTED


async def test_what_is_edited_at_the_terminal_is_kept_without_secrets_as_json(begin: Begin) -> None:
    ask, _ = saying(Answer("edit", json.dumps({"summary": f"use {KEY}"})))
    for asker in (ask, None):
        answer = await begin(ask=asker).wait(GATE)
        assert json.loads(answer.text) == {"summary": "use [redacted: github-token]"}


async def test_an_answer_at_the_terminal_is_not_asked_for_again_although_nobody_is_there_any_more(begin: Begin) -> None:
    ask, asked = saying(Answer("yes"))
    assert await begin(ask=ask).wait(GATE) == Answer("yes")
    assert await begin().wait(GATE) == Answer("yes")
    assert asked == [GATE]


async def test_whether_somebody_is_there_is_the_same_in_every_attempt(begin: Begin) -> None:
    ask, _ = saying(Answer("yes"))
    first = begin(ask=ask)
    await first.begin()
    second = begin()
    await second.begin()
    assert (first.someone_there, second.someone_there) == (True, True)


async def test_tells_of_question_and_answer_once(begin: Begin, db: Database) -> None:
    for _ in range(2):
        engine = begin({"plan-1": (GATE, Answer("yes"))})
        await engine.wait(GATE)
        await engine._events.flush()
    told = [row.kind for row in events.after(db, "run-1", 0)]
    assert told == ["phase", "gate.answered"]


async def test_a_step_that_was_kept_does_not_run_again(begin: Begin) -> None:
    ran: list[str] = []

    async def count() -> int:
        ran.append("once")
        return 7

    first = begin()
    assert (first.recorded("count", "1"), first.replaying) == (False, False)
    assert await first.step("count", "1", count, int) == 7
    second = begin()
    assert (second.recorded("count", "1"), second.replaying) == (True, True)
    assert await second.step("count", "1", count, int) == 7
    assert ran == ["once"]

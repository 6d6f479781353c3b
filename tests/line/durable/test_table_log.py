"""The event stream of a run in the tables: told once however often the run's body is run, by one worker at a time."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from database_kit import claimed, db, new_run, url  # noqa: F401 - fixtures

from andon.line.db import events, runs
from andon.line.db.database import Database
from andon.line.db.rows import Fenced
from andon.line.durable.table_log import TableLog
from andon.records.events import RunEvent

Told = list[tuple[str, Any]]


class Line:
    """A run in the tables, gone on with by one attempt after the other."""

    def __init__(self, db: Database, folder: Path) -> None:  # noqa: F811
        self.db, self.path = db, folder / "audit.jsonl"
        runs.add(db, new_run("run-1"))
        self.run = claimed(db, "run-1")

    def attempt(
        self, number: int = 1, *, phase: int = 0, told: Told | None = None, known: Told | None = None
    ) -> TableLog:
        """Begin an attempt at a phase; `told` gets what its listener is told, `known` what it remembers."""

        def noting(into: Told | None) -> list[Any]:
            def note(event: RunEvent) -> None:
                if into is not None:
                    into.append((event.kind, event.data))

            return [note]

        return TableLog(
            self.db, "run-1", "worker-1", self.path, phase=phase, attempt=number, listeners=noting(told),
            remembering=noting(known),
        )  # fmt: skip

    def stored(self) -> Told:
        return [(row.kind, json.loads(row.line)["data"]) for row in events.after(self.db, "run-1", 0)]

    def intact(self) -> bool:
        rows = events.after(self.db, "run-1", 0)
        lines = [json.loads(row.line) for row in rows]
        linked = all(one["hash"] == other["prev"] for one, other in pairwise(lines))
        copied = self.path.read_text().splitlines() == [row.line for row in rows]
        return linked and copied and [row.seq for row in rows] == list(range(1, len(rows) + 1))


@pytest.fixture
def line(db: Database, tmp_path: Path) -> Line:  # noqa: F811
    return Line(db, tmp_path)


def body(log: TableLog, *phases: str) -> None:
    """Tell as the body of a run does, a step after each."""
    for name in phases:
        log.emit("phase", name=name)
        log.boundary()


async def test_stores_what_is_told_in_order_and_keeps_a_copy_of_it(line: Line) -> None:
    log = line.attempt()
    assert log.fresh
    body(log, "one", "two")
    await log.flush()
    assert line.stored() == [("phase", {"name": "one"}), ("phase", {"name": "two"})]
    assert line.intact()
    assert not line.attempt().fresh


async def test_stores_by_itself_what_is_older_than_a_moment(line: Line) -> None:
    log = line.attempt()
    log.emit("phase", name="one")
    until = time.monotonic() + 10
    while not line.stored():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    log.close()


async def test_what_the_body_told_before_is_told_nobody_again(line: Line) -> None:
    first = line.attempt()
    body(first, "one", "two")
    await first.flush()
    told: Told = []
    known: Told = []
    second = line.attempt(2, told=told, known=known)
    body(second, "one", "two", "three")
    await second.flush()
    assert told == [("phase", {"name": "three"})]
    assert known == [("phase", {"name": name}) for name in ("one", "two", "three")]
    assert line.stored() == known
    assert line.intact()


async def test_what_was_not_stored_before_its_process_died_is_told_by_the_next(line: Line) -> None:
    first = line.attempt()
    body(first, "one")
    await first.flush()
    body(first, "two")
    first.close()
    second = line.attempt(2)
    body(second, "one", "two")
    await second.flush()
    assert line.stored() == [("phase", {"name": "one"}), ("phase", {"name": "two"})]
    assert line.intact()


async def test_the_same_words_in_another_phase_are_told(line: Line) -> None:
    first = line.attempt()
    body(first, "agents")
    await first.flush()
    second = line.attempt(1, phase=1)
    body(second, "agents")
    await second.flush()
    assert line.stored() == [("phase", {"name": "agents"})] * 2


async def test_what_a_step_told_is_told_once_where_its_result_is_kept(line: Line) -> None:
    first = line.attempt()
    first.boundary()
    first.of_steps.emit("tool.called", tool="read_file")
    kept = json.loads(json.dumps(first.told_inside()))
    first.close()
    second = line.attempt(2)
    second.boundary()
    second.tell_inside(kept)
    await second.flush()
    third = line.attempt(3)
    third.boundary()
    third.tell_inside(kept)
    await third.flush()
    assert line.stored() == [("tool.called", {"tool": "read_file"})]
    [row] = events.after(line.db, "run-1", 0)
    assert row.at == kept[0][1], "it happened when it happened"


async def test_a_step_that_is_made_again_tells_again(line: Line) -> None:
    for number in (1, 2):
        log = line.attempt(number)
        log.boundary()
        with log.aside():
            log.emit("tool.called", tool="read_file")
        await log.flush()
    assert line.stored() == [("tool.called", {"tool": "read_file"})] * 2


async def test_stores_nothing_once_the_run_is_another_workers(line: Line) -> None:
    log = line.attempt()
    body(log, "one")
    await log.flush()
    claimed(line.db, "run-1", "worker-2")
    body(log, "two")
    with pytest.raises(Fenced):
        await log.flush()
    assert line.stored() == [("phase", {"name": "one"})]


async def test_a_phase_begun_anew_tells_everything_and_says_so_once(line: Line) -> None:
    first = line.attempt()
    body(first, "one")
    first.emit("step.ended", name="model", key="1", outcome="done")
    body(first, "two")
    await first.flush()
    second = line.attempt(2)
    assert (second.kept, second.begun_anew) == (True, False)
    second.begin_anew("it was begun anew")
    body(second, "one", "other")
    await second.flush()
    third = line.attempt(3)
    assert (third.kept, third.begun_anew) == (False, True)
    body(third, "one", "other", "more")
    await third.flush()
    assert [data.get("name", data.get("text")) for kind, data in line.stored()] == [
        "one", "model", "two", "it was begun anew", "one", "other", "more",
    ]  # fmt: skip
    assert line.intact()


@pytest.mark.parametrize(("outcome", "kept"), [("done", True), ("failed", False)])
async def test_only_a_step_that_ended_well_is_one_that_was_kept(line: Line, outcome: str, kept: bool) -> None:
    log = line.attempt()
    body(log, "one")
    log.emit("step.ended", name="model", key="1", outcome=outcome)
    await log.flush()
    assert (line.attempt(2).kept, line.attempt(1, phase=1).kept) == (kept, False)


@pytest.mark.parametrize("name", ["attended", "sandbox", "check"])
async def test_a_step_that_ends_before_there_is_a_journal_is_none_that_was_kept(line: Line, name: str) -> None:
    log = line.attempt()
    body(log, "one")
    log.emit("step.ended", name=name, key="1", outcome="done")
    await log.flush()
    assert not line.attempt(2).kept


async def test_knows_the_steps_of_its_phase_that_have_begun_before(line: Line) -> None:
    log = line.attempt()
    assert log.begun == frozenset()
    body(log, "one")
    log.emit("step.started", name="model:planner", key="1")
    await log.flush()
    assert line.attempt(2).begun == frozenset({"model:planner:1"})
    assert line.attempt(1, phase=1).begun == frozenset()


async def test_what_a_step_that_was_not_kept_comes_to_now_is_told_where_it_is_another(line: Line) -> None:
    first = line.attempt()
    first.emit("check.ended", name="pytest", outcome="pass")
    first.emit("check.ended", name="ruff", outcome="pass")
    await first.flush()
    second = line.attempt(2)
    second.emit("check.ended", name="pytest", outcome="fail")
    second.emit("check.ended", name="ruff", outcome="pass")
    await second.flush()
    assert [(data["name"], data["outcome"]) for _, data in line.stored()] == [
        ("pytest", "pass"), ("ruff", "pass"), ("pytest", "fail"),
    ]  # fmt: skip
    third = line.attempt(3)
    third.emit("check.ended", name="pytest", outcome="fail")
    await third.flush()
    assert len(line.stored()) == 3
    assert line.intact()

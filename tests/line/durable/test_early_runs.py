"""Runs that are killed, stopped, lost or put back while the engine that is to keep their steps is still on its way."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from durable_kit import SHORT, Outcome, Shop, claim_once, events_of, outcome, shop
from lane_kit import FILES

from andon.line.db import messages
from andon.line.db.again import again
from andon.line.db.runs import Fenced, Run
from andon.line.durable.early_steps import EarlySteps
from andon.line.durable.phase import Phases, Place
from andon.line.engine import Engine
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

pytestmark = pytest.mark.xdist_group("early-runs")

ASKED = [("planner", 0), ("executor", 0), ("executor", 1), ("executor", 2), ("reviewer", 0)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with shop(tmp_path_factory.mktemp("undisturbed"), "", SHORT, FILES) as made:
        run = made.queue()
        made.serve()
        made.finish(run.id)
        return outcome(made, run.id)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Shop]:
    with shop(tmp_path, "", SHORT, FILES) as one:
        yield one


def journal(made: Shop) -> Path:
    return made.repo / "factory/.state/engine.sqlite"


@contextmanager
def engine_held(made: Shop) -> Iterator[None]:
    """Hold the engine's database, so that no engine can be launched meanwhile; half a minute is waited for it."""
    with closing(sqlite3.connect(journal(made), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def hold_first_request(made: Shop) -> None:
    """Leave the first request without an answer; who makes it again is answered."""
    made.server._hold = lambda *asked: len(made.server.asked) == 1


def answered(made: Shop, run: Run) -> bool:
    """Say whether the first answer is there."""
    return any(row.kind == "model.answered" for row in events_of(made, run.id))


def begun_again(made: Shop, run: Run) -> list[str]:
    """Return the steps that are said to have begun before."""
    data = [json.loads(row.line)["data"] for row in events_of(made, run.id) if row.kind == "step.started"]
    return [f"{one['name']}:{one['key']}" for one in data if one.get("again")]


def entries(made: Shop) -> list[str]:
    """Return the steps that the engine has kept, in their order."""
    with closing(sqlite3.connect(journal(made))) as connection:
        return [name for (name,) in connection.execute("SELECT function_name FROM operation_outputs ORDER BY rowid")]


@pytest.mark.parametrize("when", ["the request is out", "the answer is there"])
def test_a_run_killed_before_anything_was_kept_begins_again_from_nothing(
    made: Shop, undisturbed: Outcome, when: str
) -> None:
    run = made.queue()
    if when == "the request is out":
        hold_first_request(made)
    with engine_held(made):
        worker = made.serve()
        made.wait_for(made.server.held.is_set if when == "the request is out" else lambda: answered(made, run))
        worker.kill()
        made.bury()
    made.serve()
    made.finish(run.id)
    assert made.server.asked == [ASKED[0], *ASKED], "only what was in flight is asked again"
    assert outcome(made, run.id) == undisturbed
    assert begun_again(made, run)[-1] == "model:planner:1"
    assert made.andon("log", run.id, "--verify").stdout.startswith("intact: ")


def test_an_answer_is_kept_before_anything_comes_of_it_and_never_paid_twice(made: Shop, undisturbed: Outcome) -> None:
    run = made.queue()
    made.server._hold = lambda *asked: len(made.server.asked) == 2
    worker = made.serve()
    made.wait_for(made.server.held.is_set)
    worker.kill()
    made.bury()
    steps = [name.partition(":")[0] for name in entries(made)]
    assert (steps[:2], steps.index("model"), set(steps[2 : steps.index("model")])) == (
        ["attended", "sandbox"], len([one for one in steps if one == "check"]) + 2, {"check"},
    )  # fmt: skip
    made.serve()
    made.finish(run.id)
    assert made.server.asked == [*ASKED[:2], *ASKED[1:]]
    assert outcome(made, run.id) == undisturbed


def test_a_run_stopped_before_its_first_answer_ends_at_once(made: Shop) -> None:
    run = made.queue()
    hold_first_request(made)
    with engine_held(made):
        made.serve()
        made.wait_for(made.server.held.is_set)
        messages.stop(made.db, run.id, "somebody")
        made.wait_for(lambda: made.row(run.id).status == "ended", 20)
    assert made.row(run.id).stop_code == "interrupted"


def test_a_run_stopped_with_an_answer_in_hand_keeps_it_and_goes_on_from_it(made: Shop) -> None:
    run = made.queue()
    with engine_held(made):
        made.serve()
        made.wait_for(lambda: answered(made, run))
        messages.stop(made.db, run.id, "somebody")
    made.wait_for(lambda: made.row(run.id).status == "ended")
    assert (made.row(run.id).stop_code, made.server.asked) == ("interrupted", ASKED[:1])
    again(made.db, run.id)
    made.finish(run.id)
    assert (made.row(run.id).stop_code, made.server.asked) == ("delivered", ASKED)


def test_a_run_lost_before_the_engine_stands_keeps_nothing_here(made: Shop) -> None:
    run = made.queue()
    with engine_held(made):
        made.serve()
        made.wait_for(lambda: answered(made, run))

        def taken() -> bool:
            with made.db.transaction() as tx:
                tx.execute("DELETE FROM workers")
            return claim_once(made.db, "other") is not None

        made.wait_for(taken)
    made.wait_for(lambda: "another worker has it" in made.started[0].said)
    assert (made.row(run.id).worker, made.row(run.id).status, entries(made)) == ("other", "running", [])
    with made.db.transaction() as tx:
        tx.execute("DELETE FROM workers WHERE id = 'other'")
    made.finish(run.id)
    assert (made.row(run.id).stop_code, made.server.asked) == ("delivered", [ASKED[0], *ASKED])


def test_a_run_whose_engine_cannot_be_launched_goes_back_into_the_queue(made: Shop, undisturbed: Outcome) -> None:
    run = made.queue()
    journal(made).write_bytes(b"no database at all, but something else of some length" * 100)
    with pytest.raises(UserError, match="the engine"):
        made.work()
    row = made.row(run.id)
    assert (row.status, row.worker, row.attempt, row.stop_code) == ("queued", None, 1, None)
    assert set(made.server.asked) <= {ASKED[0]}
    journal(made).unlink()
    made.serve()
    made.finish(run.id)
    assert made.server.asked in (ASKED, [ASKED[0], *ASKED])
    assert outcome(made, run.id) == undisturbed


def sandboxes() -> list[str]:
    """Return the sandboxes that this process has open."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            stats.append(path.read_text())
    return [stat for stat in stats if "(bwrap)" in stat and stat.rpartition(")")[2].split()[1] == str(os.getpid())]


@pytest.mark.parametrize("how", ["another worker has it", "its row is gone"])
async def test_a_run_lost_before_its_phase_goes_on_leaves_no_sandbox_behind(made: Shop, how: str) -> None:
    made.queue()
    run = claim_once(made.db, "me")
    assert run is not None
    phases = Phases(Place(made.db, "me", made.folder / "state", made.environment))
    assert await phases.begin(run)
    until = asyncio.get_running_loop().time() + 60
    while not sandboxes():
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.01)
    with made.db.transaction() as tx:
        tx.execute("UPDATE runs SET worker = 'other'" if how == "another worker has it" else "DELETE FROM runs")
    with pytest.raises(Fenced if how == "another worker has it" else UserError):
        await phases.body(run.id, run.phase, EarlySteps(lambda: None))
    assert sandboxes() == []


@pytest.mark.parametrize("error", [OSError("the pump is broken"), RunError(StopCode.DATABASE_GONE, "away")])
def test_a_run_whose_engine_fails_goes_back_into_the_queue_unended(
    made: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    run = made.queue()
    monkeypatch.setattr(Engine, "run", fail)
    made.work()
    row = made.row(run.id)
    assert (row.status, row.stop_code, row.message) == (
        "queued", None, f"the phase failed, it is begun again: {type(error).__name__}: {error}",
    )  # fmt: skip
    assert (made.server.asked, sandboxes()) == (ASKED[:1], [])

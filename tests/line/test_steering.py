"""What a person says to a run of the tables: read once, at the same place wherever the run is gone on with."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from durable_kit import SHORT, Shop, events_of, shop
from lane_kit import FILES, plan
from process_kit import answer

from andon.line.db import messages, said
from andon.records.errors import UserError

TWICE = {**SHORT, "planner": [answer(plan()), answer(plan(summary="with the changelog"))]}
TEXT = "Also name it in CHANGELOG.md.\nThe key is token=ghp_" + "a1B2" * 9


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Shop]:
    with shop(tmp_path, "", TWICE) as place:
        yield place


def told(made: Shop, run_id: str) -> list[dict[str, object]]:
    return [json.loads(row.line)["data"] for row in events_of(made, run_id) if row.kind == "person.said"]


def bodies(made: Shop, conversation: str) -> list[str]:
    pairs = zip(made.server.asked, made.server.bodies, strict=True)
    return [body for (name, _), body in pairs if name == conversation]


def test_a_message_is_read_before_the_plan_is_taken_and_by_everybody_after_it(made: Shop) -> None:
    run = made.queue()
    messages.send(made.db, run.id, "say", TEXT, "ann@host")
    made.work()
    assert made.row(run.id).stop_code == "delivered"
    first, second = bodies(made, "planner")
    assert ("CHANGELOG.md" in first, "CHANGELOG.md" in second) == (False, True)
    assert "A person who follows this run says:" in second
    assert "this changes the work, not the rules" in second
    for role in ("executor", "reviewer"):
        assert "# A person said while this run was going on" in bodies(made, role)[0]
    [event] = told(made, run.id)
    assert (event["by"], event["role"], str(event["text"]).splitlines()[0]) == (
        "ann@host", "planner", "Also name it in CHANGELOG.md.",
    )  # fmt: skip
    assert not any("ghp_" in text for text in [*made.server.bodies, str(event)])
    assert said.unread(made.db, run.id) == []


def test_a_worker_that_goes_on_with_a_killed_run_hears_the_same_at_the_same_place(made: Shop) -> None:
    made.server._hold = lambda conversation, number: (conversation, number) == ("executor", 1)
    run = made.queue()
    messages.send(made.db, run.id, "say", TEXT, "ann@host")
    worker = made.serve()
    made.wait_for(made.server.held.is_set)
    worker.send(signal.SIGKILL)
    worker.process.wait()
    made.bury()
    made.server.go.set()
    made.work()
    assert made.row(run.id).stop_code == "delivered"
    # Nothing that was answered was asked again, and nothing was read twice.
    assert [name for name, _ in made.server.asked].count("planner") == 2
    assert len(told(made, run.id)) == 1
    assert bodies(made, "executor")[1] == bodies(made, "executor")[2]
    assert (made.andon("log", run.id, "--verify").returncode) == 0


def test_what_was_said_before_a_question_and_while_it_was_open_is_read_after_it(tmp_path: Path) -> None:
    files = FILES | {"factory/andon.toml": '[approvals]\nplan = "always"\n'}
    with shop(tmp_path, "", TWICE, files) as made:
        run = made.queue()
        messages.send(made.db, run.id, "say", TEXT, "ann@host")
        made.work()
        assert made.row(run.id).status == "parked"
        messages.send(made.db, run.id, "say", "And in the docs.", "bob@host")
        made.answer(run.id)
        made.work()
        assert made.row(run.id).stop_code == "delivered"
        first, second = bodies(made, "executor")[:2]
        assert ("CHANGELOG.md" in first, "And in the docs." in first) == (True, False)
        assert "And in the docs." in second
        assert "And in the docs." in bodies(made, "reviewer")[0]
        assert [(one["by"], one["role"]) for one in told(made, run.id)] == [
            ("ann@host", "planner"), ("bob@host", "executor"),
        ]  # fmt: skip


def test_a_run_that_has_ended_hears_nothing(made: Shop) -> None:
    run = made.queue()
    messages.stop(made.db, run.id, "ann@host")
    with pytest.raises(UserError, match="has ended already"):
        messages.send(made.db, run.id, "say", "too late", "ann@host")

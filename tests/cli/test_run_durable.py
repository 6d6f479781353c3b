"""`andon run` through the tables: followed where a worker serves, worked on here where none does, gone on with."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lane_kit import FILES, git, make_repository
from process_kit import GOOD, provider
from serve_kit import Shop, lines, losing, shop
from terminal_kit import Started

from andon.line.db import events

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Shop]:
    with shop(make_repository(tmp_path / "repo", FILES), tmp_path) as made:
        yield made


def test_a_run_here_leaves_its_row_its_events_and_no_worker(place: Shop) -> None:
    with provider(*GOOD) as server:
        done = place.start("run", "task-001", "--headless", "--json", "--no-stream", server=server).end()
    run = place.row()
    assert (done.code, run.status, run.priority) == (0, "ended", 0)
    assert run.result is not None
    assert done.document == json.loads(run.result.model_dump_json())
    with place.database() as db:
        assert db.read("SELECT id FROM workers") == []
        stored = [row.line for row in events.after(db, run.id, 0)]
    log = place.repo / "factory/.state/runs" / run.id / "audit.jsonl"
    assert stored == log.read_text().splitlines()


def test_where_a_worker_serves_the_run_is_followed_and_ends_as_if_it_had_been_here(place: Shop) -> None:
    with provider(*GOOD) as server:
        serve = place.start("serve", server=server)
        serve.wait_for(lambda: lines(serve))
        # No key: the worker has one.
        followed = place.start("run", "task-001", "--headless", "--json", "--no-stream")
        done = followed.end()
        serve.stop(TERM)
        assert serve.end().code == 0
    run = place.row()
    assert (done.code, done.document["run_id"], done.document["stop_code"]) == (0, run.id, "delivered"), done.err
    assert run.worker == lines(serve)[0].split("worker ")[1].split(",")[0]
    assert "another worker sees to run" in done.err
    assert "executor → reviewer" in done.err
    assert git(place.repo, "rev-parse", done.document["branch"]) == done.document["head_commit"]


def test_ctrl_c_while_following_leaves_the_run_to_its_worker(place: Shop) -> None:
    with provider(*GOOD, hold_at=3) as server:
        serve = place.start("serve", server=server)
        serve.wait_for(lambda: lines(serve))
        followed = place.start("run", "task-001", "--headless", "--json", "--no-stream")
        followed.wait_for(server.asked.is_set)
        followed.wait_for(lambda: "planner" in followed.stderr())
        followed.stop(INT)
        done = followed.end()
        run = place.row()
        assert (done.code, done.document["exit_code"], run.status) == (130, 130, "running")
        assert f"run {run.id} goes on without you" in done.err
        server.release()
        assert place.wait_for_row(lambda run: run.status == "ended").stop_code == "delivered"


def test_killed_the_same_command_goes_on_with_the_run_and_pays_for_no_answer_twice(place: Shop) -> None:
    with losing(*GOOD, hold_at=3) as server:
        first = place.start("run", "task-001", "--headless", "--no-stream", server=server)
        first.wait_for(server.asked.is_set)
        os.killpg(first.process.pid, KILL)
        first.process.wait()
        run = place.row()
        assert run.status == "running"
        done = place.start("run", "task-001", "--headless", "--json", "--no-stream", server=server).end()
    assert (done.code, done.document["run_id"]) == (0, run.id), done.err
    assert f"task-001 has run {run.id} already" in done.err
    assert len(server.exchanges) == len(GOOD)


def test_a_run_of_the_task_that_goes_on_elsewhere_is_refused_and_named(place: Shop) -> None:
    with provider(*GOOD, hold_at=1) as server:
        first = place.start("run", "task-001", "--headless", "--no-stream", server=server)
        first.wait_for(server.asked.is_set)
        second = place.start("run", "task-001", "--headless", "--json", server=server).end()
        assert (second.code, f"andon log -f {place.row().id}" in second.document["message"]) == (2, True)
        first.stop(TERM)
        assert first.end().code == 130
    assert place.row().stop_code == "interrupted"


def test_in_a_lane_that_is_closed_it_waits_in_the_queue_with_the_reason(place: Shop) -> None:
    with provider(*GOOD) as server:
        assert place.start("queue", "pause", "--reason", "release day").end().code == 0
        done = place.start("run", "task-001", "--headless", "--json", server=server).end()
    assert (done.code, done.document["stop_code"], done.document["exit_code"]) == (10, "lane-halted", 10)
    assert "release day" in done.document["message"]
    assert (place.row().status, server.exchanges) == ("queued", [])


def test_a_question_of_a_followed_run_is_put_to_the_person_at_the_terminal(place: Shop) -> None:
    (place.repo / "factory/andon.toml").write_text('[approvals]\nplan = "always"\n')
    git(place.repo, "add", "-A")
    git(place.repo, "commit", "-qm", "plans are approved")
    with provider(*GOOD) as server:
        serve = place.start("serve", server=server)
        serve.wait_for(lambda: lines(serve))
        command = [sys.executable, "-m", "andon", "run", "task-001", "--no-stream"]
        person = Started(command, place.repo, place.environment() | {"TERM": "xterm-256color"})
        person.answer("[s]top: ", "y")
        person.expect("delivered (exit 0)")
        assert person.end() == 0
    run = place.row()
    assert (run.status, run.stop_code, run.phase) == ("ended", "delivered", 1)
    assert person.text.count("> Add subtraction") == 1


def test_where_the_engine_finds_no_place_nothing_stays_in_the_queue(place: Shop) -> None:
    (place.repo / "factory/.state/engine.sqlite").mkdir(parents=True)
    with provider(*GOOD) as server:
        done = place.start("run", "task-001", "--headless", "--json", server=server).end()
    # The first request does not wait for the engine; no second one is made without it.
    assert (done.code, done.document["stop_code"], len(server.exchanges) <= 1) == (2, "usage", True)
    assert "the engine's database cannot be opened" in done.document["message"]
    assert (place.row().status, place.row().stop_code) == ("ended", "interrupted")

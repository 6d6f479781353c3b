"""`--events` and `andon say`: what a program reads of a run, what a person tells it, and that nothing else is sent."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, make_repository
from process_kit import GOOD, PLAN, Andon, provider
from serve_kit import Shop, lines, shop

WATCH = """
import os, sys

def note(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        with open(os.environ["SOCKETS"], "a") as out:
            out.write(repr((event, args[1:] if event != "socket.getaddrinfo" else args[:2])) + "\\n")

sys.addaudithook(note)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Shop]:
    with shop(make_repository(tmp_path / "repo", FILES), tmp_path) as made:
        yield made


def events(andon: Andon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(andon)]


def test_every_event_is_a_line_on_stdout_and_the_stored_ones_are_the_log(place: Shop) -> None:
    with provider(*GOOD) as server:
        run = place.start("run", "task-001", "--headless", "--no-stream", "--events", server=server)
        done = run.end()
    first, *others = events(run)
    assert (done.code, first["kind"], first["data"]) == (
        0, "stream.opened", {"schema_version": 1, "run": place.row().id},
    )  # fmt: skip
    stored = [line for line, event in zip(lines(run), [first, *others], strict=True) if event["seq"]]
    log = place.start("log", place.row().id, "--json")
    assert log.end().code == 0
    assert stored == lines(log)
    assert (others[0]["kind"], others[-1]["kind"]) == ("run.started", "run.ended")
    assert {"agent.started", "handoff", "tool.called", "model.answered", "review.given"} <= {
        event["kind"] for event in others
    }
    changed = [event["data"] for event in others if event["kind"] == "file.changed"]
    assert [(one["path"], one["how"], one["cut"]) for one in changed] == [
        ("tests/test_calc.py", "changed", False), ("calc.py", "changed", False),
    ]  # fmt: skip
    assert changed[1]["diff"].splitlines()[-4:] == ["+", "+", "+def sub(a, b):", "+    return a - b"]
    answered = [event["data"] for event in others if event["kind"] == "model.answered"]
    usage = [one["usage"]["input_tokens"] + one["usage"]["output_tokens"] for one in answered]
    assert [one["so_far"]["tokens"] for one in answered] == [sum(usage[: n + 1]) for n in range(len(usage))]
    assert "delivered (exit 0)" in done.err


def test_followed_the_same_lines_come_from_the_tables(place: Shop) -> None:
    with provider(*GOOD) as server:
        serve = place.start("serve", server=server)
        serve.wait_for(lambda: lines(serve))
        run = place.start("run", "task-001", "--headless", "--no-stream", "--events")
        assert run.end().code == 0
        serve.stop(signal.SIGTERM)
        serve.end()
    log = place.start("log", "last", "--json")
    log.end()
    assert lines(run)[1:] == lines(log)


@pytest.mark.parametrize("command", ["run", "resume"])
def test_two_kinds_of_output_on_one_stdout_are_refused(place: Shop, command: str) -> None:
    done = place.start(command, "task-001", "--json", "--events").end()
    assert (done.code, done.document["message"].startswith("--json and --events both want stdout")) == (2, True)


def test_what_a_person_says_is_read_after_the_turn_and_is_in_the_log(place: Shop) -> None:
    with provider(PLAN, *GOOD, hold_at=0) as server:
        run = place.start("run", "task-001", "--headless", "--no-stream", "--events", server=server)
        run.wait_for(server.asked.is_set)
        told = place.start("say", "task-001", "Keep the name sub.")
        assert told.end().code == 0
        server.release()
        assert run.end().code == 0
    assert lines(told)[0].startswith(f"told run {place.row().id}: its agents read it after the turn they are in")
    said = [event["data"] for event in events(run) if event["kind"] == "person.said"]
    assert [(one["role"], one["text"]) for one in said] == [("planner", "Keep the name sub.")]
    assert len(server.exchanges) == len(GOOD) + 1
    log = place.start("log", "last")
    log.end()
    assert any("said: Keep the name sub." in line for line in lines(log))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody", "hello"), "there is no run 'nobody' here"),
        (("task-001", "  "), "the message is empty"),
        (("task-001", "x" * 4001), "the message has 4001 letters of at most 4000"),
    ],
)
def test_a_message_that_cannot_be_left_is_refused(place: Shop, words: tuple[str, str], message: str) -> None:
    done = place.start("say", *words, "--json").end()
    assert (done.code, message in done.document["message"]) == (2, True)


def test_a_run_talks_to_its_model_server_and_to_nobody_else(place: Shop) -> None:
    hooks = place.folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(WATCH)
    notes = place.folder / "sockets"
    with provider(*GOOD) as server:
        environment = place.environment(server)
        place.environment = lambda server=None: environment | {"PYTHONPATH": str(hooks), "SOCKETS": str(notes)}  # type: ignore[method-assign]
        assert place.start("run", "task-001", "--headless", "--no-stream", server=server).end().code == 0
    port = server.url.rsplit(":", 1)[1].partition("/")[0]
    seen = {
        line
        for line in notes.read_text().splitlines()
        if not line.startswith(("('socket.connect', ('/", "('socket.connect', (b"))
    }
    assert seen, "the hook noted nothing"
    assert {line for line in seen if f"127.0.0.1', {port}" not in line and "'127.0.0.1'" not in line} == set()
    assert any(port in line for line in seen)

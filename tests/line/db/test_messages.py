from dataclasses import replace

import pytest
from database_kit import claimed, new_run, result_of

from andon.line.db import approvals, messages, runs
from andon.line.db.database import Database
from andon.line.db.messages import Message
from andon.line.steps import Gate
from andon.records.errors import UserError
from andon.records.result import Usage
from andon.records.stops import MEANINGS, StopCode

REMEDY = MEANINGS[StopCode.INTERRUPTED].remedy
SAID = "a person stopped the run while nobody worked on it."


def test_messages_are_taken_once_in_the_order_they_were_said(db: Database) -> None:
    runs.add(db, new_run())
    for text in ("first", "second"):
        messages.send(db, "run-1", "say", text, "a person")
    messages.send(db, "run-1", "stop", "", "another")
    taken = messages.take(db, "run-1", "say")
    ids = [message.id for message in taken]
    assert ids == sorted(ids)
    assert taken == [
        Message(ids[0], "run-1", "say", "first", "a person", taken[0].at),
        Message(ids[1], "run-1", "say", "second", "a person", taken[1].at),
    ]
    assert messages.take(db, "run-1", "say") == []
    assert [message.said_by for message in messages.take(db, "run-1", "stop")] == ["another"]


def test_a_key_in_a_message_is_not_kept(db: Database) -> None:
    runs.add(db, new_run())
    messages.send(db, "run-1", "say", f"use {'ghp_' + 'A1b2C3d4E5f6' * 3} here", "a person")
    assert db.read("SELECT text FROM messages") == [{"text": "use [redacted: github-token] here"}]


def test_a_run_that_is_worked_on_is_told_to_stop(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    assert messages.stop(db, "run-1", "a person") == replace(run, wanted="stop")
    assert [message.said_by for message in messages.take(db, "run-1", "stop")] == ["a person"]


def test_a_queued_run_ends_at_once(db: Database) -> None:
    run = runs.add(db, new_run())
    ended = messages.stop(db, "run-1", "a person")
    result = result_of(run, StopCode.INTERRUPTED).model_copy(update={"message": SAID})
    assert ended == replace(
        run, status="ended", wanted="stop", stop_code="interrupted", message=SAID, result=result,
        changed_at=ended.changed_at, ended_at=ended.changed_at,
    )  # fmt: skip
    assert runs.get(db, "run-1") == ended


def test_a_parked_run_ends_with_what_it_had_done_and_asks_nothing_more(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    done = result_of(run, StopCode.NEEDS_PERSON).model_copy(update={"tree": "e" * 40, "usage": Usage(requests=3)})
    gate = Gate("plan", "plan", "Good?", StopCode.NEEDS_PERSON)
    runs.park(db, "run-1", "worker-1", phase=0, checkpoint="", gate=gate, expires=None, result=done)
    ended = messages.stop(db, "run-1", "a person")
    stopped = {
        "status": "stopped",
        "stop_code": StopCode.INTERRUPTED,
        "exit_code": 130,
        "message": SAID,
        "remedy": REMEDY,
    }
    assert (ended.status, ended.gate, ended.result) == ("ended", None, done.model_copy(update=stopped))
    assert approvals.open_questions(db, None) == []


def test_refuses_to_tell_a_run_that_has_ended(db: Database) -> None:
    runs.add(db, new_run())
    ended = messages.stop(db, "run-1", "a person")
    with pytest.raises(UserError, match=r"run run-1 has ended already \(interrupted\)"):
        messages.stop(db, "run-1", "a person")
    with pytest.raises(UserError, match="has ended already"):
        messages.send(db, "run-1", "say", "hello", "a person")
    assert (runs.get(db, "run-1"), messages.take(db, "run-1", "say")) == (ended, [])


def test_refuses_to_tell_a_run_that_is_not_there(db: Database) -> None:
    with pytest.raises(UserError, match="there is no run 'run-1'"):
        messages.stop(db, "run-1", "a person")

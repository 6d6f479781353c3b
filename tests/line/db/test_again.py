"""Runs that stopped go on where they were, and those that are over do not."""

from pathlib import Path

import pytest
from runs_kit import PLAN_GATE, WORKER, begun, db, ended, parked, queued, repo

from andon.line.db import approvals, messages, queue, runs
from andon.line.db.again import again, let_go
from andon.line.db.database import Database
from andon.line.db.rows import Fenced, Run
from andon.line.steps import Answer
from andon.records.errors import UserError
from andon.records.stops import MEANINGS, StopCode

__all__ = ["db", "repo"]

GO_ON = [code for code in StopCode if MEANINGS[code].exit_code in (2, 50, 60, 70, 130)]


@pytest.mark.parametrize("code", GO_ON)
def test_what_failed_around_a_run_lets_it_go_on_in_its_phase(db: Database, repo: Path, code: StopCode) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, run.id)
    approvals.answer(db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)
    ended(db, begun(db, run), code)
    back = again(db, run.id)
    assert (back.status, back.phase, back.worker, back.stop_code, back.message) == ("queued", 1, None, None, "")
    assert (back.result, back.ended_at, back.wanted) == (None, None, "")
    assert begun(db, back).phase == 1


@pytest.mark.parametrize("code", [code for code in StopCode if code not in GO_ON])
def test_what_a_run_itself_came_to_stays(db: Database, repo: Path, code: StopCode) -> None:
    run = ended(db, begun(db, queued(db, repo)), code)
    with pytest.raises(UserError, match=f"ended with {code}: It ended"):
        again(db, run.id)
    assert runs.get(db, run.id) == run


def test_one_that_was_stopped_at_its_question_waits_there_again(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    messages.stop(db, run.id, "me")
    back = again(db, run.id)
    assert (back.status, back.phase, back.gate, back.wanted) == ("parked", 1, PLAN_GATE, "")
    asked = approvals.question(db, run.id)
    approvals.answer(db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)
    assert begun(db, back).phase == 1


def _said(db: Database, run: Run, answer: Answer) -> None:
    asked = approvals.question(db, run.id)
    approvals.answer(db, asked.id, answer, by="me", channel="terminal", digest=asked.digest)


@pytest.mark.parametrize("worked_on", [True, False])
def test_one_whose_question_was_answered_with_stop_waits_there_again(db: Database, repo: Path, worked_on: bool) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, run.id)
    _said(db, run, Answer("stop"))
    if worked_on:
        ended(db, begun(db, run), StopCode.INTERRUPTED)
    else:
        messages.stop(db, run.id, "me")
    back = again(db, run.id)
    assert (back.status, back.phase, back.gate, back.wanted, back.stop_code) == ("parked", 1, PLAN_GATE, "", None)
    assert approvals.open_questions(db, None) == [asked]
    assert queue.claim(db, WORKER) is None, "it waits"
    _said(db, run, Answer("yes"))
    assert begun(db, back).phase == 1


def test_a_stop_to_be_resumed_after_the_time_to_answer_is_refused(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)), expires=4e9)
    _said(db, run, Answer("stop"))
    ended(db, begun(db, run), StopCode.INTERRUPTED)
    with db.transaction() as tx:
        tx.execute("UPDATE approvals SET expires_at = 1")
    with pytest.raises(UserError, match=r"nobody answered run .* in time"):
        again(db, run.id)
    assert approvals.answers_of(db, run.id) == {"plan": Answer("stop")}


def test_one_whose_question_expired_meanwhile_is_refused(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)), expires=1.0)
    messages.stop(db, run.id, "me")
    with pytest.raises(
        UserError, match=r"nobody answered run .* in time: start the task again with `andon run task-001`"
    ):
        again(db, run.id)
    assert runs.get(db, run.id).status == "ended"


def test_one_whose_source_has_another_run_by_now_is_refused(db: Database, repo: Path) -> None:
    first = queued(db, repo, source_key="issue-7")
    messages.stop(db, first.id, "me")
    queued(db, repo, "20261129-090000-bbbbbb", "task-002", source_key="issue-7")
    with pytest.raises(UserError, match="issue-7 has another run by now"):
        again(db, first.id)
    assert runs.get(db, first.id).status == "ended"


def test_one_that_has_not_ended_stays_as_it_is(db: Database, repo: Path) -> None:
    run = queued(db, repo)
    assert again(db, run.id) == run
    going = begun(db, run)
    assert again(db, run.id) == going


def test_one_that_never_began_waits_for_its_lane_as_before(db: Database, repo: Path) -> None:
    run = queued(db, repo)
    messages.stop(db, run.id, "me")
    assert again(db, run.id).attempt == 0


def test_a_run_whose_worker_is_dead_is_given_back_and_the_worker_is_fenced(db: Database, repo: Path) -> None:
    run = begun(db, queued(db, repo))
    let_go(db, run.id)
    assert runs.get(db, run.id) == run
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - 13")
    let_go(db, run.id)
    back = runs.get(db, run.id)
    assert (back.status, back.worker, back.phase) == ("queued", None, 0)
    with pytest.raises(Fenced):
        runs.put_back(db, run.id, WORKER, not_before=0, message="")
    assert queue.claim(db, WORKER) is None, "a worker without a beat gets nothing"

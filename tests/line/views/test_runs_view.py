"""How runs stand in the tables: which run a word names, which stands for a task, what waits, and who is alive."""

from pathlib import Path

import pytest
from runs_kit import CALL_GATE, PLAN_GATE, WORKER, alive, begun, db, ended, parked, queued, repo, told, view_of

from andon.line.db import approvals, lanes, providers
from andon.line.db.database import Database
from andon.line.steps import Answer
from andon.line.views.run_rows import Asked, Worker, iso
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.records.stops import StopCode
from andon.sandbox.repository import Repository

__all__ = ["db", "repo"]

OLD, NEW = "20261129-080000-aaaaaa", "20261129-090000-bbbbbb"


def test_without_a_database_there_are_no_runs_and_none_is_made(repo: Path) -> None:
    assert RunsView.of(Repository.open(repo), {}) is None
    assert not (repo / "factory/.state").exists()


def test_it_opens_what_the_environment_names(repo: Path, db: Database) -> None:
    queued(db, repo)
    environment = {} if db.dialect == "sqlite" else {"ANDON_DATABASE_URL": db.url}
    view = RunsView.of(Repository.open(repo), environment)
    assert view is not None
    assert view.counts() == {"queued": 1}


def test_a_run_is_named_by_its_id_its_beginning_or_its_task(db: Database, repo: Path) -> None:
    queued(db, repo, OLD)
    view = view_of(db, repo)
    assert [(run := view.named(word)) and run.id for word in (OLD, "20261129-08", "task-001")] == [OLD] * 3
    assert [view.named(word) for word in ("2026", "nothing", "", "20261129-09")] == [None] * 4


def test_a_beginning_of_several_runs_is_refused_with_them(db: Database, repo: Path) -> None:
    queued(db, repo, OLD)
    queued(db, repo, NEW, "task-002")
    with pytest.raises(UserError, match=f"several runs begin with '20261129': {NEW}, {OLD}"):
        view_of(db, repo).named("20261129")


def test_runs_of_another_repository_are_not_seen(db: Database, repo: Path) -> None:
    queued(db, repo, OLD, repository="example.org/other/one")
    view = view_of(db, repo)
    assert (view.named(OLD), view.counts(), view.tasks(), view.queued(9)) == (None, {}, set(), [])


def test_a_run_that_goes_on_stands_for_its_task_before_a_newer_one(db: Database, repo: Path) -> None:
    begun(db, queued(db, repo, OLD))
    queued(db, repo, NEW)
    assert view_of(db, repo).of_tasks(["task-001", "nothing"])["task-001"].id == OLD


def test_of_runs_that_ended_the_newest_stands_for_its_task(db: Database, repo: Path) -> None:
    ended(db, begun(db, queued(db, repo, OLD)), StopCode.PROVIDER_FAILED)
    ended(db, begun(db, queued(db, repo, NEW)))
    found = view_of(db, repo).of_tasks(["task-001"])["task-001"]
    assert (found.id, found.status, found.stop_code, found.result["exit_code"]) == (NEW, "ended", "delivered", 0)


def test_more_tasks_than_a_statement_holds_are_read(db: Database, repo: Path) -> None:
    queued(db, repo)
    wanted = [f"task-{number:03}" for number in range(1300)]
    assert set(view_of(db, repo).of_tasks(wanted)) == {"task-001"}


def test_the_queue_is_in_the_order_in_which_runs_begin(db: Database, repo: Path) -> None:
    queued(db, repo, OLD, "task-001")
    queued(db, repo, NEW, "task-002", priority=1)
    queued(db, repo, "20261129-100000-cccccc", "task-003")
    begun(db, queued(db, repo, "20261129-110000-dddddd", "task-004", priority=0))
    assert [run.task_id for run in view_of(db, repo).queued(2)] == ["task-002", "task-001"]


def test_the_last_question_of_a_run_is_told_with_its_answer(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)), PLAN_GATE)
    first = approvals.question(db, run.id)
    view = view_of(db, repo)
    assert view.questions([run.id]) == {run.id: Asked(first.id, PLAN_GATE.question, run.id, None, "")}
    approvals.answer(db, first.id, Answer("yes"), by="me", channel="terminal", digest=first.digest)
    assert view.questions([run.id])[run.id].answer == "yes"
    parked(db, begun(db, run), CALL_GATE, expires=5e9)
    last = view.questions([run.id])[run.id]
    assert (last.question, last.expires_at, last.answer) == (CALL_GATE.question, 5e9, "")


def test_only_workers_that_were_heard_of_lately_are_alive(db: Database, repo: Path) -> None:
    alive(db)
    alive(db, "run", "gone:9:0")
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - 13 WHERE id = 'gone:9:0'")
    assert view_of(db, repo).workers() == [Worker(WORKER, "elsewhere", 7, "serve", 2)]


def test_closed_lanes_and_resting_servers_are_told(db: Database, repo: Path) -> None:
    view = view_of(db, repo)
    lanes.pause(db, view.repository, "nightly", reason="freeze", by="me")
    lanes.pause(db, "example.org/other/one", "default", reason="", by="me")
    until = providers.failed(db, "api.example", "503").blocked_until
    assert view.closed_lanes() == [{"name": "nightly", "state": "paused", "reason": "freeze", "lesson": ""}]
    assert (view.resting("api.example"), view.resting("")) == (until, 0.0)


def test_the_last_event_is_told_and_a_damaged_one_is_none(db: Database, repo: Path) -> None:
    run = begun(db, queued(db, repo))
    told(db, run, ("phase", {"name": "sandbox"}), ("warning", {"text": "x"}))
    view = view_of(db, repo)
    last, phase = view.last_event(run.id), view.last_event(run.id, "phase")
    assert last is not None and last["kind"] == "warning"
    assert phase is not None and phase["data"] == {"name": "sandbox"}
    with db.transaction() as tx:
        tx.execute("UPDATE events SET line = '{' WHERE seq = 2")
    assert view.last_event(run.id) is None


def test_the_run_that_changed_last_is_the_last(db: Database, repo: Path) -> None:
    view = view_of(db, repo)
    queued(db, repo, NEW, "task-002")
    assert view.named_or_last("last") is None
    begun(db, queued(db, repo, OLD))
    assert (last := view.named_or_last("last")) and last.id == OLD


def test_times_are_iso_8601_in_utc() -> None:
    assert (iso(0.7), iso(None)) == ("1970-01-01T00:00:00Z", "")

"""A task of queue.json gets the status of its run's end, whoever ended it and on whichever machine."""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import worker_kit
from database_kit import result_of
from runs_kit import WORKER, begun, db, ended, parked, queued, repo

from andon.intake.queue import update_status
from andon.line.db import messages, queue, runs
from andon.line.db.again import again
from andon.line.db.database import Database
from andon.line.db.rows import Run, RunOptions
from andon.line.durable.giving_up import refuse
from andon.line.durable.phase_task import PhaseTask
from andon.line.durable.reach import Reach
from andon.line.durable.task_status import note_ends
from andon.line.durable.worker import Worker
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"
LATER = "20261129-090000-bbbbbb"
QUEUE = "factory/tasks/queue.json"


def entry(repo: Path) -> tuple[str, dict[str, Any]]:
    """Return status and last run of the one task of the queue."""
    [task] = json.loads((repo / QUEUE).read_text())
    return task["status"], task.get("lastRun", {})


def last(code: str, exit_code: int, run_id: str = RUN) -> dict[str, Any]:
    return {"runId": run_id, "stopCode": code, "exitCode": exit_code, "branch": None}


def set_by_a_person(repo: Path, status: str) -> None:
    [task] = json.loads((repo / QUEUE).read_text())
    (repo / QUEUE).write_text(json.dumps([task | {"status": status}]))


def look(db: Database, folder: Path) -> None:
    """Let a worker of this machine look for work where there is none."""
    name = "here:8:4567"
    asyncio.run(Worker(db, name, worker_kit.Counting(db, name, folder), once=True).work())
    with db.transaction() as tx:
        tx.execute("DELETE FROM workers WHERE id = ?", [name])


def expires(db: Database, run: Run) -> None:
    parked(db, begun(db, run), expires=1.0)


def expires_unreadable(db: Database, run: Run) -> None:
    expires(db, run)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET task = '{}', result = '{}'")


def kills_its_workers(db: Database, run: Run) -> None:
    begun(db, run)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET attempt = ?", [queue.MOST_ATTEMPTS])
        tx.execute("DELETE FROM workers")


def is_stopped_on_another_machine(db: Database, run: Run) -> None:
    messages.stop(db, run.id, "somebody@elsewhere", task_too=True)


def is_stopped_while_its_worker_leaves(db: Database, run: Run) -> None:
    begun(db, run)
    messages.stop(db, run.id, "somebody@elsewhere")
    runs.put_back(db, run.id, WORKER, not_before=0.0, message="")


def ends_on_another_machine(db: Database, run: Run) -> None:
    ended(db, begun(db, run), StopCode.FAILED_REVIEW)


@pytest.mark.parametrize(
    ("happens", "status", "noted"),
    [
        (expires, "waiting-approval", last("needs-person", 10)),
        (expires_unreadable, "waiting-approval", last("needs-person", 10)),
        (kills_its_workers, "stopped", last("internal", 70)),
        (is_stopped_on_another_machine, "stopped", last("interrupted", 130)),
        (is_stopped_while_its_worker_leaves, "stopped", last("interrupted", 130)),
        (ends_on_another_machine, "failed-review", last("failed-review", 20)),
    ],
)
def test_a_run_that_ends_without_its_phase_here_is_noted_at_a_workers_next_look(
    db: Database,
    repo: Path,
    tmp_path: Path,
    happens: Callable[[Database, Run], None],
    status: str,
    noted: dict[str, Any],
) -> None:
    happens(db, queued(db, repo))
    look(db, tmp_path)
    assert entry(repo) == (status, noted)


@pytest.mark.parametrize(
    ("error", "status", "noted"),
    [
        (RunError(StopCode.SANDBOX_LOST, "gone"), "stopped", last("sandbox-lost", 50)),
        (None, "pending", last("usage", 2)),
    ],
)
async def test_a_run_that_is_given_up_or_refused_is_noted_by_its_worker(
    db: Database, repo: Path, error: Exception | None, status: str, noted: dict[str, Any]
) -> None:
    run = begun(db, queued(db, repo))

    async def work(task: PhaseTask) -> None:
        if error is not None:
            raise error
        refuse(db, run, WORKER, UserError("the base did not travel"))

    with closing(Reach(pytest.fail, lambda: None)) as reach:
        await PhaseTask(run, work).wait(db, WORKER, reach)
    assert entry(repo) == (status, noted)


def test_a_run_that_is_taken_back_before_it_began_leaves_its_task_pending(
    db: Database, repo: Path, tmp_path: Path
) -> None:
    before = (repo / QUEUE).read_bytes()
    messages.stop(db, queued(db, repo).id, "andon run, whose engine cannot be launched")
    look(db, tmp_path)
    assert (repo / QUEUE).read_bytes() == before


def test_what_a_person_changes_afterwards_stays(db: Database, repo: Path, tmp_path: Path) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.FAILED_REVIEW)
    look(db, tmp_path)
    set_by_a_person(repo, "pending")
    look(db, tmp_path)
    assert entry(repo) == ("pending", last("failed-review", 20))


def test_what_the_runs_own_worker_wrote_of_its_end_is_left_as_it_is(db: Database, repo: Path) -> None:
    run = ended(db, begun(db, queued(db, repo)), StopCode.FAILED_REVIEW)
    [task] = json.loads((repo / QUEUE).read_text())
    whole = last("failed-review", 20) | {"proposalFile": "factory/runs/task-001/proposal.md"}
    (repo / QUEUE).write_text(json.dumps([task | {"status": "failed-review", "last_run": whole}]))
    before = (repo / QUEUE).read_bytes()
    assert note_ends(db) == []
    assert (repo / QUEUE).read_bytes() == before
    # It waited before, and somebody stopped it: that is another end.
    (repo / QUEUE).write_text(json.dumps([task | {"lastRun": last("needs-person", 10)}]))
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET noted_at = NULL WHERE id = ?", [run.id])
    note_ends(db)
    assert entry(repo) == ("failed-review", last("failed-review", 20))


def test_a_run_that_goes_on_and_ends_again_is_noted_again(db: Database, repo: Path, tmp_path: Path) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.PROVIDER_FAILED)
    look(db, tmp_path)
    assert entry(repo)[1] == last("provider-failed", 60)
    ended(db, begun(db, again(db, RUN)), StopCode.FAILED_REVIEW)
    look(db, tmp_path)
    assert entry(repo)[1] == last("failed-review", 20)


def test_a_task_that_has_a_later_run_is_left_to_that(db: Database, repo: Path) -> None:
    first = begun(db, queued(db, repo, source_key=None))
    queued(db, repo, LATER, branch="factory/other", source_key=None)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET queued_at = queued_at + 1 WHERE id = ?", [LATER])
    ended(db, first, StopCode.FAILED_REVIEW)
    before = (repo / QUEUE).read_bytes()
    assert note_ends(db) == []
    assert (repo / QUEUE).read_bytes() == before
    messages.stop(db, LATER, "somebody", task_too=True)
    note_ends(db)
    assert entry(repo) == ("stopped", last("interrupted", 130, LATER))


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "elsewhere"},
        {"root": "/nowhere"},
        {"options": RunOptions(started=1, queued=False)},
    ],
)
def test_a_run_of_another_machine_or_of_words_changes_no_file(
    db: Database, repo: Path, changes: dict[str, Any]
) -> None:
    before = (repo / QUEUE).read_bytes()
    messages.stop(db, queued(db, repo, **changes).id, "somebody", task_too=True)
    assert note_ends(db) == []
    assert (repo / QUEUE).read_bytes() == before


@pytest.mark.parametrize("kept", [{}, {"runId": 7}, {"by": "me"}, None, [], "done"])
def test_whatever_an_entry_says_of_its_last_run_does_no_harm(db: Database, repo: Path, kept: Any) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.FAILED_REVIEW)
    [task] = json.loads((repo / QUEUE).read_text())
    (repo / QUEUE).write_text(json.dumps([task | {"status": "running", "lastRun": kept}]))
    assert len(note_ends(db)) <= 1
    assert note_ends(db) == [] or entry(repo)[0] == "running"


def test_an_end_that_is_noted_meanwhile_is_not_written_over_what_came_after_it(
    db: Database, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.FAILED_REVIEW)

    def slow(path: Path, *words: Any, **more: Any) -> None:
        monkeypatch.undo()
        note_ends(db)
        set_by_a_person(repo, "pending")
        update_status(path, *words, **more)

    monkeypatch.setattr("andon.line.durable.task_status.update_status", slow)
    note_ends(db)
    assert entry(repo)[0] == "pending"


def test_an_end_gives_way_to_a_run_that_was_queued_meanwhile(
    db: Database, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(db, begun(db, queued(db, repo, source_key=None)), StopCode.FAILED_REVIEW)

    def slow(path: Path, *words: Any, **more: Any) -> None:
        queued(db, repo, LATER, branch="factory/other", source_key=None)
        with db.transaction() as tx:
            tx.execute("UPDATE runs SET queued_at = queued_at + 1 WHERE id = ?", [LATER])
        set_by_a_person(repo, "running")
        update_status(path, *words, **more)

    monkeypatch.setattr("andon.line.durable.task_status.update_status", slow)
    assert note_ends(db) == []
    assert entry(repo)[0] == "running"
    assert note_ends(db) == []


def test_the_same_end_of_a_run_that_went_on_is_told_again(db: Database, repo: Path) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.PROVIDER_FAILED)
    note_ends(db)
    told = entry(repo)
    ended(db, begun(db, again(db, RUN)), StopCode.PROVIDER_FAILED)
    set_by_a_person(repo, "running")
    note_ends(db)
    assert entry(repo) == told


def test_another_repository_that_lies_there_by_now_is_left_alone(db: Database, repo: Path) -> None:
    messages.stop(db, queued(db, repo, base_commit="d" * 40).id, "somebody", task_too=True)
    before = (repo / QUEUE).read_bytes()
    assert note_ends(db) == []
    assert (repo / QUEUE).read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_another_user_is_left_to_that_ones_commands(db: Database, repo: Path) -> None:
    messages.stop(db, queued(db, repo).id, "somebody", task_too=True)
    before = (repo / QUEUE).read_bytes()
    os.chown(repo, 65_534, 65_534)
    assert note_ends(db) == []
    assert (repo / QUEUE).read_bytes() == before
    os.chown(repo, 0, 0)
    note_ends(db)
    assert entry(repo)[0] == "stopped"


@pytest.mark.parametrize("text", ["[{", "[]", '{"id": "task-001"}', '[{"id": "task-001", "lastRun": 7}]'])
def test_a_queue_file_that_cannot_be_written_to_is_told_left_alone_and_tried_again_for_a_day(
    db: Database, repo: Path, text: str
) -> None:
    messages.stop(db, queued(db, repo).id, "somebody", task_too=True)
    (repo / QUEUE).write_text(text)
    [said] = note_ends(db)
    assert said.startswith(f"{repo}: the status of task-001 was not set to 'stopped': factory/tasks/queue.json")
    assert (repo / QUEUE).read_text() == text
    assert note_ends(db) == [said]
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET ended_at = ended_at - 86401")
    assert note_ends(db) == []


def test_many_ends_are_noted_a_part_at_a_time_and_none_is_left(db: Database, repo: Path) -> None:
    run = queued(db, repo)
    messages.stop(db, run.id, "somebody", task_too=True)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET options = '{}'")
        names = ", ".join(name for name in db.read("SELECT * FROM runs")[0] if name != "id")
        for number in range(150):
            tx.execute(f"INSERT INTO runs (id, {names}) SELECT ?, {names} FROM runs WHERE id = ?", [f"r-{number}", RUN])  # noqa: S608
    left = "SELECT count(*) AS left FROM runs WHERE noted_at IS NULL"
    seen: list[int] = []
    while not seen or seen[-1]:
        note_ends(db)
        seen += [row["left"] for row in db.read(left)]
    assert seen == [51, 0]


def test_a_result_that_a_run_ended_with_is_told_whole(db: Database, repo: Path, tmp_path: Path) -> None:
    run = begun(db, queued(db, repo))
    result = result_of(run, StopCode.DELIVERED).model_copy(update={"branch": run.branch})
    runs.end(db, run.id, WORKER, result=result, delivery=None)
    look(db, tmp_path)
    assert entry(repo) == ("ready-for-pr", last("delivered", 0) | {"branch": run.branch})

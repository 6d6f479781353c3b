"""`andon resume` and `andon stop`: what goes on, what ends, and what is refused with the next step."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs_kit import PLAN_GATE, begun, db, ended, parked, queued, repo
from terminal_kit import Started

from andon.cli.main import main
from andon.cli.papers_shown import folder_while_working
from andon.line.db import approvals, messages, runs
from andon.line.db.database import Database
from andon.line.db.events import EventRow
from andon.line.db.rows import Run, RunOptions
from andon.line.durable.papers_store import keep_papers
from andon.line.durable.shipping import keep_base
from andon.line.steps import Answer, Gate
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.repository import Repository

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"


def started(repo: Path, *words: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "andon", words[0], "-C", str(repo), *words[1:]]
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )


def until(db: Database, holds: Callable[[Run], bool]) -> Run:
    """Wait until something holds of the run."""
    end = time.monotonic() + 60
    while not holds(run := runs.get(db, RUN)):
        assert time.monotonic() < end, run
        time.sleep(0.02)
    return run


def queue_entry(repo: Path) -> dict[str, Any]:
    [entry] = json.loads((repo / "factory/tasks/queue.json").read_text())
    return dict(entry)


def refused(repo: Path, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([words[0], "-C", str(repo), *words[1:]]) == 2
    return capfd.readouterr().err


def test_a_run_that_failed_goes_on_at_a_living_worker_and_its_end_is_printed(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, run.id)
    approvals.answer(db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)
    ended(db, begun(db, run), StopCode.PROVIDER_FAILED)
    with started(repo, "resume", "task-001", "--json") as process:
        back = until(db, lambda run: run.status == "queued")
        assert (back.phase, back.stop_code) == (1, None)
        ended(db, begun(db, back), StopCode.FAILED_REVIEW)
        out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["run_id"], document["stop_code"]) == (20, RUN, "failed-review"), err


def test_a_run_that_waits_for_an_answer_stays_parked_where_nobody_can_be_asked(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    with started(repo, "resume", RUN, "--headless") as process:
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, "needs-person (exit 10)" in out) == (10, True)
    assert runs.get(db, RUN) == run


@pytest.mark.parametrize("spoilt", ["runs", "approvals"])
def test_a_run_that_cannot_be_read_is_in_the_way_of_no_other(db: Database, repo: Path, spoilt: str) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    parked(db, begun(db, queued(db, repo, "20261129-090000-bbbbbb", "other")))
    column, key = ("options", "id") if spoilt == "runs" else ("question", "run_id")
    with db.transaction() as tx:
        tx.execute(f"UPDATE {spoilt} SET {column} = '[]' WHERE {key} <> ?", [RUN])  # noqa: S608
    with started(repo, "resume", RUN, "--headless") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "needs-person (exit 10)" in out) == (10, True), err
    assert runs.get(db, RUN) == run


def test_a_question_that_cannot_be_read_is_refused_with_the_reason(db: Database, repo: Path) -> None:
    parked(db, begun(db, queued(db, repo)))
    with db.transaction() as tx:
        tx.execute("UPDATE approvals SET question = '[]'")
    with started(repo, "resume", RUN, "--headless") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, f"of run {RUN} was written by another version of andon" in err) == (2, True)


def test_the_evidence_of_a_run_worked_on_elsewhere_is_shown_before_it_is_judged(db: Database, repo: Path) -> None:
    gate = Gate("evidence", "evidence", "Deliver although nothing shows it?", StopCode.NO_EVIDENCE)
    parked(db, begun(db, queued(db, repo)), gate)
    patch = b"diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1 +1 @@\n-old\n+new\n"
    tests = {"schema_version": 1, "base": [], "head": [], "comparison": None}
    keep_papers(db, RUN, {"diff.patch": patch, "test-result.json": json.dumps(tests).encode()})
    with db.transaction() as tx:
        # It is there to go on with the run, whatever this takes.
        tx.execute("UPDATE workers SET beat_at = beat_at + 3600")
    process = Started([sys.executable, "-m", "andon", "resume", RUN, "--plain"], repo, dict(os.environ))
    process.expect("The checks of the change did not run.")
    for words in ("calc.py  +1 -1", "-old", "+new"):
        process.expect(words)
    process.expect("Deliver although nothing shows it?")
    process.answer("[s]top: ", "y")
    process.expect("another worker sees to run")
    process.type("\x03")
    assert process.end() == 130, process.text
    assert approvals.answers_of(db, RUN) == {"evidence": Answer("yes")}


def test_a_run_that_was_answered_is_followed_until_its_worker_asks_or_ends_it(
    db: Database, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, RUN)
    approvals.answer(db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)
    said: list[bool] = []

    def follow(db: Database, run_id: str, *, after: int, done: Callable[[Run], bool]) -> Iterator[EventRow]:
        said.append(done(runs.get(db, run_id)))
        with db.transaction() as tx:
            tx.execute("UPDATE approvals SET answer = NULL, answered_at = NULL")
        said.append(done(runs.get(db, run_id)))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("andon.cli.going_on.follow", follow)
    assert main(["resume", "-C", str(repo), run.id, "--headless"]) == 130
    assert said == [False, True]


def test_the_papers_of_a_run_queued_elsewhere_are_looked_for_where_it_is_worked_on_here(
    db: Database, repo: Path, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path)}
    run = queued(db, repo, base_commit=Repository.open(repo).head())
    own = Path("factory/.state/runs", RUN)
    assert folder_while_working(db, run, repo, home) == repo / own
    base = keep_base(db, Repository.open(repo), run.base_commit)
    came = replace(run, host="elsewhere", root="/elsewhere", base_blob=base)
    folder = folder_while_working(db, came, repo, home)
    assert folder.is_relative_to(tmp_path / ".local/state/andon/repositories")
    assert folder.parts[-len(own.parts) :] == own.parts
    # Its base did not travel: whoever works on it says so.
    assert folder_while_working(db, replace(came, base_blob=None), repo, home) == repo / own


@pytest.mark.parametrize(
    ("code", "next_step"),
    [
        ("delivered", "There is nothing left to do"),
        ("failed-review", "start the task again with `andon run task-001`"),
        ("policy-refused", "start the task again with `andon run task-001`"),
    ],
)
def test_a_run_that_is_over_is_refused_with_the_reason(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str], code: str, next_step: str
) -> None:
    run = ended(db, begun(db, queued(db, repo)), StopCode(code))
    said = refused(repo, capfd, "resume", RUN)
    assert f"run {RUN} ended with {code}" in said
    assert next_step in said
    assert runs.get(db, RUN) == run


def test_a_run_that_goes_on_already_is_refused_with_what_follows_it(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = begun(db, queued(db, repo))
    assert f"goes on already, at worker {run.worker}: `andon log -f {RUN}`" in refused(repo, capfd, "resume", RUN)


@pytest.mark.parametrize("command", ["resume", "stop"])
def test_what_is_not_there_is_refused_and_nothing_is_made(
    repo: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    for wanted in ("nothing", "last", "../../x"):
        assert f"there is no run {wanted!r}" in refused(repo, capfd, command, wanted)
    assert not (repo / "factory/.state").exists()


def test_a_bundle_that_is_none_is_refused(repo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "bundle.andon" in refused(repo, capfd, "resume", str(tmp_path / "bundle.andon"))


@pytest.mark.parametrize("waits", [lambda db, run: run, lambda db, run: parked(db, begun(db, run))])
def test_a_run_nobody_works_on_is_stopped_at_once_and_its_task_says_so(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str], waits: Callable[[Database, Run], Run]
) -> None:
    waits(db, queued(db, repo))
    assert main(["stop", "-C", str(repo), "task-001"]) == 0
    out = capfd.readouterr().out
    assert "interrupted (exit 130)" in out
    assert f"andon resume {RUN} goes on where it stopped" in out
    run = runs.get(db, RUN)
    assert (run.status, run.stop_code) == ("ended", "interrupted")
    entry = queue_entry(repo)
    assert (entry["status"], entry["lastRun"]) == (
        "stopped", {"runId": RUN, "stopCode": "interrupted", "exitCode": 130, "branch": None},
    )  # fmt: skip


def test_stopping_a_run_of_words_leaves_the_queue_file_alone(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (repo / "factory/tasks/queue.json").read_bytes()
    queued(db, repo, options=RunOptions(started=1, queued=False))
    assert main(["stop", "-C", str(repo), RUN]) == 0
    assert (repo / "factory/tasks/queue.json").read_bytes() == before
    assert capfd.readouterr().err == ""


def test_a_task_that_left_the_queue_file_is_told_and_the_run_stopped(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    queued(db, repo, task_id="gone")
    assert main(["stop", "-C", str(repo), RUN]) == 0
    assert f"{repo}: the status of gone was not set to 'stopped': factory/tasks/queue.json has no task 'gone'" in (
        capfd.readouterr().err
    )


def test_a_run_that_is_worked_on_is_told_and_its_end_waited_for(db: Database, repo: Path) -> None:
    begun(db, queued(db, repo))
    with started(repo, "stop", RUN, "--json") as process:
        run = until(db, lambda run: run.wanted == "stop")
        ended(db, run, StopCode.INTERRUPTED)
        out, err = process.communicate(timeout=60)
    run = runs.get(db, RUN)
    assert process.returncode == 0
    assert err == f"andon: told worker {run.worker}, which keeps the run's tree and report …\n"
    assert run.result is not None
    assert json.loads(out) == {
        "schema_version": 1,
        "run_id": RUN,
        "state": "ended",
        "ended": True,
        "result": run.result.model_dump(mode="json"),
    }


def test_without_waiting_it_is_only_told(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    begun(db, queued(db, repo))
    assert main(["stop", "-C", str(repo), RUN, "--no-wait", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "schema_version": 1, "run_id": RUN, "state": "running", "ended": False, "result": None,
    }  # fmt: skip
    assert [message.kind for message in messages.take(db, RUN, "stop")] == ["stop"]


def test_a_run_whose_worker_is_dead_is_stopped_at_once(db: Database, repo: Path) -> None:
    begun(db, queued(db, repo))
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - 13")
    assert main(["stop", "-C", str(repo), RUN]) == 0
    assert (runs.get(db, RUN).status, MEANINGS[StopCode.INTERRUPTED].exit_code) == ("ended", 130)


def test_a_run_that_had_ended_is_refused(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended(db, begun(db, queued(db, repo)))
    assert "has ended already (delivered)" in refused(repo, capfd, "stop", RUN)


def test_a_stopped_question_is_asked_again_when_the_run_is_resumed(db: Database, repo: Path) -> None:
    parked(db, begun(db, queued(db, repo)))
    assert main(["stop", "-C", str(repo), RUN]) == 0
    with started(repo, "resume", RUN, "--headless") as process:
        process.communicate(timeout=60)
    run = runs.get(db, RUN)
    assert (process.returncode, run.status, run.gate) == (10, "parked", PLAN_GATE)


def test_help_documents_exit_codes_and_documents(capfd: pytest.CaptureFixture[str]) -> None:
    for command, words in (("stop", "10  it was told, and has not ended"), ("resume", "--json prints result.json")):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert words in capfd.readouterr().out

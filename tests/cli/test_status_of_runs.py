"""`andon status` of runs in the tables: what runs where, what waits for what, and how runs ended wherever they ran."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from runs_kit import BEGUN, PLAN_GATE, WORKER, alive, begun, db, ended, parked, queued, repo, told

from andon.cli.main import main
from andon.line.db import approvals, lanes, messages
from andon.line.db.database import Database
from andon.line.steps import Answer
from andon.records.stops import MEANINGS, StopCode

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"


def document(repo: Path, capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["status", "-C", str(repo), "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def lines(repo: Path, capfd: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["status", "-C", str(repo), *words]) == 0
    return capfd.readouterr().out.splitlines()


def test_a_run_that_goes_on_elsewhere_says_where_since_when_and_what_it_does(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = begun(db, queued(db, repo))
    call = {"role": "executor", "tool": "edit_file", "summary": "calc.py", "outcome": "done"}
    told(db, run, ("run.started", BEGUN | {"run": run.id}), ("phase", {"name": "agents"}), ("tool.called", call))
    [task] = document(repo, capfd)["tasks"]
    running = task["running"]
    assert (task["status"], task["needs_person"], task["next_step"], task["run_id"]) == ("running", False, "", RUN)
    assert (running["run_id"], running["worker"], running["process"], running["doing"]) == (RUN, WORKER, 7, "agents")
    assert (running["event"]["seq"], running["event"]["data"]) == (3, call)
    shown = lines(repo, capfd)
    assert shown[0] == "running now"
    assert shown[2] == f"    run     {RUN}, worker {WORKER}, since {running['since']}"
    assert "    doing   agents" in shown
    assert any(line.endswith("executor edit_file calc.py: done") for line in shown)


def test_a_run_whose_worker_is_gone_is_told_with_what_goes_on_with_it(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun(db, queued(db, repo))
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - 13")
    [task] = document(repo, capfd)["tasks"]
    assert task["next_step"] == f"its worker is gone: start `andon serve`, or `andon resume {RUN}`"


def test_the_queue_is_counted_its_first_five_shown_and_why_they_wait(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        queued(db, repo, f"run-{number}", f"q-{number}", lane="nightly" if number == 1 else "default")
    begun(db, queued(db, repo, RUN, "other", branch="factory/q-2"))
    lanes.pause(db, queued(db, repo, "run-8", "q-8").repository, "nightly", reason="freeze", by="me")
    found = document(repo, capfd)
    assert found["runs"] == {"queued": 8, "running": 1}
    assert [(run["task_id"], run["waits_for"]) for run in found["queue"]] == [
        ("q-0", ""),
        ("q-1", "lane nightly is paused: freeze"),
        ("q-2", f"run {RUN} works on the same task or branch"),
        ("q-3", ""),
        ("q-4", ""),
    ]
    assert [(lane["name"], lane["state"], lane["reason"]) for lane in found["lanes"]] == [
        ("nightly", "paused", "freeze")
    ]
    shown = lines(repo, capfd)
    assert "in the queue: 8" in shown
    assert "  and 3 more: `andon queue` shows them" in shown
    assert "lane nightly is paused: freeze" in shown
    assert "    next    andon queue resume nightly" in shown
    assert not any("andon serve" in line for line in shown)


def test_with_nobody_who_works_on_the_queue_it_says_what_to_start(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    queued(db, repo)
    [first] = document(repo, capfd)["queue"]
    assert first["waits_for"] == "no worker is alive"
    assert "nothing works on the queue: start `andon serve`, or work on one run with `andon resume RUN`" in lines(
        repo, capfd
    )
    alive(db, "run", "busy:9:0")
    assert document(repo, capfd)["queue"][0]["waits_for"] == "no worker is alive", "it works on one run alone"


def test_a_parked_run_shows_its_question_with_the_command_that_answers(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = parked(db, begun(db, queued(db, repo)), expires=time.time() + 600)
    asked = approvals.question(db, run.id)
    found = document(repo, capfd)
    [task] = found["tasks"]
    assert (task["status"], task["needs_person"], task["question"]) == ("waiting-approval", True, PLAN_GATE.question)
    assert found["approvals"] == [
        {"id": asked.id, "question": PLAN_GATE.question, "run_id": RUN, "expires_at": asked.expires_at}
    ]
    assert lines(repo, capfd) == [
        "waiting for you",
        "  task-001  Add subtraction  [waiting-approval]",
        f"    run     {RUN}",
        "    asks    May the run carry out this plan?",
        f"    next    andon approve {asked.id}, or andon deny {asked.id} --reason …",
    ]


def test_an_answered_run_and_one_nobody_answered_in_time_say_what_goes_on_with_them(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, run.id)
    approvals.answer(db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)
    parked(db, begun(db, queued(db, repo, "late-run", "late")), expires=1.0)
    with db.transaction() as tx:
        tx.execute("DELETE FROM workers")
    found = document(repo, capfd)
    assert found["approvals"] == []
    assert {task["task_id"]: (task["needs_person"], task["next_step"]) for task in found["tasks"]} == {
        "task-001": (False, f"it was answered: yes: start `andon serve`, or `andon resume {RUN}`"),
        "late": (False, "nobody answered in time: start `andon serve`, or `andon resume late-run`"),
    }


def test_a_run_that_ended_elsewhere_says_how_and_that_its_papers_are_not_here(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended(db, begun(db, queued(db, repo)), branch="factory/task-001", message="Branch made.")
    [task] = document(repo, capfd)["tasks"]
    assert task["last"] == {
        "run_id": RUN,
        "stop_code": "delivered",
        "exit_code": 0,
        "message": "Branch made.",
        "branch": "factory/task-001",
        "papers": "",
    }
    assert f"    papers  elsewhere: andon show {RUN}" in lines(repo, capfd)


def test_papers_on_this_machine_are_told_and_those_of_another_run_are_not(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = ended(db, begun(db, queued(db, repo)))
    assert run.result is not None
    latest, own = repo / "factory/runs/task-001", repo / "factory/.state/runs" / RUN
    for folder, result in ((latest, run.result.model_copy(update={"run_id": "other"})), (own, run.result)):
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(result.model_dump_json())
    assert document(repo, capfd)["tasks"][0]["last"]["papers"] == f"factory/.state/runs/{RUN}"
    (latest / "result.json").write_text(run.result.model_dump_json())
    assert document(repo, capfd)["tasks"][0]["last"]["papers"] == "factory/runs/task-001"


@pytest.mark.parametrize("code", ["provider-failed", "delivered", "failed-review"])
def test_only_a_run_that_can_go_on_is_told_how(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str], code: str
) -> None:
    ended(db, begun(db, queued(db, repo, task_id="words")), StopCode(code))
    remedy = MEANINGS[StopCode(code)].remedy
    more = f" `andon resume {RUN}` goes on where it stopped." if code == "provider-failed" else ""
    [task] = [task for task in document(repo, capfd)["tasks"] if task["task_id"] == "words"]
    assert task["next_step"] == remedy + more


def test_a_run_that_was_stopped_in_the_queue_is_told_as_interrupted(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    messages.stop(db, queued(db, repo, task_id="words").id, "me")
    [task] = document(repo, capfd, "words")["tasks"]
    assert (task["status"], task["last"]["stop_code"], task["last"]["exit_code"]) == ("stopped", "interrupted", 130)


def test_one_run_is_shown_by_its_id_also_an_older_one(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended(db, begun(db, queued(db, repo, "run-old")), StopCode.STUCK)
    ended(db, begun(db, queued(db, repo, "run-new")))
    for wanted, code in (("run-old", "stuck"), ("run-new", "delivered"), ("task-001", "delivered")):
        assert [task["last"]["stop_code"] for task in document(repo, capfd, wanted)["tasks"]] == [code]
    assert main(["status", "-C", str(repo), "nothing"]) == 2


def test_what_a_task_is_called_prints_no_control_code(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = queued(db, repo)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET title = ?, task_id = 'evil' WHERE id = ?", ["a\x1b[31mb\nnext forged", run.id])
    shown = lines(repo, capfd)
    assert "  evil  ab next forged" in shown


def test_tables_that_cannot_be_reached_are_said_so(repo: Path, tmp_path: Path) -> None:
    (repo / "factory/.state").mkdir(parents=True)
    (repo / "factory/.state/andon.sqlite").write_text("no database at all, but long enough to be looked at " * 40)
    assert main(["status", "-C", str(repo)]) == 2


def test_looking_at_ten_thousand_runs_is_quick_and_loads_no_schema_library(repo: Path) -> None:
    with_tables = Database.open(f"sqlite:///{repo}/factory/.state/andon.sqlite")
    run = ended(with_tables, begun(with_tables, queued(with_tables, repo)))
    with with_tables.transaction() as tx:
        columns = [row["name"] for row in tx.execute("SELECT name FROM pragma_table_info('runs')")]
        kept = ", ".join(name for name in columns if name not in ("id", "task_id", "branch", "queued_at"))
        tx.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "  # noqa: S608
            f"INSERT INTO runs (id, task_id, branch, queued_at, {kept}) "
            f"SELECT 'r' || i, 't' || (i / 2), 'b' || i, queued_at + i, {kept} FROM runs, n WHERE id = ?",
            [run.id],
        )
        for status, digit in (("queued", 1), ("queued", 2), ("queued", 3), ("parked", 4)):
            tx.execute("UPDATE runs SET status = ? WHERE CAST(substr(id, 2) AS INTEGER) % 10 = ?", [status, digit])
    with_tables.close()
    script = (
        "import sys, time; began = time.monotonic(); from andon.cli.main import main\n"
        "code = main(['status', '-C', sys.argv[1], '--json'])\n"
        "heavy = {'agents', 'openai', 'mcp', 'pydantic', 'rich', 'asyncio', 'dbos', 'sqlalchemy', 'psycopg'}\n"
        "print(code, sorted(heavy & set(sys.modules)), time.monotonic() - began, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], capture_output=True, text=True, check=True)
    code, heavy, seconds = done.stderr.split()
    found = json.loads(done.stdout)
    assert (code, heavy) == ("0", "[]")
    assert sum(found["runs"].values()) == 10_001
    assert 50 <= len(found["tasks"]) <= 151
    shown = {one["task_id"] for one in (*found["tasks"], *found["queue"])}
    assert found["more_tasks"] + len(shown) == 5_002
    # A sixth of it on an idle machine.
    assert float(seconds) < 3

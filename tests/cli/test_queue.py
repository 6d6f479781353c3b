"""`andon queue` as a process: what waits and why, and the lanes."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, make_repository
from queue_kit import add, beat, end, new, park, silent, taken

from andon.line.db import approvals, lanes, providers, runs
from andon.line.db.database import Database, database_url, exists
from andon.line.db.rows import NewRun
from andon.line.identity import identity_of
from andon.line.steps import Answer
from andon.records.stops import StopCode
from andon.sandbox.repository import Repository

NOBODY = "nothing works on the queue: start 'andon serve' or use 'andon run'"


def andon(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))}
    command = [sys.executable, "-m", "andon", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120
    )


def shown(cwd: Path, *words: str) -> list[str]:
    done = andon(cwd, "queue", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def document(cwd: Path, *words: str) -> dict[str, Any]:
    found = json.loads("\n".join(shown(cwd, *words, "--json")))
    assert isinstance(found, dict)
    return found


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


@pytest.fixture
def name(repo: Path) -> str:
    return identity_of(Repository.open(repo))


@pytest.fixture
def db(repo: Path) -> Iterator[Database]:
    database = Database.open(database_url({}, repo))
    yield database
    database.close()


def test_where_nothing_was_ever_queued_it_shows_the_queue_file_and_makes_no_database(repo: Path, name: str) -> None:
    assert shown(repo) == [
        f"nothing is queued in {name}",
        "in queue.json, not queued (andon add TASK-ID): 1",
        "  task-001  Add subtraction",
    ]
    assert document(repo) == {
        "schema_version": 1,
        "repository": name,
        "counts": {"queued": 0, "running": 0, "parked": 0},
        "pending": [{"task_id": "task-001", "title": "Add subtraction"}],
        "queued": [],
        "running": [],
        "parked": [],
        "lanes": [],
        "providers": [],
        "workers": [],
        "unreadable": [],
        "problems": [],
    }
    assert not exists(database_url({}, repo))


def test_every_run_that_waits_says_why_in_the_order_in_which_they_begin(repo: Path, db: Database, name: str) -> None:
    def here(run_id: str, **more: Any) -> NewRun:
        return new(run_id, repository=name, **more)

    add(db, here("busy", branch="factory/x", priority=0), here("asks", task="t-1", priority=1))
    beat(db, "worker")
    taken(db, "worker")
    park(db, taken(db, "worker").run)
    add(
        db,
        here("next", branch="factory/y", priority=1),
        here("after-next", branch="factory/y", priority=2),
        here("branch", branch="factory/x", priority=3),
        here("task", task="t-1", branch="factory/z", priority=4),
        here("paused", lane="nightly", priority=5),
        here("resting", provider="sick.example", priority=6),
        here("full", provider_limit=1, priority=7),
        here("later", priority=8),
        new("elsewhere", priority=0),
    )
    with db.transaction() as transaction:
        transaction.execute("UPDATE runs SET not_before = 4000000000, message = 'HTTP 529' WHERE id = 'later'")
    lanes.pause(db, name, "nightly", reason="release day", by="ada")
    until = providers.failed(db, "sick.example", "HTTP 503")
    beat(db, "worker")
    found = document(repo)
    why = [(one["run_id"], one["why"], one["detail"]) for one in found["queued"]]
    rest = found["providers"][0]["until"]
    assert why == [
        ("next", "its-turn", "begins when a worker has a free slot"),
        ("after-next", "branch-busy", "branch factory/y is taken first by run next, which is queued"),
        ("branch", "branch-busy", "branch factory/x is held by run busy, which runs"),
        ("task", "branch-busy", "task t-1 is worked on by run asks, which waits for a person"),
        ("paused", "lane-paused", "lane nightly is paused: release day"),
        ("resting", "provider-resting", f"sick.example rests until {rest}: HTTP 503"),
        ("full", "provider-full", "models.example is asked by as many runs as it may be: 1 ([limits] provider_runs)"),
        ("later", "not-before", "not before 2096-10-02T07:06:40Z (HTTP 529)"),
    ]
    assert found["counts"] == {"queued": 8, "running": 1, "parked": 1}
    assert found["providers"] == [{"name": "sick.example", "failures": 1, "until": rest, "reason": until.reason}]


def test_what_runs_and_what_is_asked_and_who_works(repo: Path, db: Database, name: str) -> None:
    add(db, *[new(run_id, repository=name, task=f"t-{run_id}") for run_id in ("1", "2", "3")])
    beat(db, "worker")
    beat(db, "dead")
    park(db, taken(db, "worker").run, expires=4000000000)
    taken(db, "worker")
    taken(db, "dead")
    silent(db, "dead", 13)
    beat(db, "worker")
    found = document(repo)
    asked = approvals.question(db, "1")
    row = {"task_id": "t-1", "title": "Add a page", "lane": "default", "branch": "factory/t-1"}
    assert found["parked"] == [
        row
        | {
            "run_id": "1",
            "question": "May it be done like that?",
            "approval": asked.id,
            "expires_at": "2096-10-02T07:06:40Z",
            "answered": False,
        }
    ]
    assert [(one["run_id"], one["worker"], one["alive"], one["attempt"]) for one in found["running"]] == [
        ("2", "worker", True, 1),
        ("3", "dead", False, 1),
    ]
    [worker] = found["workers"]
    assert worker == {"id": "worker", "host": "here", "pid": 1, "kind": "serve", "slots": 9, "since": worker["since"]}
    lines = shown(repo)
    assert f"    next: andon approve {asked.id}, until 2096-10-02T07:06:40Z" in lines
    assert "    its worker is gone; another one takes it over" in lines
    approvals.answer(db, asked.id, Answer("yes"), by="ada", channel="terminal", digest=asked.digest)
    [parked] = document(repo)["parked"]
    assert (parked["answered"], parked["approval"]) == (True, None)


def spoilt(db: Database, run_id: str, column: str, text: str) -> None:
    """Let a document of the run be one that this andon cannot read."""
    with db.transaction() as transaction:
        transaction.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (text, run_id))  # noqa: S608


NEWER = '{"schema_version": 99}'


def test_runs_that_cannot_be_read_are_named_and_hide_no_others(repo: Path, db: Database, name: str) -> None:
    runs_of = {"parks": "parked", "asks": "parked", "runs": "running", "first": "queued", "cut": "queued"}
    for number, run_id in enumerate([*runs_of, "own"]):
        add(db, new(run_id, repository=name, priority=number))
        beat(db, "worker")
        if runs_of.get(run_id) in ("parked", "running"):
            run = taken(db, "worker").run
            if runs_of[run_id] == "parked":
                park(db, run)
    for run_id, text in (("parks", NEWER), ("runs", NEWER), ("first", NEWER), ("cut", '{"started": 1')):
        spoilt(db, run_id, "options", text)
    with db.transaction() as transaction:
        transaction.execute("UPDATE approvals SET question = '{}'")
    found = document(repo)
    assert [one["run_id"] for one in found["queued"]] == ["own"]
    assert (found["running"], found["parked"]) == ([], [])
    assert found["counts"] == {"queued": 3, "running": 1, "parked": 2}
    assert {one["run_id"]: one["status"] for one in found["unreadable"]} == runs_of
    [cut] = [one for one in found["unreadable"] if one["run_id"] == "cut"]
    assert cut == {
        "run_id": "cut", "task_id": "task-cut", "title": "Add a page", "lane": "default", "branch": "factory/task-cut",
        "status": "queued", "problem": cut["problem"],
    }  # fmt: skip
    assert cut["problem"].startswith("run cut was written by another version of andon (")
    lines = shown(repo)
    at = lines.index("not understood, and left alone: 5")
    assert "  cut  task-cut  Add a page  [queued]" in lines[at:]
    assert f"    {cut['problem']}" in lines[at:]
    assert "  own  task-own  Add a page  [lane default, priority 5]" in lines[:at]


def test_with_nobody_to_work_on_it_it_says_what_to_start(repo: Path, db: Database, name: str) -> None:
    add(db, new("run", repository=name, task="task-001"))
    assert shown(repo) == [
        "queued: 1",
        "  run  task-001  Add a page  [lane default, priority 100]",
        "    nothing works on the queue: start `andon serve`",
        NOBODY,
    ]
    assert document(repo)["queued"][0]["why"] == "no-worker"


def test_a_long_queue_is_cut_and_counted(repo: Path, db: Database, name: str) -> None:
    add(db, *[new(f"r-{number:02}", repository=name) for number in range(25)])
    assert "  and 5 more; --json lists them" in shown(repo)
    assert len(document(repo)["queued"]) == 25


def test_a_halted_lane_shows_reason_and_lesson_until_a_person_opens_it(repo: Path, db: Database, name: str) -> None:
    for run_id in ("r-1", "r-2", "r-3"):
        add(db, new(run_id, repository=name, task=f"t-{run_id}"))
        beat(db, "worker")
        halted = lanes.note_end(db, end(db, taken(db, "worker").run, StopCode.STUCK), 3)
    assert halted is not None
    add(db, new("waits", repository=name))
    [waits] = document(repo)["queued"]
    assert (waits["why"], waits["detail"]) == ("lane-halted", f"lane default is halted: {halted.reason}")
    lines = shown(repo)
    assert any("default is halted since " in line and halted.reason in line for line in lines)
    assert {f"    {line}" for line in halted.lesson.splitlines() if line} <= set(lines)
    assert "    next: andon queue resume default" in lines
    found = document(repo, "resume")
    assert (found["lane"]["state"], found["before"], found["lesson"]) == ("open", "halted", halted.lesson)
    beat(db, "worker")
    assert document(repo)["queued"][0]["why"] == "its-turn"


def test_a_lane_is_paused_and_opened_by_name(repo: Path, db: Database, name: str) -> None:
    found = document(repo, "pause", "nightly", "--reason", "release day")
    paused = lanes.lane(db, name, "nightly")
    assert (paused.state, paused.reason) == ("paused", "release day")
    assert (found["before"], found["lane"]["state"], found["lane"]["by"]) == ("open", "paused", paused.by)
    assert shown(repo, "resume", "nightly") == ["lane nightly is open again; it was paused: release day"]
    assert lanes.closed_lanes(db, name) == []
    assert shown(repo, "pause") == [
        "lane default is paused: what is queued in it begins after `andon queue resume default`"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resume"], "lane default is open, there is nothing to resume"),
        (["resume", "a b"], "cannot be the name of a lane"),
        (["resume", "--reason", "x"], "--reason goes with pause"),
        (["--reason", "x"], "--reason goes with pause"),
    ],
)
def test_refuses_what_would_change_nothing(repo: Path, db: Database, words: list[str], said: str) -> None:
    assert said in refusal(andon(repo, "queue", *words))


def test_a_title_cannot_move_the_cursor(repo: Path, db: Database, name: str) -> None:
    wanted = new("run", repository=name)
    task = wanted.task.model_copy(update={"title": "a\x1b[2Jb\nqueued: 9"})
    runs.add(db, dataclasses.replace(wanted, task=task))
    lines = shown(repo)
    assert "\x1b" not in "".join(lines)
    assert "queued: 9" not in lines


def test_ten_thousand_queued_runs_are_shown(repo: Path, db: Database, name: str) -> None:
    [pattern] = add(db, new("r", repository=name))
    with db.transaction() as transaction:
        for number in range(10_000):
            runs.insert(transaction, dataclasses.replace(pattern, id=f"r-{number:05}", queued_at=1e9 + number))
    found = document(repo)
    assert (found["counts"]["queued"], len(found["queued"])) == (10_001, 1000)
    assert found["queued"][0]["run_id"] == "r-00000"


def test_loads_neither_an_agent_sdk_nor_the_engine(repo: Path, db: Database) -> None:
    code = (
        "import sys\nfrom andon.cli.main import main\nmain(['queue'])\n"
        "print('loaded:', sorted({'agents', 'openai', 'mcp', 'docker', 'dbos', 'psycopg'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"

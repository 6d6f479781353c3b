"""`andon add` as a process: what is queued, what is not, and what is said about it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, git, make_repository
from queue_kit import beat

from andon.line.db import lanes, runs
from andon.line.db.database import Database, database_url, exists
from andon.line.identity import identity_of
from andon.sandbox.repository import Repository

QUEUE = """[
  {"id": "task-001", "title": "Add subtraction", "status": "pending", "acceptanceCriteria": ["sub(3, 1) is 2"]},
  {"id": "task-002", "title": "Add division", "status": "delivered", "acceptanceCriteria": ["div(4, 2) is 2"]},
  {"id": "task-003", "title": "Add powers", "status": "pending", "acceptanceCriteria": ["power(2, 3) is 8"]}
]
"""
NOBODY = "nothing works on the queue: start 'andon serve' or use 'andon run'"


def andon(cwd: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))} | environment
    command = [sys.executable, "-m", "andon", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120
    )


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("andon: ").rstrip()


def opened(repo: Path) -> Database:
    return Database.open(database_url({}, repo))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES | {"factory/tasks/queue.json": QUEUE})


def test_a_sentence_is_queued_with_all_that_was_said_and_needs_no_key(repo: Path) -> None:
    done = andon(
        repo, "add", "Add a page", "--accept", "It answers 200", "--constraint", "No new file", "--context", "calc.py",
        "--lock", "auth/", "--priority", "5", "--lane", "nightly", "--model", "chat/m", "--reviewer-model", "r",
        "--no-stream", "--sandbox", "bubblewrap",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    db = opened(repo)
    [run] = runs.listed(db, repository=None)
    assert (run.status, run.priority, run.lane, run.source_key) == ("queued", 5, "nightly", None)
    task, options = run.task, run.options
    assert (task.title, task.acceptance_criteria, task.constraints) == (
        "Add a page",
        ["It answers 200"],
        ["No new file"],
    )
    assert (task.context_paths, task.locked_paths, task.source) == (["calc.py"], ["auth/"], "")
    assert (options.model, options.planner, options.reviewer, options.stream) == ("chat/m", None, "r", False)
    assert (options.sandbox, options.queued) == ("bubblewrap", False)
    assert done.stdout.splitlines() == [
        f"queued {run.task_id} as {run.id}, lane nightly, priority 5: Add a page",
        *(f"  warning: {text}" for text in options.warnings),
        NOBODY,
    ]
    assert json.loads((repo / "factory/tasks/queue.json").read_text()) == json.loads(QUEUE)


def test_the_document_says_what_was_added(repo: Path) -> None:
    done = andon(repo, "add", "task-001", "--json")
    [run] = runs.listed(opened(repo), repository=None)
    assert document(done) == {
        "schema_version": 1,
        "repository": identity_of(Repository.open(repo)),
        "runs": [
            {
                "added": True,
                "run_id": run.id,
                "task_id": "task-001",
                "title": "Add subtraction",
                "lane": "default",
                "priority": 100,
                "branch": "factory/task-001-add-subtraction",
                "base_commit": git(repo, "rev-parse", "HEAD"),
                "provider": "api.openai.com",
                "warnings": run.options.warnings,
            }
        ],
        "lanes": [],
        "workers": 0,
        "exit_code": 0,
    }
    assert NOBODY in done.stderr


def test_adding_a_task_or_a_source_again_adds_nothing_and_is_no_failure(repo: Path) -> None:
    for words in (["task-001"], ["Mend the crash", "--source", "https://forge.example/o/r/issues/7"]):
        [first] = document(andon(repo, "add", *words, "--json"))["runs"]
        [again] = document(andon(repo, "add", *words, "--json"))["runs"]
        assert again == first | {"added": False}
        said = andon(repo, "add", *words)
        assert (said.returncode, said.stdout.splitlines()[0]) == (
            0,
            f"already queued as {first['run_id']} (queued): {first['title']}",
        )
    assert len(runs.listed(opened(repo), repository=None)) == 2


def test_what_a_source_asked_for_is_an_outsiders_text(repo: Path) -> None:
    document(andon(repo, "add", "Mend the crash", "--source", "https://forge.example/o/r/issues/7", "--json"))
    [run] = runs.listed(opened(repo), repository=None)
    assert (run.task.source, run.source_key) == ("https://forge.example/o/r/issues/7",) * 2


def test_all_adds_every_pending_task_in_its_order_once(repo: Path) -> None:
    document(andon(repo, "add", "task-003", "--json"))
    found = document(andon(repo, "add", "--all", "--json"))["runs"]
    assert [(one["task_id"], one["added"]) for one in found] == [("task-001", True), ("task-003", False)]


def test_a_mistake_in_one_of_them_queues_none(repo: Path) -> None:
    git(repo, "branch", "factory/task-003-add-powers")
    assert "git branch -D factory/task-003-add-powers" in refusal(andon(repo, "add", "--all"))
    assert not exists(database_url({}, repo))


def test_a_lane_that_is_halted_takes_it_in_and_says_why_it_waits(repo: Path) -> None:
    db, name = opened(repo), identity_of(Repository.open(repo))
    lanes.pause(db, name, "default", reason="release day", by="ada")
    with db.transaction() as transaction:
        transaction.execute("UPDATE lanes SET state = 'halted'")
    done = andon(repo, "add", "task-001")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-3:] == [
        "lane default is halted: release day",
        "  nothing queued in it begins until somebody runs: andon queue resume default",
        NOBODY,
    ]
    found = document(andon(repo, "add", "task-003", "--json"))
    assert found["lanes"] == [{"name": "default", "state": "halted", "reason": "release day"}]
    assert [run.status for run in runs.listed(db, repository=name)] == ["queued", "queued"]


def test_says_nothing_of_workers_where_one_works(repo: Path) -> None:
    beat(opened(repo), "worker")
    done = andon(repo, "add", "task-001", "--json")
    assert (document(done)["workers"], NOBODY in done.stderr) == (1, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to add"),
        (["--all", "task-001"], "name no task beside it"),
        (["task-999"], "task-001"),
        (["   "], "the intent is empty"),
        (["task-001", "--accept", "x"], "go with a sentence"),
        (["--all", "--source", "x"], "go with a sentence"),
        (["Add a page", "--accept", " "], "--accept is empty"),
        (["Add a page", "--lane", "a b"], "cannot be the name of a lane"),
        (["Add a page", "--sandbox", "none"], "no sandbox tier 'none'"),
        (["Add a page", "--model", "odd/"], "--model: "),
        (["Add a page", "--lock", "!x"], "is no task"),
    ],
)
def test_refuses_and_queues_nothing(repo: Path, words: list[str], said: str) -> None:
    assert said in refusal(andon(repo, "add", *words))
    assert not exists(database_url({}, repo))


def test_refuses_without_a_queue_without_a_pending_task_and_outside_a_repository(repo: Path, tmp_path: Path) -> None:
    queue = repo / "factory/tasks/queue.json"
    queue.write_text(QUEUE.replace("pending", "delivered"))
    assert "no task in factory/tasks/queue.json is pending" in refusal(andon(repo, "add", "--all"))
    queue.unlink()
    assert "there is no factory/tasks/queue.json" in refusal(andon(repo, "add", "--all"))
    assert "is not in a git repository" in refusal(andon(tmp_path, "add", "Add a page"))


def test_refuses_a_database_that_is_none_without_telling_a_password(repo: Path) -> None:
    said = refusal(andon(repo, "add", "task-001", ANDON_DATABASE_URL="postgresql://ada:pw-1234@127.0.0.1:9/x"))
    assert "pw-1234" not in said
    assert "127.0.0.1" in said


def test_loads_neither_an_agent_sdk_nor_the_engine(repo: Path) -> None:
    code = (
        "import sys\nfrom andon.cli.main import main\nmain(['add', 'task-001'])\n"
        "print('loaded:', sorted({'agents', 'openai', 'mcp', 'docker', 'dbos', 'psycopg'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"

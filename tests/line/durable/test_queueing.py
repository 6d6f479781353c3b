"""Tasks become rows; what a run could not begin with ends before the row."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from database_kit import fresh_postgresql
from lane_kit import FILES, git, make_repository

from andon.intake.queue import find, load_queue
from andon.line.db import blobs, runs
from andon.line.db.database import Database
from andon.line.db.lanes import pause
from andon.line.db.runs import AlreadyQueued, Run, RunOptions
from andon.line.durable.queueing import enqueue
from andon.line.identity import host_name, identity_of
from andon.line.job import queue_path
from andon.records.errors import UserError
from andon.records.task import Task
from andon.sandbox.bundles import Packed, unpack
from andon.sandbox.repository import Repository

TASK = Task(id="t-1", title="Add subtraction", acceptance_criteria=["sub(3, 1) is 2"])
OPTIONS = RunOptions(started=7, model="chat/m", sandbox="bubblewrap")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/state/andon.sqlite")
    yield database
    database.close()


def put(
    db: Database, repo: Path, task: Task = TASK, *, options: RunOptions = OPTIONS, source_key: str | None = None,
    lane: str = "default", **environment: str,
) -> Run:  # fmt: skip
    return enqueue(
        db, Repository.open(repo), task, lane=lane, priority=7, source_key=source_key, options=options,
        environment=environment,
    )  # fmt: skip


def test_the_row_holds_all_that_the_run_will_need(db: Database, repo: Path) -> None:
    run = put(db, repo, source_key="mail-1", lane="nightly", OPENAI_BASE_URL="http://Models.Example:8080/v1")
    repository = Repository.open(repo)
    assert run == runs.get(db, run.id)
    assert run == replace(
        run,
        repository=identity_of(repository),
        host=host_name(),
        root=str(repository.root),
        lane="nightly",
        task_id="t-1",
        title="Add subtraction",
        task=TASK,
        source_key="mail-1",
        priority=7,
        branch="factory/t-1-add-subtraction",
        base_commit=git(repo, "rev-parse", "HEAD"),
        base_blob=None,
        provider="models.example:8080",
        options=OPTIONS.model_copy(update={"warnings": run.options.warnings}),
        status="queued",
        phase=0,
    )


@pytest.mark.parametrize(
    ("options", "provider"),
    [
        ({"model": "m"}, "api.openai.com"),
        ({"model": "anthropic/claude-opus-4-8"}, "claude.example:8443"),
        ({"model": "chat/m", "reviewer": "anthropic/claude-opus-4-8"}, "claude.example:8443+api.openai.com"),
    ],
)
def test_the_servers_that_a_run_will_ask_are_named(
    db: Database, repo: Path, options: dict[str, str], provider: str
) -> None:
    run = put(db, repo, options=RunOptions(started=7, **options), ANTHROPIC_BASE_URL="https://k@Claude.example:8443")
    assert run.provider == provider


def test_the_server_is_openai_where_nobody_names_another(db: Database, repo: Path) -> None:
    assert put(db, repo).provider == "api.openai.com"


@pytest.mark.parametrize(
    ("said", "kept"), [("", 3), ("[limits]\nhalt_after = 7\n", 7), ("[limits]\nhalt_after = 0\n", 0)]
)
def test_when_the_lane_halts_is_kept_as_the_repository_says(db: Database, repo: Path, said: str, kept: int) -> None:
    (repo / "factory/andon.toml").write_text(said)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "limits")
    assert put(db, repo).options.halt_after == kept


def test_warnings_of_this_checkout_are_kept(db: Database, repo: Path) -> None:
    (repo / "calc.py").write_text("x = 1\n")
    options = OPTIONS.model_copy(update={"warnings": ["told before"]})
    warnings = put(db, repo, TASK.model_copy(update={"acceptance_criteria": []}), options=options).options.warnings
    assert warnings[0] == "told before"
    assert "the task names no acceptance criteria; the planner proposes them" in warnings
    assert any("the working tree has uncommitted changes (calc.py)" in one for one in warnings)


def test_the_same_source_again_names_the_run_that_is_there_until_it_has_ended(db: Database, repo: Path) -> None:
    first = put(db, repo, source_key="mail-1")
    again = Task(id="t-2", title="The same mail")
    with pytest.raises(AlreadyQueued) as refused:
        put(db, repo, again, source_key="mail-1")
    assert refused.value.run_id == first.id
    with db.transaction() as transaction:
        transaction.execute("UPDATE runs SET status = 'ended'")
    assert put(db, repo, again, source_key="mail-1").id != first.id


def test_a_task_of_the_queue_file_stands_for_itself(db: Database, repo: Path) -> None:
    task = find(load_queue(queue_path(Repository.open(repo))), "task-001")
    options = OPTIONS.model_copy(update={"queued": True})
    first = put(db, repo, task, options=options)
    with pytest.raises(AlreadyQueued) as refused:
        put(db, repo, task, options=options)
    assert (refused.value.run_id, first.source_key) == (first.id, "factory/tasks/queue.json:task-001")


def test_how_many_runs_may_ask_its_server_is_as_the_settings_say(db: Database, repo: Path) -> None:
    assert put(db, repo).provider_limit is None
    commit(repo, "factory/andon.toml", "[limits]\nprovider_runs = 2\n")
    assert put(db, repo, Task(id="t-2", title="Other")).provider_limit == 2


def test_two_requests_in_words_are_two_runs(db: Database, repo: Path) -> None:
    assert put(db, repo).id != put(db, repo, Task(id="t-2", title="Add subtraction")).id


def test_a_closed_lane_takes_work_in(db: Database, repo: Path) -> None:
    pause(db, identity_of(Repository.open(repo)), "default", reason="", by="ada")
    assert put(db, repo).status == "queued"


def commit(repo: Path, name: str, text: str) -> None:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_text(text)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "odd")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("factory/andon.toml", "[limits]\nnone = 1\n", "factory/andon.toml: limits.none"),
        ("factory/policy.toml", "x = 1\n", "factory/policy.toml"),
        ("factory/context/project-context.json", "{", "project-context.json"),
        ("factory/andon.toml", '[models]\ndefault = "odd/"\n', "models.default"),
        ("factory/andon.toml", '[provider]\nbase_url = "http://models.example/v1"\n', "andon trust"),
        ("factory/andon.toml", '[sandbox]\nhosts = ["host.example"]\n', "andon trust"),
    ],
)
def test_refuses_what_no_run_could_begin_with(db: Database, repo: Path, name: str, text: str, said: str) -> None:
    commit(repo, name, text)
    with pytest.raises(UserError, match=said):
        put(db, repo, options=RunOptions(started=7), HOME=str(repo.parent))
    assert runs.listed(db, repository=None) == []


def test_refuses_a_branch_that_is_there_and_a_lane_a_tier_or_an_address_that_is_none(db: Database, repo: Path) -> None:
    git(repo, "branch", "factory/t-1-add-subtraction")
    with pytest.raises(UserError, match="git branch -D factory/t-1-add-subtraction"):
        put(db, repo)
    other = Task(id="t-2", title="Other")
    with pytest.raises(UserError, match="lane"):
        put(db, repo, other, lane="a b")
    with pytest.raises(UserError, match="no sandbox tier 'none'"):
        put(db, repo, other, options=RunOptions(started=7, sandbox="none"))
    with pytest.raises(UserError, match="OPENAI_BASE_URL is no address"):
        put(db, repo, other, OPENAI_BASE_URL="nonsense")
    with pytest.raises(UserError, match="--model: "):
        put(db, repo, other, options=RunOptions(started=7, model="odd/"))
    assert runs.listed(db, repository=None) == []


def test_where_machines_share_the_database_the_base_goes_with_the_run(tmp_path: Path) -> None:
    repo = make_repository(tmp_path / "repo", FILES)
    with fresh_postgresql() as url:
        db = Database.open(url)
        run = put(db, repo)
        assert run.base_blob is not None
        content = blobs.get(db, run.base_blob)
        db.close()
    elsewhere = tmp_path / "elsewhere.git"
    subprocess.run(["git", "init", "-q", "--bare", str(elsewhere)], check=True)
    unpack(elsewhere, Packed.read(content))
    assert git(elsewhere, "show", f"{run.base_commit}:calc.py") == FILES["calc.py"].rstrip()

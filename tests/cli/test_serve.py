"""`andon serve` as a process, with whole runs and a provider on loopback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import database_kit
import pytest
from lane_kit import FILES, git, make_repository
from process_kit import GOOD, provider
from serve_kit import Shop, documents, lines, losing, shop

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    repo = make_repository(tmp_path / "repo", FILES)
    if request.param == "sqlite":
        with shop(repo, tmp_path) as made:
            yield made
        return
    with database_kit.fresh_postgresql() as url, shop(repo, tmp_path, url) as made:
        yield made


def test_a_queued_task_is_worked_off_and_every_turn_is_a_line(place: Shop) -> None:
    with provider(*GOOD) as server:
        assert place.start("add", "task-001", "--no-stream", server=server).end().code == 0
        serve = place.start("serve", "--once", "--json", server=server)
        assert serve.end().code == 0, serve.stderr()
    run = place.row()
    assert run.result is not None and run.result.branch is not None
    assert (run.status, run.stop_code) == ("ended", "delivered")
    assert git(place.repo, "rev-parse", run.result.branch) == run.result.head_commit
    said = documents(serve)
    assert [one["event"] for one in said] == ["serving", "began", "ended", "left"]
    assert {one["schema_version"] for one in said} == {1}
    about = {name: said[2][name] for name in ("run", "task", "title", "phase", "attempt", "stop_code", "exit_code")}
    assert about == {
        "run": run.id, "task": "task-001", "title": "Add subtraction", "phase": 0, "attempt": 1,
        "stop_code": "delivered", "exit_code": 0,
    }  # fmt: skip
    assert serve.left_behind() == []


def test_told_to_leave_it_gives_its_run_to_the_next_worker_which_asks_no_model_twice(place: Shop) -> None:
    with losing(*GOOD, hold_at=3) as server:
        assert place.start("add", "task-001", "--no-stream", server=server).end().code == 0
        first = place.start("serve", server=server)
        first.wait_for(server.asked.is_set)
        first.stop(TERM, INT)
        ended = first.end()
        assert (ended.code, "Traceback" in ended.err) == (0, False)
        run = place.row()
        assert (run.status, run.worker, run.stop_code) == ("queued", None, None)
        assert first.left_behind() == []
        assert place.start("serve", "--once", server=server).end().code == 0
    # Only the answer that nobody had got was asked for once more.
    assert (place.row().stop_code, len(server.exchanges)) == ("delivered", len(GOOD))


def test_killed_it_loses_its_run_to_another_which_goes_on_where_it_was(place: Shop) -> None:
    with losing(*GOOD, hold_at=3) as server:
        assert place.start("add", "task-001", "--no-stream", server=server).end().code == 0
        first = place.start("serve", server=server)
        first.wait_for(server.asked.is_set)
        second = place.start("serve", server=server)
        second.wait_for(lambda: lines(second))
        os.killpg(first.process.pid, KILL)
        first.process.wait()
        run = place.wait_for_row(lambda run: run.status == "ended")
        assert (run.stop_code, run.worker) == ("delivered", lines(second)[0].split("worker ")[1].split(",")[0])
        second.stop(TERM)
        assert second.end().code == 0
    assert len(server.exchanges) == len(GOOD)


def test_it_names_the_database_without_the_password(tmp_path: Path) -> None:
    with database_kit.fresh_postgresql() as url, shop(tmp_path, tmp_path, url) as made:
        serve = made.start("serve", "--once", cwd=tmp_path)
        ended = serve.end()
        assert ended.code == 0, ended.err
        assert str(urlsplit(url).port) in lines(serve)[0]
        assert str(urlsplit(url).password) not in ended.out.decode() + ended.err


def andon(cwd: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {k: v for k, v in os.environ.items() if not k.startswith("ANDON_")} | environment
    command = [sys.executable, "-m", "andon", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_without_a_repository_and_a_database_it_says_what_to_name(tmp_path: Path) -> None:
    done = andon(tmp_path, "serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not in a git repository" in done.stderr


def test_a_database_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    done = andon(tmp_path, "serve", ANDON_DATABASE_URL="postgresql://andon:hidden@127.0.0.1:9/andon")
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert "cannot be reached" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("number", ["0", "-1", "two", "65", "٣"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(tmp_path: Path, number: str) -> None:
    done = andon(tmp_path, "serve", f"--workers={number}")
    assert done.returncode == 2
    assert "is no number from 1 to 64" in done.stderr

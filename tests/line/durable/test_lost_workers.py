"""Workers without a disk in common on one PostgreSQL: killed, stopped and continued, cut off, of another version."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import database_kit
import pytest
from durable_kit import BRANCH, SHORT, Serving, Shop, events_of, shop
from lane_kit import FILES, git

from andon.line.db import workers
from andon.line.db.runs import Run
from andon.line.durable.papers_store import papers_of

pytestmark = pytest.mark.xdist_group("lost-workers")

ASKED = [("planner", 0), ("executor", 0), ("executor", 1), ("executor", 2), ("reviewer", 0)]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Shop]:
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, SHORT, FILES) as one:
        yield one


def queued_elsewhere(made: Shop) -> Run:
    """Queue a run from a machine that no worker here is: they make checkouts of their own of what travelled."""
    run = made.queue()
    with made.db.transaction() as tx:
        tx.execute("UPDATE runs SET host = 'elsewhere', root = '/nowhere'")
    return run


def hold_first(made: Shop, conversation: str, number: int) -> None:
    """Hold back the request when it is made first; who makes it again is answered."""
    wanted = (conversation, number)
    made.server._hold = lambda *asked: asked == wanted and made.server.asked.count(wanted) == 1


def two_workers(made: Shop) -> tuple[Serving, Serving]:
    """Start two workers with nothing in common, once the first has the run and has its model asked."""
    first = made.serve("--state", str(made.folder / "first"))
    made.wait_for(made.server.held.is_set)
    second = made.serve("--state", str(made.folder / "second"))
    made.wait_for(lambda: len(workers.alive(made.db)) == 2)
    return first, second


def assert_taken(made: Shop, run: Run) -> None:
    """Assert that what was delivered can be brought into the repository the run was queued from."""
    row = made.row(run.id)
    assert row.result is not None
    assert (row.stop_code, git(made.repo, "branch", "--list", BRANCH)) == ("delivered", "")
    with made.db.transaction() as tx:
        tx.execute("UPDATE runs SET root = ?", [str(made.repo)])
    taken = made.andon("take", "task-001")
    assert taken.returncode == 0, taken.stderr
    assert git(made.repo, "rev-parse", f"{BRANCH}~1^{{tree}}") == row.result.tree
    assert git(made.repo, "rev-list", "--count", f"main..{BRANCH}") == "2"
    verified = made.andon("log", run.id, "--verify")
    assert verified.stdout.startswith("intact: "), verified.stdout


def test_a_killed_worker_loses_its_run_within_fifteen_seconds_and_nothing_is_asked_twice(made: Shop) -> None:
    run = queued_elsewhere(made)
    hold_first(made, "executor", 2)
    first, second = two_workers(made)
    first.kill()
    took = made.wait_for(lambda: made.row(run.id).worker == second.id)
    assert took < 15
    made.finish(run.id)
    assert made.server.asked == [*ASKED[:4], *ASKED[3:]], "only what was in flight is asked again"
    assert made.row(run.id).worker == second.id
    assert_taken(made, run)


def test_a_worker_that_was_stopped_and_continued_changes_nothing_and_lives_on(made: Shop) -> None:
    run = queued_elsewhere(made)
    hold_first(made, "executor", 1)
    first, second = two_workers(made)
    first.send(signal.SIGSTOP)
    made.finish(run.id)
    row, papers = made.row(run.id), papers_of(made.db, made.row(run.id))
    stored = events_of(made, run.id)
    assert (row.worker, row.stop_code) == (second.id, "delivered")
    first.send(signal.SIGCONT)
    made.server.go.set()
    made.wait_for(lambda: "another worker has it" in first.said)
    assert (made.row(run.id), papers_of(made.db, row), events_of(made, run.id)) == (row, papers, stored)
    assert first.process.poll() is None
    made.wait_for(lambda: first.id in [worker.id for worker in workers.alive(made.db)])
    assert made.server.asked == [*ASKED[:3], *ASKED[2:]]
    assert_taken(made, run)


def test_a_run_outlives_twenty_seconds_without_its_database(made: Shop) -> None:
    run = made.queue()
    hold_first(made, "executor", 1)
    worker = made.serve()
    made.wait_for(made.server.held.is_set)
    with database_kit.down(database_kit.server()):
        # The answer comes while it cannot be kept.
        made.server.go.set()
        until = time.monotonic() + 20
        made.wait_for(lambda: time.monotonic() > until)
        assert worker.process.poll() is None
    made.finish(run.id)
    assert made.row(run.id).stop_code == "delivered"
    assert made.server.asked == ASKED
    assert made.andon("log", run.id, "--verify").returncode == 0


def test_a_run_begun_by_another_version_begins_its_phase_anew_and_says_so(
    made: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made.queue()
    hold_first(made, "executor", 1)
    worker = made.serve()
    made.wait_for(made.server.held.is_set)
    made.wait_for(lambda: "handoff" in [one.kind for one in events_of(made, run.id)])
    worker.kill()
    made.bury()
    monkeypatch.setattr("andon.line.engine.FLOW_VERSION", 2)
    made.work()
    row = made.row(run.id)
    assert row.result is not None
    assert (row.stop_code, made.server.asked) == ("delivered", [*ASKED[:3], *ASKED])
    assert [text for text in row.result.warnings if "begun anew" in text] != []
    told = [(one.kind, "begun anew" in one.line) for one in events_of(made, run.id)]
    assert told.count(("warning", True)) == 1
    assert [kind for kind, _ in told].count("review.given") == 1
    assert [kind for kind, _ in told].count("handoff") == 3, "to the executor twice, to the reviewer once"
    assert made.andon("log", run.id, "--verify").returncode == 0


@pytest.mark.parametrize(("kind", "largest"), [("sqlite", 500_000), ("postgresql", 9_000)])
def test_a_run_whose_disk_was_full_goes_on_once_there_is_room(tmp_path: Path, kind: str, largest: int) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(database_kit.fresh_postgresql()) if kind == "postgresql" else ""
        made = stack.enter_context(shop(tmp_path, url, SHORT, FILES))
        run = made.queue()
        # No file can grow beyond this: of the tables and the journal, or where the tables are elsewhere of the papers.
        worker = made.serve("--once", wrapper=["prlimit", f"--fsize={largest}"])
        worker.end()
        row, asked = made.row(run.id), len(made.server.asked)
        assert 0 < asked < len(ASKED), worker.said
        assert (row.status, row.stop_code) == ("ended", "disk-failed"), worker.said
        assert "Traceback" not in worker.said
        went = made.andon("resume", run.id, "--json")
        assert (went.returncode, json.loads(went.stdout)["stop_code"]) == (0, "delivered"), went.stderr
        assert len(set(made.server.bodies)) == len(ASKED)
        assert len(made.server.bodies) <= len(ASKED) + 1
        verified = made.andon("log", run.id, "--verify")
        assert verified.stdout.startswith("intact: "), verified.stdout

"""Runs that another worker takes over: what this machine lacks, or what fails here for a moment, ends none of them."""

from pathlib import Path
from typing import Any

import database_kit
import pytest
from durable_kit import BRANCH, SHORT, Shop, shop
from lane_kit import FILES, git

from andon.line import engine as engine_module
from andon.line.db import lanes
from andon.line.db.again import again
from andon.line.db.database import DatabaseGone
from andon.line.db.runs import Run
from andon.line.durable import phase, table_log
from andon.records.errors import RunError
from andon.records.stops import StopCode

pytestmark = pytest.mark.xdist_group("taken-over")


def fail(patch: pytest.MonkeyPatch, where: Any, name: str, error: Exception, times: int) -> None:
    real, left = getattr(where, name), [error] * times

    def tried(*args: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return real(*args, **more)

    patch.setattr(where, name, tried)


def test_a_branch_made_on_a_machine_that_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, SHORT, FILES) as made:
        run = made.queue()
        with made.db.transaction() as tx:
            tx.execute("UPDATE runs SET host = 'elsewhere', root = '/nowhere'")
        fail(monkeypatch, phase, "keep_branch", RunError(StopCode.DATABASE_GONE, "as if it died here"), 1)
        made.work(state="first")
        assert made.row(run.id).status == "queued"
        with made.db.transaction() as tx:
            tx.execute("UPDATE runs SET not_before = 0")
        asked = len(made.server.asked)
        made.work(state="second")
        row = made.row(run.id)
        assert (row.stop_code, bool(row.delivery), len(made.server.asked)) == ("delivered", True, asked)


def test_a_database_that_is_away_while_a_phase_begins_puts_the_run_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop(tmp_path, "", SHORT, FILES) as made:
        run = made.queue()
        fail(monkeypatch, table_log, "_all", DatabaseGone("the database cannot be reached"), 2)
        made.work()
        assert made.row(run.id).stop_code != "usage"


def test_a_key_that_is_missing_stops_the_line_and_the_runs_can_go_on(tmp_path: Path) -> None:
    with shop(tmp_path, "", SHORT, FILES) as made:
        for _ in range(3):
            made.extra.clear()
            run = made.queue()
            made.extra["OPENAI_API_KEY"] = ""
            made.work()
        row = made.row(run.id)
        assert (row.status, row.stop_code) == ("ended", "usage")
        assert lanes.lane(made.db, row.repository, row.lane).state == "halted"
        assert again(made.db, run.id).status == "queued"


def delivered_and_forgotten(made: Shop, patch: pytest.MonkeyPatch) -> Run:
    """Let a run make its branch and be lost before it ends, for an andon whose phases go another way."""
    run = made.queue()
    fail(patch, phase, "conclude", RunError(StopCode.DATABASE_GONE, "as if it died here"), 1)
    made.work()
    assert made.row(run.id).status == "queued"
    with made.db.transaction() as tx:
        tx.execute("UPDATE runs SET not_before = 0")
    patch.setattr(engine_module, "FLOW_VERSION", engine_module.FLOW_VERSION + 1)
    return run


def test_a_run_begun_anew_after_its_branch_was_made_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop(tmp_path, "", SHORT, FILES) as made:
        run = delivered_and_forgotten(made, monkeypatch)
        before = git(made.repo, "rev-parse", BRANCH)
        made.work()
        result = made.row(run.id).result
        assert result is not None
        assert (result.stop_code, result.head_commit) == ("delivered", git(made.repo, "rev-parse", BRANCH))
        assert result.head_commit != before, "its papers tell of the second time"
        assert "begun anew" in "".join(result.warnings)
        branches = git(made.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        assert sorted(branches) == sorted(["main", BRANCH])
        assert git(made.repo, "rev-list", "--count", f"main..{BRANCH}") == "2"
        assert made.andon("log", run.id, "--verify").returncode == 0


@pytest.mark.parametrize("what", ["a commit of a person", "checked out"])
def test_a_branch_that_a_person_has_taken_up_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with shop(tmp_path, "", SHORT, FILES) as made:
        run = delivered_and_forgotten(made, monkeypatch)
        git(made.repo, "stash", "--include-untracked", "--quiet", "--", "factory/tasks")
        git(made.repo, "checkout", "--quiet", BRANCH)
        if what != "checked out":
            git(made.repo, "commit", "--quiet", "--allow-empty", "-m", "mine")
            git(made.repo, "checkout", "--quiet", "main")
        before = git(made.repo, "rev-parse", BRANCH)
        made.work()
        row = made.row(run.id)
        assert (row.stop_code, git(made.repo, "rev-parse", BRANCH)) == ("usage", before)
        assert f"the branch '{BRANCH}' exists already" in row.message

"""Runs that another worker takes over: what this machine lacks, or what fails here for a moment, ends none of them."""

from pathlib import Path
from typing import Any

import database_kit
import pytest
from durable_kit import SHORT, shop
from lane_kit import FILES

from andon.line.db import lanes
from andon.line.db.again import again
from andon.line.db.database import DatabaseGone
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

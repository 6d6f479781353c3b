import sqlite3
from pathlib import Path

import pytest
from database_kit import db, down, new_run, postgresql_url, server, url  # noqa: F401 - fixtures
from doctor_kit import Find
from lane_kit import FILES, make_repository

from andon.line.db import lanes, providers, runs, workers
from andon.line.db.database import Database
from andon.line.identity import identity_of
from andon.sandbox.repository import Repository

_HEALTHY = {
    "database.reach": "ok", "database.write": "ok", "database.clock": "ok", "engine.write": "ok",
    "queue.workers": "ok", "queue.lanes": "ok", "queue.providers": "ok",
}  # fmt: skip
_IDS = ("database", "engine.write", "queue")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def everything_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_where_nothing_was_ever_queued_nothing_is_left_behind(repo: Path, find: Find) -> None:
    before = everything_in(repo)
    found = await find(repo, *_IDS)
    assert {id: one.severity for id, one in found.items()} == _HEALTHY
    assert "temporary folder" in found["database.reach"].found
    assert everything_in(repo) == before


async def test_a_database_that_is_there_is_written_and_has_no_row_more(
    repo: Path,
    find: Find,
    db: Database,  # noqa: F811
) -> None:
    found = await find(repo, *_IDS, ANDON_DATABASE_URL=db.url)
    assert {id: one.severity for id, one in found.items()} == _HEALTHY
    assert found["database.reach"].found.startswith(db.dialect)
    assert db.read("SELECT * FROM providers") == []


async def test_the_engine_loads_in_a_process_of_its_own(tmp_path: Path, find: Find) -> None:
    found = (await find(tmp_path, "engine.load"))["engine.load"]
    assert (found.severity, found.found.startswith("dbos 3.")) == ("ok", True)


async def test_runs_that_wait_for_nobody_are_a_warning(repo: Path, find: Find, db: Database) -> None:  # noqa: F811
    runs.add(db, new_run())
    found = (await find(repo, "queue.workers", ANDON_DATABASE_URL=db.url))["queue.workers"]
    assert (found.severity, found.remedy) == ("warning", "andon serve")

    workers.beat(db, workers.Worker("here:1:x", "here", 1, "serve", 2, "0"))
    found = (await find(repo, "queue.workers", ANDON_DATABASE_URL=db.url))["queue.workers"]
    assert (found.severity, found.found) == ("ok", "1 alive: here:1:x (serve, 2 at once)")


async def test_a_closed_lane_and_a_resting_server_are_warnings(repo: Path, find: Find, db: Database) -> None:  # noqa: F811
    lanes.pause(db, identity_of(Repository.open(repo)), "default", reason="moving house", by="me")
    providers.failed(db, "models.example.org", "HTTP 503")
    found = await find(repo, "queue.lanes", "queue.providers", ANDON_DATABASE_URL=db.url)
    assert (found["queue.lanes"].severity, found["queue.lanes"].remedy) == ("warning", "andon queue resume default")
    assert "moving house" in found["queue.lanes"].found
    assert (found["queue.providers"].severity, "HTTP 503" in found["queue.providers"].found) == ("warning", True)


async def test_a_database_that_is_down_is_an_error_without_its_password(
    repo: Path,
    find: Find,
    postgresql_url: str,  # noqa: F811
) -> None:
    with down(server()):
        found = await find(repo, "database.reach", ANDON_DATABASE_URL=postgresql_url)
    assert found["database.reach"].severity == "error"
    assert server().password not in found["database.reach"].model_dump_json()


async def test_a_file_that_is_no_database_is_an_error(repo: Path, find: Find) -> None:
    (repo / "factory" / ".state").mkdir()
    (repo / "factory" / ".state" / "andon.sqlite").write_text("no database, but long enough to be looked at" * 100)
    assert (await find(repo, "database.reach"))["database.reach"].severity == "error"


async def test_a_database_nobody_knows_is_an_error(repo: Path, find: Find) -> None:
    found = await find(repo, "database.reach", ANDON_DATABASE_URL="mysql://me@there/x")
    assert (found["database.reach"].severity, "mysql" in found["database.reach"].found) == ("error", True)


async def test_tables_of_the_engine_that_another_process_holds_are_an_error(repo: Path, find: Find) -> None:
    (repo / "factory" / ".state").mkdir()
    holder = sqlite3.connect(repo / "factory" / ".state" / "engine.sqlite")
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    found = (await find(repo, "engine.write"))["engine.write"]
    holder.rollback()
    assert (found.severity, "locked" in found.found) == ("error", True)
    assert (await find(repo, "engine.write"))["engine.write"].severity == "ok"
    holder.close()


async def test_outside_a_repository_the_tables_are_skipped(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "database", "queue")
    assert {one.severity for one in found.values()} == {"skipped"}

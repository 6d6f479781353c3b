"""The database of several machines: what is told when it refuses or goes away, and that it is found again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from database_kit import down, new_run, server

from andon.line.db import runs
from andon.line.db.database import Database, DatabaseGone
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode


@pytest.fixture
def db(postgresql_url: str) -> Iterator[Database]:
    """An open database on PostgreSQL alone."""
    database = Database.open(postgresql_url)
    yield database
    database.close()


def _refused(url: str) -> UserError:
    with pytest.raises(UserError) as raised:
        Database.open(url)
    return raised.value


def _end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_tells_a_wrong_password_without_repeating_it(postgresql_url: str) -> None:
    error = _refused(postgresql_url.replace(server().password, "guessed-it"))
    assert not isinstance(error, DatabaseGone)
    assert "correct the password in ANDON_DATABASE_URL" in str(error)
    assert "guessed-it" not in str(error)


def test_tells_a_database_that_is_not_there() -> None:
    error = _refused(server().url("nowhere"))
    assert not isinstance(error, DatabaseGone)
    assert "has no database 'nowhere': make it there (`createdb nowhere`)" in str(error)
    assert server().password not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hidden@127.0.0.1/db?unknown=1",
        "postgresql://u:hid den@h/db",
        "postgresql://u:hidden@[::1/db",
        "postgresql://u@h/db?password=hidden&sslmode",
    ],
)
def test_tells_an_address_that_is_none_without_its_password(url: str) -> None:
    error = _refused(url)
    assert "write postgresql://USER:PASSWORD@HOST:PORT/NAME" in str(error)
    assert "hidden" not in str(error) and "hid den" not in str(error)


def test_nobody_at_the_address_is_a_database_that_is_gone() -> None:
    with pytest.raises(
        DatabaseGone, match=r"postgresql://u@127.0.0.1:1/db cannot be reached .* see that the server runs"
    ):
        Database.open("postgresql://u:hidden@127.0.0.1:1/db")


def test_names_the_right_it_needs_to_make_its_tables(postgresql_url: str) -> None:
    user = f"{postgresql_url.rpartition('/')[2]}_guest"
    server().run(f"CREATE ROLE {user} LOGIN PASSWORD 'guest'")
    try:
        error = _refused(postgresql_url.replace(f"andon:{server().password}@", f"{user}:guest@"))
        assert "GRANT CREATE ON DATABASE" in str(error)
    finally:
        server().run(f"DROP ROLE {user}")


def test_a_user_without_that_right_works_where_the_tables_are_made(postgresql_url: str) -> None:
    user = f"{postgresql_url.rpartition('/')[2]}_guest"
    Database.open(postgresql_url).close()
    server().run(f"CREATE ROLE {user} LOGIN PASSWORD 'guest'")
    try:
        with psycopg.connect(postgresql_url, autocommit=True) as owner:
            owner.execute(f"GRANT USAGE ON SCHEMA andon TO {user}".encode())
            owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA andon TO {user}".encode())
        guest = Database.open(postgresql_url.replace(f"andon:{server().password}@", f"{user}:guest@"))
        assert runs.get(guest, runs.add(guest, new_run()).id).status == "queued"
        guest.close()
    finally:
        with psycopg.connect(postgresql_url, autocommit=True) as owner:
            owner.execute(f"DROP OWNED BY {user}".encode())
        server().run(f"DROP ROLE {user}")


def test_tells_a_server_that_is_read_only(postgresql_url: str) -> None:
    error = _refused(f"{postgresql_url}?options=-c%20default_transaction_read_only%3Don")
    assert "is read only: name the primary server" in str(error)


def test_the_tables_lie_in_a_schema_of_their_own(db: Database) -> None:
    rows = db.read("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('runs', 'approvals', 'blobs')")
    assert rows == [{"schemaname": "andon"}]


def test_a_connection_that_was_ended_while_idle_is_not_noticed(db: Database) -> None:
    row = runs.add(db, new_run())
    _end_connections(db.url)
    assert runs.get(db, "run-1") == row
    _end_connections(db.url)
    runs.add(db, new_run("run-2"))
    assert runs.count_by_status(db, None) == {"queued": 2}


def test_a_connection_lost_in_a_transaction_is_told_and_writes_nothing(db: Database) -> None:
    row = runs.add(db, new_run())

    def lose_it_halfway() -> None:
        with db.transaction() as tx:
            tx.execute("UPDATE runs SET message = 'half'")
            _end_connections(db.url)
            tx.execute("UPDATE runs SET message = 'done'")

    with pytest.raises(DatabaseGone, match="was lost") as raised:
        lose_it_halfway()
    assert server().password not in str(raised.value)
    assert runs.get(db, "run-1") == row


def test_an_outage_is_told_at_once_and_over_when_the_server_is_back(db: Database) -> None:
    row = runs.add(db, new_run())
    with down(server()):
        for _ in range(2):
            with pytest.raises(DatabaseGone):
                runs.get(db, "run-1")
            with pytest.raises(DatabaseGone), db.transaction():
                pytest.fail("nothing can be written")
    assert runs.get(db, "run-1") == row


def test_a_statement_that_waits_too_long_is_told(db: Database) -> None:
    db.read("SET statement_timeout = 50")
    with pytest.raises(DatabaseGone, match="did not answer within"):
        db.read("SELECT pg_sleep(20)")
    assert db.read("SELECT 1 AS one") == [{"one": 1}]


def test_a_process_stopped_in_a_transaction_does_not_keep_its_rows(db: Database) -> None:
    """Its rows are free within the idle limit, and what it goes on to write is refused."""
    runs.add(db, new_run())
    code = (
        "import sys\n"
        "from andon.line.db.database import Database, DatabaseGone\n"
        "db = Database.open(sys.argv[1])\n"
        "try:\n"
        "    with db.transaction() as tx:\n"
        "        tx.execute(\"UPDATE runs SET message = 'zombie'\")\n"
        "        print('inside', flush=True)\n"
        "        sys.stdin.readline()\n"
        "        tx.execute(\"UPDATE runs SET message = 'zombie again'\")\n"
        "except DatabaseGone: print('gone')\n"
    )
    zombie = subprocess.Popen(
        [sys.executable, "-c", code, db.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert zombie.stdout is not None and zombie.stdout.readline() == "inside\n"
    os.kill(zombie.pid, signal.SIGSTOP)
    try:
        with db.transaction() as tx:
            tx.execute("UPDATE runs SET message = 'taken over'")
    finally:
        os.kill(zombie.pid, signal.SIGCONT)
    assert zombie.communicate("go\n", timeout=30)[0] == "gone\n"
    assert runs.get(db, "run-1").message == "taken over"


def test_a_faulty_statement_is_a_fault_of_ours(db: Database) -> None:
    with pytest.raises(RunError) as raised:
        db.read("SELECT nothing FROM nowhere")
    assert raised.value.code is StopCode.INTERNAL

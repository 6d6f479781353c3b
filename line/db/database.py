"""The database behind runs, questions, workers and events: SQLite on one machine, or PostgreSQL.

SQL is written once, with `?` for parameters and without what only one of the two understands. No literal holds a `?`.
Transactions are short: on SQLite one of them holds the only right to write.
"""

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from andon.line.db.connection import Conflict, Connection, DatabaseGone, Driver, Params, Row, storable
from andon.line.db.migrations import migrate
from andon.line.db.sqlite_driver import SQLITE, SqliteDriver
from andon.line.db.state_folder import refuse_committed
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

__all__ = ["Conflict", "Database", "DatabaseGone", "Row", "Transaction", "database_url", "engine_url", "exists"]

VARIABLE = "ANDON_DATABASE_URL"
"""Names the database."""
FILE = "factory/.state/andon.sqlite"
"""Where it lies without that, relative to the repository."""
_POSTGRESQL = ("postgresql://", "postgres://")


class Transaction:
    """What is written together or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.changed = 0
        """How many rows the last `execute` wrote or removed; for a SELECT, how many it found."""

    def execute(self, sql: str, params: Params = ()) -> list[Row]:
        """Run one statement and return its rows, also those of RETURNING.

        Raises:
            Conflict: a row of that key exists. On PostgreSQL the transaction is lost with it: say `ON CONFLICT` where a
                conflict is expected.
            DatabaseGone: the connection was lost, or another process held the lock for 30 s; nothing is written.
            RunError: `disk-failed`.
        """
        rows, self.changed = self._connection.execute(sql, [storable(one) for one in params])
        return rows


class Database:
    """An open database, migrated to this version. Every thread that uses it has a connection of its own."""

    def __init__(self, url: str, driver: Driver) -> None:
        self.url = url
        """As it was given, password included: never shown."""
        self.dialect: Literal["sqlite", "postgresql"] = driver.dialect
        """Whose SQL it is."""
        self.now = driver.now
        """SQL for the seconds since 1970 by the database's clock, as a float; one value within a statement."""
        self.shown = driver.shown
        """What a person calls it: without password."""
        self._driver = driver
        self._mine = threading.local()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect, and bring the tables to this version; any number of processes may do so at once.

        Raises:
            DatabaseGone: it cannot be reached.
            UserError: it is no database of ours, may not be written, or belongs to a newer andon.
            RunError: `disk-failed`.
        """
        database = cls(url, _driver_of(url))
        try:
            migrate(database._connection(), database.dialect, database.now, database.shown)
        except BaseException:
            database.close()
            raise
        return database

    def read(self, sql: str, params: Params = ()) -> list[Row]:
        """Return the rows of one SELECT. Outside a transaction a connection that was lost is opened again once.

        Raises:
            DatabaseGone: it cannot be reached.
        """
        given = [storable(one) for one in params]
        connection = self._connection()
        try:
            return connection.execute(sql, given)[0]
        except DatabaseGone:
            if connection.in_transaction or not connection.lost:
                raise
        return self._connection().execute(sql, given)[0]

    @contextmanager
    def transaction(self, alone: str = "") -> Iterator[Transaction]:
        """Commit what the block does, or roll it back if it raises.

        With `alone` no other transaction of that name, in any process, is between its begin and its end meanwhile.

        Raises:
            DatabaseGone: the connection was lost. Unless that was in the commit itself nothing is written.
            RunError: `disk-failed`, or `internal` if this thread is inside a transaction already.
        """
        connection = self._connection()
        if connection.in_transaction:
            raise RunError(StopCode.INTERNAL, "A transaction was begun inside another one.")
        try:
            connection.begin(alone)
        except DatabaseGone:
            if not connection.lost:
                raise
            connection = self._connection()
            connection.begin(alone)
        try:
            yield Transaction(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def close(self) -> None:
        """Close every thread's connection. Closing twice is fine."""
        with self._lock:
            self._closed = True
            connections = list(self._all)
            self._all.clear()
        for connection in connections:
            connection.close()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._mine, "connection", None)
        if connection is not None and not connection.lost and not self._closed:
            return connection
        with self._lock:
            if self._closed:
                raise RunError(StopCode.INTERNAL, "The database was used after it was closed.")
        connection = self._driver.connect()
        with self._lock:
            self._all.add(connection)
        self._mine.connection = connection
        return connection


def database_url(environment: Mapping[str, str], root: Path | None) -> str:
    """Return the database of this user for the repository at `root`: ANDON_DATABASE_URL, else a file in factory/.state.

    Raises:
        UserError: the variable names no PostgreSQL or SQLite database, there is neither variable nor repository, or the
            repository has something of its own where the file would be.
    """
    url = environment.get(VARIABLE, "").strip()
    if not url:
        if root is None:
            raise UserError(
                f"there is no database here: change into a repository, or set {VARIABLE}=postgresql://USER@HOST/NAME"
            )
        refuse_committed(root)
        return f"{SQLITE}{root.resolve() / FILE}"
    if url.startswith(SQLITE) and not url.startswith(f"{SQLITE}/"):
        raise UserError(f"{VARIABLE} names a relative file: write {SQLITE}/ABSOLUTE/PATH, with four slashes")
    if not url.startswith((SQLITE, *_POSTGRESQL)):
        scheme = url.partition(":")[0][:20]
        raise UserError(
            f"{VARIABLE} begins with {scheme!r}, which andon does not know: write postgresql://USER@HOST/NAME, "
            "or leave it empty for a file in the repository"
        )
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


def engine_url(url: str) -> str:
    """Return the URL of the engine's own tables: a file beside ours, or the same PostgreSQL database.

    Raises:
        UserError: the folder's name holds a '?', which cannot be written in such a URL.
    """
    if not url.startswith(SQLITE):
        return url
    folder = Path(url.removeprefix(SQLITE)).parent
    if "?" in str(folder):
        raise UserError(f"the path {str(folder)!r} holds a '?', which a database's address cannot: rename that folder")
    return f"{SQLITE}{folder / 'engine.sqlite'}"


def exists(url: str) -> bool:
    """Return False if nothing was ever written there, as far as that shows without opening it; opening makes a file."""
    return not url.startswith(SQLITE) or Path(url.removeprefix(SQLITE)).exists()


def _driver_of(url: str) -> Driver:
    if url.startswith(SQLITE):
        return SqliteDriver(url)
    from andon.line.db.postgresql_driver import PostgresqlDriver

    return PostgresqlDriver(url)

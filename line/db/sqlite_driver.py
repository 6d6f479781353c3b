"""SQLite: one file on a local disk, for any number of processes of one machine.

A network file system would lose its locks and its journal; that cannot be told from here, so `factory/` must lie on a
local disk.
"""

import sqlite3
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from andon.line.db.connection import WAIT_SECONDS, Conflict, DatabaseGone, Params, Row
from andon.line.db.state_folder import make_state_folder
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

SQLITE = "sqlite:///"
"""How the URL of a file begins; an absolute path follows, so that there are four slashes."""
_RETRY_SECONDS = 0.02
_IN_CLOCK = "user-defined function raised exception"
"""What Python's sqlite3 makes of whatever is raised while a statement asks the clock."""


class SqliteDriver:
    """Opens connections to one file, which is made if it is not there."""

    dialect: Literal["sqlite", "postgresql"] = "sqlite"
    # SQLite's own clock counts milliseconds, in which two statements fit.
    now = "unix_now()"

    def __init__(self, url: str) -> None:
        self._path = Path(url.removeprefix(SQLITE))
        self.shown = str(self._path)

    def connect(self) -> "SqliteConnection":
        """Open the file.

        Raises:
            DatabaseGone: it cannot be opened.
            UserError: it is no database, or may not be written.
            RunError: `disk-failed`.
        """
        make_state_folder(self._path.parent)
        try:
            raw = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _meant(error, self._path) from error
        connection = SqliteConnection(raw, self._path)
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL", ())
        except BaseException:
            connection.close()
            raise
        return connection


class SqliteConnection:
    """One connection. Begins every transaction with the right to write, so that none fails halfway for want of it."""

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self._raw = raw
        self._path = path
        raw.row_factory = _row
        self.lost = False
        self._now = 0.0
        # A weak reference: the raw connection must not keep this one alive.
        mine = weakref.ref(self)
        raw.create_function("unix_now", 0, lambda: one._now if (one := mine()) else None, deterministic=True)

    def __del__(self) -> None:
        self.close()

    @property
    def in_transaction(self) -> bool:
        """True between begin and end."""
        return not self.lost and self._raw.in_transaction

    def begin(self, alone: str) -> None:
        """Wait for the right to write; there is one for all, whatever `alone` says."""
        self.execute("BEGIN IMMEDIATE", ())

    def execute(self, sql: str, params: Params) -> tuple[list[Row], int]:
        """Run one statement."""
        self._now = time.time()
        try:
            cursor = self._raw.execute(sql, params)
            rows = cursor.fetchall()
            return rows, len(rows) if cursor.description else max(cursor.rowcount, 0)
        except sqlite3.Error as error:
            if _IN_CLOCK in str(error):
                # It cannot fail by itself: the handler of a signal ran in it.
                raise KeyboardInterrupt from None
            raise _meant(error, self._path) from error

    def commit(self) -> None:
        """Keep what was written."""
        self.execute("COMMIT", ())

    def rollback(self) -> None:
        """Forget what was written."""
        with suppress(sqlite3.Error):
            self._raw.rollback()

    def close(self) -> None:
        """End it."""
        self.lost = True
        with suppress(sqlite3.Error):
            self._raw.close()


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def _use_wal(connection: SqliteConnection) -> None:
    # The switch is refused at once while another process looks, without the wait that everything else is given.
    until = time.monotonic() + WAIT_SECONDS
    while connection.execute("PRAGMA journal_mode", ())[0][0]["journal_mode"] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL", ())
        except DatabaseGone:
            if time.monotonic() > until:
                raise
            time.sleep(_RETRY_SECONDS)


def _meant(error: sqlite3.Error, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseGone(
            f"the database {path} was held by another process for {WAIT_SECONDS} s: look for an andon process that was "
            "stopped (`fuser` names it), end it, and run this again"
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return UserError(
            f"{path} is damaged or no database ({error}): move it away together with its -wal and -shm files; "
            "andon makes a new one"
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return RunError(StopCode.DISK_FAILED, f"{path} cannot be written: {error}.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return UserError(f"{path} may not be written ({error}): make it and its folder writable for this user")
    if code == sqlite3.SQLITE_CANTOPEN:
        return DatabaseGone(f"the database {path} cannot be opened: see that its folder is there and writable")
    return RunError(StopCode.INTERNAL, f"The database {path} refused a statement: {error}")

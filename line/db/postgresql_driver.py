"""PostgreSQL: the database of several machines. Our tables lie in its schema `andon`."""

import hashlib
from contextlib import suppress
from typing import Any, Literal

import psycopg
from psycopg import adapt, conninfo, pq, rows

from andon.line.db.connection import WAIT_SECONDS, Params, Row
from andon.line.db.postgresql_errors import cannot_connect, meant, password_of

# A cut cable is noticed within about 15 s, not after the system's two hours.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "andon",
    "client_encoding": "utf8",
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_IDLE_SECONDS = 10
_SESSION = (
    f"SET search_path TO andon; SET statement_timeout = '{WAIT_SECONDS}s'; "
    # A process that was stopped inside a transaction must not hold its rows from those that take its runs.
    f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'; "
    "SET default_transaction_isolation = 'read committed'"
)


class PostgresqlDriver:
    """Opens connections to one database."""

    dialect: Literal["sqlite", "postgresql"] = "postgresql"
    now = "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS DOUBLE PRECISION)"

    def __init__(self, url: str) -> None:
        """Read the address.

        Raises:
            UserError: it is none.
        """
        try:
            self._given: dict[str, Any] = conninfo.conninfo_to_dict(url)
        except psycopg.Error as error:
            raise cannot_connect(error, "the address in ANDON_DATABASE_URL", password_of(url)) from None
        self.shown = _shown(self._given)

    def connect(self) -> "PostgresqlConnection":
        """Connect within 5 s for each host that the address names.

        Raises:
            DatabaseGone: nobody answers there, or not now.
            UserError: the server refuses the user, the password or the database.
        """
        try:
            raw = psycopg.connect(
                **(_CONNECT | self._given),
                autocommit=True,
                row_factory=rows.dict_row,
                cursor_factory=psycopg.ClientCursor,
            )
        except psycopg.Error as error:
            raise cannot_connect(error, self.shown, self._given.get("password")) from error
        raw.adapters.register_loader("numeric", _Number)
        connection = PostgresqlConnection(raw, self.shown)
        try:
            connection.execute(_SESSION, ())
        except BaseException:
            connection.close()
            raise
        return connection


class PostgresqlConnection:
    """One connection."""

    def __init__(self, raw: "psycopg.Connection[dict[str, Any]]", shown: str) -> None:
        self._raw = raw
        self._shown = shown

    def __del__(self) -> None:
        self.close()

    @property
    def in_transaction(self) -> bool:
        """True between begin and end."""
        return not self.lost and self._raw.info.transaction_status != pq.TransactionStatus.IDLE

    @property
    def lost(self) -> bool:
        """True once the server or the way to it went away."""
        return self._raw.closed

    def begin(self, alone: str) -> None:
        """Begin; with `alone` wait until no other transaction of that name is left."""
        self.execute("BEGIN", ())
        if alone:
            try:
                self.execute("SELECT pg_advisory_xact_lock(?)", [_number_of(alone)])
            except BaseException:
                self.rollback()
                raise

    def execute(self, sql: str, params: Params) -> tuple[list[Row], int]:
        """Run one statement."""
        try:
            cursor = self._raw.execute(sql.replace("%", "%%").replace("?", "%s"), tuple(params))
            if cursor.description is None:
                return [], max(cursor.rowcount, 0)
            found: list[Row] = list(cursor.fetchall())
            return found, len(found)
        except psycopg.Error as error:
            raise meant(error, self._shown, lost=self.lost) from error
        except KeyboardInterrupt:
            # What was asked may be on its way still: nothing else can be asked here.
            self.close()
            raise

    def commit(self) -> None:
        """Keep what was written."""
        self.execute("COMMIT", ())

    def rollback(self) -> None:
        """Forget what was written."""
        with suppress(psycopg.Error):
            if self.in_transaction:
                self._raw.execute("ROLLBACK")

    def close(self) -> None:
        """End it."""
        with suppress(psycopg.Error):
            self._raw.close()


class _Number(adapt.Loader):
    """Sums come back as they do from SQLite: whole ones as integers, others as floats."""

    def load(self, data: adapt.Buffer) -> int | float:
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


def _number_of(name: str) -> int:
    return int.from_bytes(hashlib.sha256(b"andon:" + name.encode()).digest()[:8], "big", signed=True)


def _shown(given: dict[str, Any]) -> str:
    user, host, port = given.get("user"), given.get("host") or given.get("hostaddr") or "", given.get("port")
    place = f"{host}{f':{port}' if port else ''}/{given.get('dbname') or ''}"
    return f"postgresql://{f'{user}@' if user else ''}{place}"

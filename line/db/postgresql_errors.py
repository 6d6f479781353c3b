"""What PostgreSQL's errors mean for a person: what is wrong, where, and the next step; never with a password in it."""

import re

import psycopg
from psycopg import errors

from andon.line.db.connection import WAIT_SECONDS, Conflict, DatabaseGone
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

_PASSWORD = re.compile(r"(?:://[^/?#@]*?:(?P<url>[^/?#]*)@)|(?:[?&]password=(?P<query>[^&#]*))")
# Where a connection fails libpq tells no code; the server's words are English unless it was set up otherwise.
_REFUSED = (
    ("password authentication failed", "correct the password in ANDON_DATABASE_URL"),
    ("no password supplied", "write the password into ANDON_DATABASE_URL or ~/.pgpass"),
    ("no pg_hba.conf entry", "let its pg_hba.conf accept this user from this machine"),
    ("authentication failed", "correct the user in ANDON_DATABASE_URL, or let pg_hba.conf accept it"),
)
_MISSING = re.compile(r'(database|role) "([^"]*)" does not exist')
_CREATE = {"database": "createdb", "role": "createuser"}


def password_of(url: str) -> str | None:
    """Return the password written in an address, if there is one."""
    found = _PASSWORD.search(url)
    return (found["url"] or found["query"]) if found else None


def cannot_connect(error: psycopg.Error, shown: str, password: str | None) -> UserError:
    """Return what to tell where no connection could be made: DatabaseGone where trying again may help."""
    said = _said(error, password)
    if isinstance(error, psycopg.ProgrammingError):
        return UserError(f"{shown} is none: write postgresql://USER:PASSWORD@HOST:PORT/NAME ({said})")
    for words, step in _REFUSED:
        if words in said:
            return UserError(f"the database {shown} refuses this user ({said}): {step}")
    if missing := _MISSING.search(said):
        command = f"{_CREATE[missing[1]]} {missing[2]}"
        return UserError(
            f"the database server of {shown} has no {missing[1]} {missing[2]!r}: make it there (`{command}`), or "
            "correct ANDON_DATABASE_URL"
        )
    return DatabaseGone(
        f"the database {shown} cannot be reached ({said}): see that the server runs and that this machine reaches it"
    )


def meant(error: psycopg.Error, shown: str, *, lost: bool) -> Exception:
    """Return what a failed statement means."""
    said = _said(error, None)
    if isinstance(error, errors.IntegrityError):
        return Conflict(said)
    if lost:
        return DatabaseGone(f"the connection to the database {shown} was lost ({said}): see that the server runs")
    if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable | errors.DeadlockDetected):
        return DatabaseGone(
            f"the database {shown} did not answer within {WAIT_SECONDS} s ({said}): see what keeps it busy, and try "
            "again"
        )
    if isinstance(error, errors.DiskFull):
        return RunError(StopCode.DISK_FAILED, f"The disk of the database server {shown} is full: {said}.")
    if isinstance(error, errors.InsufficientPrivilege):
        return UserError(
            f"the user of {shown} may not do that ({said}): as its owner run "
            "`GRANT CREATE ON DATABASE name TO user` once, or `CREATE SCHEMA andon AUTHORIZATION user`"
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        # A server that takes over is read only for a moment.
        return DatabaseGone(f"the database {shown} is read only: name the primary server in ANDON_DATABASE_URL")
    return RunError(StopCode.INTERNAL, f"The database {shown} refused a statement: {said}")


def _said(error: psycopg.Error, password: str | None) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(password, "***") if password else text

"""Checks of the tables and of the engine's own: reached, migrated, written and rolled back; and who works on them."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from andon.line.db.database import engine_url, exists
from andon.line.db.lanes import closed_lanes
from andon.line.db.providers import resting
from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, sqlite_file
from andon.line.identity import identity_of
from andon.records.errors import RunError, UserError

_SKEW = 5.0
"""Seconds this machine's clock may be apart from the database's."""
_PROBE = "andon doctor"
_IMPORT_LIMIT = 30.0


class _Undo(Exception):
    """Ends a transaction that is not to be kept."""


def _reach(ground: Ground) -> Finding:
    database = ground.database
    rows = database.read("SELECT max(version) AS version FROM schema_version")
    told = f"{database.dialect}, version {rows[0]['version']} of the tables"
    if not exists(ground.url):
        return Finding("ok", f"{told}, made anew in a temporary folder: nothing was queued here yet")
    return Finding("ok", f"{told}: {database.shown}")


def _write(ground: Ground) -> Finding:
    database = ground.database
    with contextlib.suppress(_Undo), database.transaction() as transaction:
        transaction.execute(
            f"INSERT INTO providers (name, failures, blocked_until, reason) VALUES (?, 0, {database.now}, '')",  # noqa: S608 - an expression of ours
            [_PROBE],
        )
        written = transaction.execute("SELECT name FROM providers WHERE name = ?", [_PROBE])
        raise _Undo
    left = database.read("SELECT name FROM providers WHERE name = ?", [_PROBE])
    if [row["name"] for row in written] != [_PROBE] or left:
        return Finding("error", f"a row was written as {written} and is {left} after it was taken back", "report this")
    return Finding("ok", "a row was written, read and taken back")


def _clock(ground: Ground) -> Finding:
    before = time.time()
    there = float(ground.database.read(f"SELECT {ground.database.now} AS now")[0]["now"])
    apart = there - (before + time.time()) / 2
    if abs(apart) > _SKEW:
        told = f"the database's clock is {apart:+.1f} s from this machine's; it decides what is alive and what expires"
        return Finding("warning", told, "set both clocks (timedatectl set-ntp true)")
    return Finding("ok", f"{abs(apart):.1f} s apart")


def _engine_import(ground: Ground) -> Finding:
    code = "import dbos, importlib.metadata as m; print(m.version('dbos'))"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=_IMPORT_LIMIT - 5
        )
    except subprocess.TimeoutExpired:
        return Finding("warning", "loading it took more than 25 s", "try again on a less busy machine")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return Finding("error", f"the durable engine cannot be loaded: {last}", "install andon anew")
    return Finding("ok", f"dbos {done.stdout.strip()} loads in a process of its own")


def _engine_write(ground: Ground) -> Finding:
    url = engine_url(ground.url)
    file = sqlite_file(url)
    if file is None:
        return _engine_schema(ground)
    if not file.exists():
        return Finding("ok", f"{file.name} is made beside the tables by the first run")
    return _locked(file)


def _locked(file: Path) -> Finding:
    remedy = f"make {file} yours and writable, or end the process that holds it"
    if not os.access(file, os.R_OK | os.W_OK):
        return Finding("error", f"{file} may not be written", remedy)
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=5)) as engine:
            engine.execute("BEGIN IMMEDIATE")
            engine.rollback()
    except sqlite3.Error as error:
        return Finding("error", f"{file}: {error}", remedy)
    return Finding("ok", f"{file} can be locked for writing")


def _engine_schema(ground: Ground) -> Finding:
    rows = ground.database.read(
        "SELECT has_database_privilege(current_database(), 'CREATE') AS may, current_user AS me, "
        "(SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'dbos') AS there"
    )
    if rows[0]["there"] or rows[0]["may"]:
        there = "is there" if rows[0]["there"] else "can be made"
        return Finding("ok", f"the schema of the engine {there}")
    return Finding(
        "error", f"{rows[0]['me']} may not make the schema of the engine",
        f"as the owner of the database: GRANT CREATE ON DATABASE … TO {rows[0]['me']}",
    )  # fmt: skip


def _workers(ground: Ground) -> Finding:
    from andon.line.db.workers import alive

    database = ground.database
    there = alive(database)
    waiting = database.read("SELECT count(*) AS waiting FROM runs WHERE status = 'queued'")[0]["waiting"]
    if there:
        named = ", ".join(f"{worker.id} ({worker.kind}, {worker.slots} at once)" for worker in there[:5])
        return Finding("ok", f"{len(there)} alive: {named}")
    if waiting:
        return Finding("warning", f"{waiting} runs wait and nobody works on them", "andon serve")
    return Finding("ok", "none is alive, and no run waits: andon run starts its own")


def _lanes(ground: Ground) -> Finding:
    closed = closed_lanes(ground.database, identity_of(ground.repository))
    if closed:
        told = "; ".join(f"{lane.name} is {lane.state}: {lane.reason}" for lane in closed)
        return Finding("warning", told, f"andon queue resume {closed[0].name}")
    return Finding("ok", "every lane takes work in")


def _providers(ground: Ground) -> Finding:
    tired = resting(ground.database)
    if tired:
        told = "; ".join(f"{one.name} rests after {one.failures} failures: {one.reason}" for one in tired)
        return Finding("warning", told, "wait, or: andon doctor model --call")
    return Finding("ok", "no model server is being left alone after failures")


def _reached(ground: Ground) -> Finding:
    try:
        return _reach(ground)
    except (UserError, RunError) as error:
        return Finding("error", str(error), "start the database, or correct ANDON_DATABASE_URL")


CHECKS = (
    Check("database.reach", "open the tables and bring them to this version", _reached),
    Check("database.write", "write a row, read it, and roll it back", _write),
    Check("database.clock", "compare the database's clock with this machine's", _clock),
    Check("engine.write", "look whether the engine's own tables can be written", _engine_write, beside="database"),
    Check("queue.workers", "look who works on the queue", _workers, beside="database"),
    Check("queue.lanes", "look whether this repository's lanes take work in", _lanes, beside="database"),
    Check("queue.providers", "look which model servers are being left alone", _providers, beside="database"),
    Check("engine.load", "load the durable engine in a process of its own", _engine_import, _IMPORT_LIMIT, "engine"),
)

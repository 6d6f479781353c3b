"""The two databases for tests: a SQLite file, or a database of its own on a PostgreSQL server of this test process.

`url` and `db` run a test on both. Where PostgreSQL is not installed its half is skipped, but never where CI runs.
"""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from andon.line.db.database import Database
from andon.line.db.runs import NewRun, Run, RunOptions, get
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode
from andon.records.task import Task

_SETTINGS = {
    "fsync": "off",  # a server killed keeps what it wrote: that is in the machine's memory
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",  # in the server's folder, so that it goes with it
    "max_wal_size": "128MB",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}
_START_SECONDS = 30


@dataclass
class Server:
    """One PostgreSQL server on a loopback port, with the one user `andon`."""

    programs: Path
    """Where `postgres` lies."""
    folder: Path
    """Of its own; holds everything."""
    port: int
    password: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def url(self, name: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://andon:{self.password}@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str) -> None:
        """Run one statement as its owner."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def start(server: Server) -> None:
    """Start it and wait until it answers; nothing if it runs. It dies with the thread that started it."""
    if server.process is not None:
        return
    options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    folder = str(server.folder)
    command = [str(server.programs / "postgres"), "-D", f"{folder}/data", "-p", str(server.port), "-k", folder]
    with (server.folder / "log").open("ab") as log:
        server.process = subprocess.Popen(
            [*_unprivileged(), "--pdeathsig", "QUIT", *command, *options], stdout=log, stderr=log, cwd=server.folder
        )
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.run("SELECT 1")
            return
        except psycopg.OperationalError:
            if time.monotonic() > until or server.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {(server.folder / 'log').read_text()[-2000:]}") from None
            time.sleep(0.02)


def stop(server: Server) -> None:
    """End it at once, as if its machine lost power; connections are cut. Nothing if it does not run."""
    if server.process is not None:
        server.process.send_signal(signal.SIGQUIT)
        server.process.wait(timeout=_START_SECONDS)
        server.process = None


@contextmanager
def down(server: Server) -> Iterator[None]:
    """Inside the block it does not run."""
    stop(server)
    try:
        yield
    finally:
        start(server)


@cache
def server() -> Server:
    """Return this process's server, started when first asked for and stopped with the process.

    Skips the test where PostgreSQL is not installed; fails it in CI.
    """
    programs = _programs()
    if programs is None:
        why = "PostgreSQL is not installed: sudo scripts/postgresql"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    made = Server(programs, _folder(), _free_port(), secrets.token_hex(8))
    atexit.register(_remove, made)
    (made.folder / "password").write_text(made.password)
    if os.geteuid() == 0:
        shutil.chown(made.folder, _OWNER)
        shutil.chown(made.folder / "password", _OWNER)
    subprocess.run(
        [*_unprivileged(), programs / "initdb", "-D", made.folder / "data", "-U", "andon", "-A", "scram-sha-256",
         "--pwfile", made.folder / "password", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True, capture_output=True, cwd=made.folder,
    )  # fmt: skip
    start(made)
    return made


@contextmanager
def fresh_postgresql() -> Iterator[str]:
    """Yield the address of an empty database, which is dropped afterwards."""
    name = f"t{secrets.token_hex(6)}"
    server().run(f"CREATE DATABASE {name}")
    try:
        yield server().url(name)
    finally:
        start(server())
        server().run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, of both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/factory/.state/andon.sqlite"
        return
    with fresh_postgresql() as fresh:
        yield fresh


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with fresh_postgresql() as fresh:
        yield fresh


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """An open database, of both kinds."""
    database = Database.open(url)
    yield database
    database.close()


_OWNER = "postgres"


def _unprivileged() -> list[str]:
    # The server refuses to run as root. `setpriv` also ends it when this process is killed.
    if os.geteuid() != 0:
        return ["setpriv"]
    return ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--init-groups"]


def _programs() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return there[-1].parent if there else None


def _folder() -> Path:
    # A database made in memory takes a tenth of the time. A killed process leaves its folder to the next.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    place = memory if roomy else Path(tempfile.gettempdir())
    for left in place.glob("andon-postgresql-*-*"):
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"andon-postgresql-{os.getpid()}-", dir=place))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _remove(server: Server) -> None:
    stop(server)
    shutil.rmtree(server.folder, ignore_errors=True)


def new_run(run_id: str = "run-1", **changes: Any) -> NewRun:
    """Return a run that could be queued, with other values where they are named."""
    task = Task(id="T-1", title="Add a function", acceptance_criteria=["it adds"])
    made = NewRun(
        id=run_id,
        repository="example.org/owner/name",
        host="here",
        root="/somewhere",
        task=task,
        branch="factory/T-1-add-a-function",
        base_commit="c" * 40,
        options=RunOptions(started=1_700_000_000),
    )
    return replace(made, **changes)


def claimed(db: Database, run_id: str, worker: str = "worker-1") -> Run:
    """Let `worker` work on a run, whoever had it."""
    with db.transaction() as tx:
        sql = "UPDATE runs SET status = 'running', worker = ?, attempt = attempt + 1 WHERE id = ?"
        tx.execute(sql, [worker, run_id])
        assert tx.changed == 1
    return get(db, run_id)


def result_of(run: Run, code: StopCode) -> RunResult:
    """Return how `run` could end with `code`."""
    meaning = MEANINGS[code]
    return RunResult(
        run_id=run.id,
        task_id=run.task_id,
        title=run.title,
        status=meaning.status,
        stop_code=code,
        exit_code=meaning.exit_code,
        message=f"It ended with {code}.",
        remedy=meaning.remedy,
        base_commit=run.base_commit,
    )

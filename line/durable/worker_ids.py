"""Names of workers, and what a name shows of one: whether its process is gone from this very machine."""

import hashlib
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from andon.line.db import workers
from andon.line.db.database import Database
from andon.line.identity import host_name


def new_worker_id() -> str:
    """Return an id no other worker ever has: host, process, and letters that begin with a mark of this machine."""
    return f"{host_name()}:{os.getpid()}:{_machine()}{secrets.token_hex(4)}"


def bury(db: Database) -> None:
    """Take away the rows of workers that were processes here and are no more, so that nobody waits for their silence.

    Raises:
        DatabaseGone: it cannot be reached.
    """
    for worker in workers.alive(db):
        own = worker.id.startswith(f"{host_name()}:{worker.pid}:{_machine()}")
        if own and _machine() and not _lives(worker.pid):
            workers.leave(db, worker.id)


@cache
def _machine() -> str:
    """Return a mark of what a process number means something in: this boot, and on it this set of processes.

    Empty where that cannot be told: containers may share a host's name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        names = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return hashlib.sha256(boot + names.encode()).hexdigest()[:8]


def _lives(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True

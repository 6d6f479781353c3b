"""One run of a task at a time: a lock that the kernel lets go of with the process that holds it."""

import fcntl
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from andon.records.errors import UserError

_LOOK_SECONDS = 2.0
_HOLDER = re.compile(r"run ([A-Za-z0-9._-]+), process (\d+)")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    run_id: str
    process: int


def holder_of(lock: Path) -> Holder | None:
    """Return who holds the lock file `lock` now; None if nobody does, or it does not say who."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        said = _HOLDER.fullmatch(os.read(fd, 200).decode("utf-8", "replace"))
        return Holder(said[1], int(said[2])) if said else None
    except OSError:
        return None
    finally:
        os.close(fd)


@dataclass
class TaskLock:
    """A held lock."""

    fd: int
    """The lock is the open file's, not the name's: a file that a killed process left says nothing."""

    @classmethod
    def take(cls, folder: Path, task_id: str, run_id: str) -> "TaskLock":
        """Take the lock of a task in `folder`, which is made.

        Raises:
            UserError: another process holds it; names its run and process.
            OSError: the lock cannot be written.
        """
        folder.mkdir(exist_ok=True)
        # Folded, since some file systems do not tell the cases of a run folder's name apart.
        lock = cls(os.open(folder / task_id.casefold(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666))
        try:
            lock._take_alone()
            os.ftruncate(lock.fd, 0)
            os.write(lock.fd, f"run {run_id}, process {os.getpid()}".encode())
        except BlockingIOError:
            who = os.read(lock.fd, 200).decode("utf-8", "replace")
            lock.release()
            raise UserError(
                f"another run of {task_id} is going on ({who}): wait for its end, or stop it there with Ctrl-C, "
                "and run again"
            ) from None
        except OSError:
            lock.release()
            raise
        return lock

    def _take_alone(self) -> None:
        until = time.monotonic() + _LOOK_SECONDS
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                # Fails too unless all who hold it only look, and those let go at once.
                fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                fcntl.flock(self.fd, fcntl.LOCK_UN)
                if time.monotonic() > until:
                    raise
                time.sleep(0.001)

    def release(self) -> None:
        """Let the lock go. Releasing twice is fine."""
        if self.fd >= 0:
            with suppress(OSError):
                os.close(self.fd)
            self.fd = -1

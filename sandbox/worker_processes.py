"""Inside a sandbox: run one command, and end every process but the worker. The worker is process 1 there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from andon.sandbox.capped_output import CappedOutput

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = "/tmp/andon-output"  # noqa: S108 - inside the sandbox
"""Where the whole output of a command lies that printed more than its cap."""

KEPT_CAP = 20_000_000
"""Bytes of one output that are kept there."""

_MEMORY_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Of the second and of the first version of control groups."""

_F_SETPIPE_SZ = 1031
_OVERFLOW = 128 + signal.SIGXFSZ
_PIECE = 1 << 20


class Command:
    """One command line, from its start to the death of the last of its processes."""

    def __init__(self, call: dict[str, Any], stdin: bytes, number: int) -> None:
        self._call = call
        self._stdin = memoryview(stdin)
        self._output = CappedOutput(call["output_cap"])
        self._kept = _Kept(f"{KEPT}/{number}", call["output_cap"])
        self._pid = 0
        self._status: int | None = None
        self._size = 0
        self._why = ""
        self._kills = kills_for_memory()

    def run(self, asked_to_stop: Callable[[], bool], control: int, woken: int) -> tuple[dict[str, Any], bytes]:
        """Run it. `asked_to_stop` is called when `control` can be read; `woken` can be read when a child has ended."""
        started = time.monotonic()
        reading, writing = os.pipe()
        feeding, fed = os.pipe()
        try:
            self._start(feeding, writing)
        except OSError as error:
            os.close(fed)
            os.close(reading)
            code, said = _why_not(error, self._call)
            text = f"andon: {said}\n".encode("utf-8", "backslashreplace")
            return {"exit_code": code, "dropped": 0, "why": "", "kept": "", "seconds": 0.0, "memory": False}, text
        finally:
            os.close(writing)
            os.close(feeding)
        for fd in (reading, fed):
            os.set_blocking(fd, False)
        _enlarge(reading)
        self._watch(started + self._call["time_limit"], reading, fed, control, asked_to_stop, woken)
        self._end_all()
        self._take(reading)
        os.close(reading)
        kept, dropped = self._output.result()
        killed = kills_for_memory() > self._kills
        facts = {
            "memory": killed, "exit_code": self._exit_code(), "dropped": dropped, "why": self._why,
            "kept": self._kept.path(dropped), "seconds": time.monotonic() - started,
        }  # fmt: skip
        return facts, kept

    def _start(self, stdin: int, output: int) -> None:
        process = subprocess.Popen(
            self._call["argv"], cwd=self._call["cwd"], env=self._call["env"], stdin=stdin, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, umask=0o022,
        )  # fmt: skip
        self._pid = process.pid
        # Its exit is taken here, with that of every other child.
        process.returncode = 0
        _prefer_as_victim(process.pid)

    def _watch(
        self, deadline: float, reading: int, fed: int, control: int, asked_to_stop: Callable[[], bool], woken: int
    ) -> None:
        """Return when the command has ended or is to be ended; what it started may still run."""
        poll = select.poll()
        poll.register(control, select.POLLIN)
        poll.register(woken, select.POLLIN)
        poll.register(reading, select.POLLIN)
        poll.register(fed, select.POLLOUT)
        open_fed = True
        while self._status is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self._why = "time"
                break
            ready = dict(poll.poll(min(left, 3600.0) * 1000 + 1))
            if control in ready and asked_to_stop():
                self._why = "stopped"
                break
            if reading in ready and not self._take(reading):
                poll.unregister(reading)
            if self._size > self._call["output_limit"]:
                self._why = "output"
                break
            if open_fed and fed in ready and not self._feed(fed):
                poll.unregister(fed)
                os.close(fed)
                open_fed = False
            if woken in ready:
                os.read(woken, 4096)
                self._reap(os.WNOHANG)
        if open_fed:
            os.close(fed)

    def _take(self, reading: int) -> bool:
        """Take what can be read now, a few pieces of it; False at the end of it."""
        for _ in range(8):
            try:
                piece = os.read(reading, _PIECE)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self._size += len(piece)
            self._output.add(piece)
            self._kept.add(piece)
        return True

    def _feed(self, fed: int) -> bool:
        """Write what the pipe takes now; False when there is no more to write."""
        try:
            while self._stdin:
                self._stdin = self._stdin[os.write(fed, self._stdin[:_PIECE]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            # A command need not read its input.
            pass
        return False

    def _reap(self, options: int) -> bool:
        """Take the exit of every child that has ended; False when there is no child left."""
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self._status = status

    def _end_all(self) -> None:
        # From process 1, -1 is everybody else, also who is being forked; orphans become children of process 1.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        self._reap(0)

    def _exit_code(self) -> int:
        if self._why:
            return {"time": 124, "output": _OVERFLOW}.get(self._why, 128 + signal.SIGKILL)
        status = self._status or 0
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class _Kept:
    """The whole output, written to a file once it is more than the cap."""

    def __init__(self, path: str, cap: int) -> None:
        self._path = path
        self._cap = cap
        self._first: bytearray | None = bytearray()
        self._fd = -1
        self._room = KEPT_CAP

    def add(self, piece: bytes) -> None:
        if self._first is not None:
            self._first += piece
            if len(self._first) <= self._cap:
                return
            piece, self._first = bytes(self._first), None
            self._fd = self._open()
        if self._fd >= 0 and self._room > 0:
            try:
                self._room -= os.write(self._fd, piece[: self._room])
            except OSError:
                self._room = 0

    def path(self, dropped: int) -> str:
        """Return where it lies, or an empty string."""
        if self._fd < 0:
            return ""
        os.close(self._fd)
        return self._path if dropped else ""

    def _open(self) -> int:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            # A command may have put anything there; the output is cut then, as it is said.
            return -1


def kills_for_memory() -> int:
    """Return how many processes of this container the kernel has killed for want of memory; 0 where nobody counts."""
    for path in _MEMORY_COUNTERS:
        try:
            with open(path) as file:
                for line in file:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except OSError:
            continue
    return 0


def set_limits(limits: dict[str, int]) -> None:
    """Limit this process and all it will start, as far as limits can still be lowered."""
    for name, limit in limits.items():
        kind = getattr(resource, "RLIMIT_" + name.upper())
        hard = resource.getrlimit(kind)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (most, most))


def _why_not(error: OSError, call: dict[str, Any]) -> tuple[int, str]:
    """Return the exit code and the words for a command that could not be started."""
    if error.errno == errno.E2BIG:
        return 126, "not run: the arguments are too long for the kernel"
    if error.filename == call["cwd"]:
        return 126, f"cannot enter {call['cwd']}: {error.strerror}"
    if isinstance(error, FileNotFoundError):
        return 127, f"{call['argv'][0]}: no such program"
    return 126, f"{call['argv'][0]}: {error.strerror}"


def _prefer_as_victim(pid: int) -> None:
    """Let the kernel, short of memory, take a command before it takes the worker."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        return


def _enlarge(pipe: int) -> None:
    try:
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIECE)
    except OSError:
        return

"""Where a run's audit.jsonl lies, and its lines as they come; read without a schema library.

A line is what a run wrote: whoever shows it cleans it.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from andon.line.task_lock import holder_of
from andon.line.views.status_files import RUNS, STATE, result_at
from andon.records.errors import UserError

LARGEST = 1 << 26
"""No event comes near to as many bytes."""
NAME = "audit.jsonl"
"""What a log is called in its folder."""
_FIRST = 65_536


@dataclass(frozen=True)
class RunLog:
    """The log of one run: beside the papers of its task while those are its own, else in the run's own folder."""

    root: Path
    """The repository's work tree."""
    path: Path
    run_id: str
    task_id: str
    """Empty if the log does not say."""

    def going_on(self) -> bool:
        """Whether a living process holds the run."""
        if not self.task_id or "/" in self.task_id:
            return False
        held = holder_of(self.root / STATE / "locks" / self.task_id.casefold())
        return held is not None and held.run_id == self.run_id

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it to read; never through a link that leaves the repository, and only a plain file.

        Raises:
            UserError: it cannot be read so.
        """
        shown = self.path.relative_to(self.root)
        if not self.path.resolve().is_relative_to(self.root.resolve()):
            raise UserError(f"{shown} is a link that leaves the repository: andon did not put it there")
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise UserError(f"{shown} cannot be read: {error.strerror}. Make it readable.") from error
        with os.fdopen(fd, "rb") as stream:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UserError(f"{shown} is no file: andon did not put it there")
            yield stream


def find_log(root: Path, wanted: str) -> RunLog:
    """Return the log of a run, of a task's latest run, or with `last` of the run that wrote last.

    Raises:
        UserError: there is none.
    """
    found = None
    if wanted == "last":
        found = next(newest_first(root), None)
    elif wanted and "/" not in wanted and "\0" not in wanted and not wanted.startswith("."):
        own = root / STATE / "runs" / wanted / NAME
        logs = ([own] if own.is_file() else []), newest_first(root), _published(root)
        found = next((log for some in logs for log in some if wanted in (log.parent.name, *named_in(log))), None)
    if found is None:
        raise UserError(f"no run or task {wanted!r} has left a log here: `andon status` shows what there is")
    run_id, task_id = named_in(found)
    if not run_id:
        result = result_at(root, found.with_name("result.json"), []) or {}
        run_id, task_id = result.get("run_id", found.parent.name), result.get("task_id", "")
    log, own = RunLog(root, found, run_id, task_id), root / STATE / "runs" / run_id / NAME
    if log.going_on() and own.is_file():
        return replace(log, path=own)
    shown = root / RUNS / task_id / NAME
    same = task_id and "/" not in task_id and shown.is_file() and named_in(shown)[0] == run_id
    return replace(log, path=shown) if same else log


def opened(log: RunLog) -> AbstractContextManager[BinaryIO]:
    """Open a log to read.

    Raises:
        UserError: it cannot be read.
    """
    return log.opened()


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines from here on, newline included; a last one that is not whole, or is too long, without it."""
    while line := stream.readline(LARGEST):
        yield line
        if not line.endswith(b"\n"):
            return


def event_of(line: bytes) -> dict[str, Any] | None:
    """Return the event a line holds, number, time, kind and facts being what they should be; else None."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or type(event.get("seq")) is not int or not isinstance(event.get("data"), dict):
        return None
    return event if isinstance(event.get("at"), str) and isinstance(event.get("kind"), str) else None


def newest_first(root: Path) -> Iterator[Path]:
    """Yield every log of the repository at `root`, the one written last first."""
    logs = [*(root / STATE / "runs").glob(f"*/{NAME}"), *_published(root)]
    # Of equal ones the run's own: it was there before it was shown.
    yield from sorted(logs, key=written_at, reverse=True)


def _published(root: Path) -> list[Path]:
    return sorted(log for log in (root / RUNS).glob(f"*/{NAME}") if not log.parent.name.startswith("."))


def written_at(log: Path) -> int:
    """Return when a log was written last, in nanoseconds since 1970; 0 if it is gone."""
    try:
        return log.stat().st_mtime_ns
    except OSError:
        return 0


def named_in(log: Path) -> tuple[str, str]:
    """Return run and task as the first event names them; empty where it does not."""
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as stream:
            first = event_of(stream.readline(_FIRST))
    except OSError:
        first = None
    said = first["data"] if first and first["kind"] == "run.started" else {}
    run, task = said.get("run"), said.get("task")
    return (run if isinstance(run, str) else ""), (task if isinstance(task, str) else "")

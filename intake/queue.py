"""`factory/tasks/queue.json`: the hand-written queue in the working tree."""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from andon.context.strict_json import parse_json, problems
from andon.records.errors import UserError
from andon.records.stops import TaskStatus
from andon.records.task import Task

QUEUE_PATH = "factory/tasks/queue.json"
"""Where the queue lies, relative to the repository."""

_BOM = b"\xef\xbb\xbf"
_SHOWN_IDS = 20


@dataclass(frozen=True)
class Queue:
    """The queue as it stood when it was read."""

    tasks: tuple[Task, ...]
    """In the order of the file."""


def load_queue(path: Path) -> Queue:
    """Read the queue at `path`, which ends in QUEUE_PATH. Nothing is rewritten.

    Raises:
        UserError: no such file, malformed JSON (line, column), a bad entry (number, field), two entries with one id,
            or a file that lies outside the repository behind a symbolic link.
    """
    return _queue_of(_entries(_read(_real(path))))


def next_pending(queue: Queue) -> Task | None:
    """Return the first task that waits to be run."""
    return next((task for task in queue.tasks if task.status == "pending"), None)


def find(queue: Queue, task_id: str) -> Task:
    """Return the task with this id.

    Raises:
        UserError: there is none; lists the known ids.
    """
    for task in queue.tasks:
        if task.id == task_id:
            return task
    known = [task.id for task in queue.tasks]
    more = f" and {len(known) - _SHOWN_IDS} more" if len(known) > _SHOWN_IDS else ""
    listed = f"It holds: {', '.join(known[:_SHOWN_IDS])}{more}." if known else "It is empty."
    raise UserError(f"{QUEUE_PATH} has no task {task_id!r}. {listed}")


def update_status(
    path: Path,
    task_id: str,
    status: TaskStatus,
    last_run: Mapping[str, Any],
    *,
    unless: Callable[[Mapping[str, Any]], bool] = lambda entry: False,
) -> None:
    """Read the queue again and set one entry's status and last run; every other value, key and spelling stays.

    Nothing is set where `unless` holds for the entry; while it is asked nobody else sets anything here.

    The file is replaced in one step and keeps its mode, its newlines and its byte order mark. Runs that end at the
    same time wait for each other, so that no status is lost.

    Raises:
        UserError: as `load_queue` and `find`, or it cannot be written; the file is then as it was.
    """
    real = _real(path)
    try:
        with _alone(real.parent):
            before = _read(real)
            entries = _entries(before)
            position = [task.id for task in _queue_of(entries).tasks].index(find(_queue_of(entries), task_id).id)
            if not unless(entries[position]):
                _replace(real, _with_status(before, entries, position, status, last_run))
    except OSError as error:
        raise UserError(f"{QUEUE_PATH} cannot be written: {error.strerror}. Its status was not updated.") from error


def _with_status(
    before: bytes, entries: list[Any], position: int, status: TaskStatus, last_run: Mapping[str, Any]
) -> bytes:
    entry = entries[position]
    entry["status"] = status
    entry["last_run" if "last_run" in entry else "lastRun"] = dict(last_run)
    text = json.dumps(entries, indent=2, ensure_ascii=False) + "\n"
    if b"\r\n" in before:
        text = text.replace("\n", "\r\n")
    return (_BOM if before.startswith(_BOM) else b"") + text.encode()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of the queue in `folder`; the kernel lets go with the process."""
    if not folder.is_dir():
        # Nothing to keep apart: the read says what is missing.
        yield
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _real(path: Path) -> Path:
    root = path.absolute().parents[QUEUE_PATH.count("/")].resolve()
    real = Path(os.path.realpath(path))  # unlike Path.resolve it lets a link to itself through to the read, which fails
    if not real.is_relative_to(root):
        raise UserError(f"{QUEUE_PATH} is a link that leaves the repository. Put the file itself there.")
    return real


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f'There is no {QUEUE_PATH}. Write one, or give the intent in words: andon run "…".') from None
    except OSError as error:
        raise UserError(f"{QUEUE_PATH} cannot be read: {error.strerror}.") from error


def _entries(content: bytes) -> list[Any]:
    entries = parse_json(content, QUEUE_PATH)
    if not isinstance(entries, list):
        raise UserError(f"{QUEUE_PATH}: must be a list of tasks ([{{…}}, …]), not a {type(entries).__name__}.")
    return entries


def _queue_of(entries: list[Any]) -> Queue:
    tasks: list[Task] = []
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise UserError(f"{QUEUE_PATH}: entry {number}: must be an object ({{…}}), not a {type(entry).__name__}.")
        try:
            task = Task.model_validate(entry)
        except ValidationError as error:
            raise UserError(f"{QUEUE_PATH}: entry {number}: {problems(error)}. Correct it and run again.") from error
        # Folded, since the ids become folders and some file systems do not tell the cases apart.
        if task.id.casefold() in seen:
            first = seen[task.id.casefold()]
            raise UserError(f"{QUEUE_PATH}: entries {first} and {number} have the same id {task.id!r}. Rename one.")
        seen[task.id.casefold()] = number
        tasks.append(task)
    return Queue(tuple(tasks))


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".queue-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

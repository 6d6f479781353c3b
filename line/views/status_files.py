"""What lies in a repository's `factory/` about its runs, read without a schema library.

What is damaged or foreign becomes a problem, path and sentence, and hides nothing else.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.line.task_lock import Holder, holder_of

QUEUE_PATH, RUNS, STATE = "factory/tasks/queue.json", "factory/runs", "factory/.state"
_TAIL = 65_536
_LARGEST = 16_000_000
_NEEDED = ("run_id", "task_id", "title", "status", "stop_code", "message", "remedy", "run_folder")

Problems = list[tuple[str, str]]


@dataclass(frozen=True)
class Running:
    """A run that goes on in a living process."""

    run_id: str
    process: int
    """Its process, on the machine of its worker."""
    since: str
    """When it began, ISO 8601 in UTC; empty if its events cannot be read."""
    doing: str
    """The last phase it reported; empty likewise."""
    title: str
    """Its task's; empty likewise."""
    worker: str = ""
    """Which worker has it; empty where it is this process alone that does."""
    event: Mapping[str, Any] | None = None
    """The last event it stored; None if it cannot be read."""


def queue_of(root: Path, problems: Problems) -> dict[str, dict[str, str]]:
    """Return title and status of every entry that has an id, in both spellings of the queue's keys."""
    path = root / QUEUE_PATH
    if not path.exists():
        return {}
    entries = _json(root, path, problems)
    if entries is not None and not isinstance(entries, list):
        problems.append((QUEUE_PATH, "is no list of tasks"))
    found: dict[str, dict[str, str]] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [], start=1):
        named = entry if isinstance(entry, dict) else {}
        task_id = named.get("id", named.get("task_id"))
        title, status = named.get("title", named.get("intent", "")), named.get("status", "pending")
        if not (isinstance(task_id, str) and task_id and isinstance(title, str) and isinstance(status, str)):
            problems.append((QUEUE_PATH, f"entry {number} is no task: it needs an id, a title and a status as text"))
        else:
            found.setdefault(task_id, {"title": title, "status": status})
    return found


def results_of(root: Path, problems: Problems, known: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Return the results of the latest run of every task but those in `known`, which are not read."""
    for folder in _children(root, root / RUNS, problems):
        shown = f"{RUNS}/{folder.name}"
        if folder.name.startswith(".") or folder.name in known:
            continue
        if folder.is_symlink() or not folder.is_dir():
            problems.append((shown, "is no run folder: andon did not put it there"))
        elif (result := result_at(root, folder / "result.json", problems)) is None:
            continue
        elif result["task_id"] != folder.name:
            problems.append((f"{shown}/result.json", f"is of the task {result['task_id']!r}, not of this folder's"))
        else:
            yield result


def result_at(root: Path, path: Path, problems: Problems) -> dict[str, Any] | None:
    """Return the result at `path`; None, and a problem, if there is none that can be understood."""
    found = _json(root, path, problems)
    if found is None:
        return None
    version = found.get("schema_version") if isinstance(found, dict) else None
    wrong = None
    if version is None:
        wrong = "is no result of a run"
    elif version != 1:
        wrong = f"has the version {version!r}, which this andon does not know: look at it with the andon that wrote it"
    elif missing := [key for key in _NEEDED if not isinstance(found.get(key), str)]:
        wrong = f"lacks {', '.join(missing)}: it is damaged"
    elif type(found.get("exit_code")) is not int:
        wrong = "lacks exit_code: it is damaged"
    if wrong is not None:
        problems.append((str(path.relative_to(root)), wrong))
        return None
    result: dict[str, Any] = found
    return result


def running_of(root: Path, problems: Problems) -> Iterator[tuple[str, Running]]:
    """Return the living runs by the folded id of their task."""
    for lock in _children(root, root / STATE / "locks", problems):
        held = None if lock.is_symlink() else holder_of(lock)
        if held is not None:
            yield lock.name, _running(root / STATE / "runs" / held.run_id / "audit.jsonl", held)


def _running(path: Path, held: Holder) -> Running:
    """Return how far a run has come by its events; what cannot be read of them is left empty."""
    try:
        with path.open("rb") as stream:
            first = _event(stream.readline(_TAIL))
            stream.seek(max(0, stream.seek(0, 2) - _TAIL))
            tail = [event for line in stream.read(_TAIL).splitlines() if (event := _event(line))]
    except OSError:
        first, tail = None, []
    begun = first if first and first["kind"] == "run.started" else None
    phases = [event["data"]["name"] for event in tail if event["kind"] == "phase" and "name" in event["data"]]
    return Running(
        held.run_id,
        held.process,
        since=str(begun["at"]) if begun else "",
        doing=str(phases[-1]) if phases else "",
        title=str(begun["data"].get("title", "")) if begun else "",
        event=tail[-1] if tail else None,
    )


def _event(line: bytes) -> dict[str, Any] | None:
    """Return the event of a line; None for one that is cut or holds none."""
    try:
        event = json.loads(line)
        whole = isinstance(event["data"], dict) and isinstance(event["kind"], str) and isinstance(event["at"], str)
        return event if whole else None
    except (ValueError, KeyError, TypeError):
        return None


def _children(root: Path, folder: Path, problems: Problems) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        problems.append((str(folder.relative_to(root)), f"cannot be read: {error.strerror}"))
        return []


def _json(root: Path, path: Path, problems: Problems) -> Any:
    shown = str(path.relative_to(root))
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            problems.append((shown, "is a link that leaves the repository"))
        elif not path.is_file():
            problems.append((shown, "is missing" if not path.exists() else "is no file"))
        elif path.stat().st_size > _LARGEST:
            problems.append((shown, "is too large to be one of andon's"))
        else:
            return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        problems.append((shown, f"cannot be read: {error.strerror}"))
    except (ValueError, RecursionError):
        problems.append((shown, "is no JSON: it is damaged"))
    return None

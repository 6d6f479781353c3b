"""Read a workspace from the host while no process of its sandbox is alive."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.objects import blob_id_of
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, Entry

FILE_CAP = 50_000_000
"""Bytes of one file that a change may carry; of larger ones only the id is known."""

TOTAL_CAP = 1_000_000_000
"""Bytes of all files together."""

ENTRIES_CAP = 500_000
"""Files and folders of a workspace; a worker looks at no more."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def walk(work: Path, *, file_cap: int = FILE_CAP, total_cap: int = TOTAL_CAP) -> list[Entry]:
    """Return every entry below `work` but its top-level `.git`, sorted by path. No link is followed.

    Raises:
        RunError: with `policy-refused` if all files up to `file_cap` are larger than `total_cap` together.
    """
    entries: list[Entry] = []
    total = 0
    top = os.open(work, _FOLDER)
    try:
        for entry in _below(top, b"", file_cap):
            total += len(entry.content or b"")
            if total > total_cap:
                raise workspace_too_large(f"{total_cap} bytes")
            entries.append(entry)
    finally:
        os.close(top)
    return sorted(entries, key=lambda entry: entry.path)


def workspace_too_large(what: str) -> RunError:
    """Return what is raised for more than `what` (bytes or files, in words) in a workspace."""
    return RunError(
        StopCode.POLICY_REFUSED,
        f"the workspace holds more than {what}: remove what was built or downloaded there",
    )


def _below(folder: int, prefix: bytes, file_cap: int) -> Iterator[Entry]:
    for text in os.listdir(folder):
        name = os.fsencode(text)
        if not prefix and name == b".git":
            continue
        path = prefix + name
        facts = os.lstat(name, dir_fd=folder)
        if stat.S_ISDIR(facts.st_mode):
            below = _open(folder, name, _FOLDER)
            try:
                yield from _below(below, path + b"/", file_cap)
            finally:
                os.close(below)
        elif stat.S_ISREG(facts.st_mode):
            mode = EXECUTABLE if facts.st_mode & stat.S_IXUSR else REGULAR
            yield _file(folder, name, path, mode, file_cap)
        elif stat.S_ISLNK(facts.st_mode):
            yield Entry(path, LINK, os.readlink(name, dir_fd=folder))
        else:
            yield Entry(path, "other", b"")


def _file(folder: int, name: bytes, path: bytes, mode: str, file_cap: int) -> Entry:
    with open(_open(folder, name, _FILE), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > file_cap:
            return Entry(path, mode, None, blob_id_of(file, size), oversized=True)
        return Entry(path, mode, file.read(file_cap))


def _open(folder: int, name: bytes, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except PermissionError:
        # Modes are the command's to choose; what it locked is still part of the workspace.
        os.chmod(name, 0o700 if flags == _FOLDER else 0o600, dir_fd=folder)
        return os.open(name, flags, dir_fd=folder)

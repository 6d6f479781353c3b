"""Inside a sandbox: put entries of the workspace back as they were, while no other process is alive."""

from __future__ import annotations

import contextlib
import os
import stat

from andon.sandbox import worker_files
from andon.sandbox.protocol_names import WORKSPACE

GONE = b"-"
"""Kind of a part (see worker_files.RECORD): nothing but a folder with something in it may lie at its path."""

_TOO_LONG = 3800
"""Bytes of a folder's path from which on it is told as an entry (see worker_tree), and goes as one."""


def restore(records: bytes) -> None:
    """Make the workspace hold what `records` say. No link is followed, and no folder is left that this emptied.

    Raises:
        OSError: it cannot be done whole; ENOSPC where there is no room.
    """
    parts = list(worker_files.parts(records))
    # First what frees room.
    for kind, path, _ in parts:
        if kind == GONE:
            _remove(path)
    for kind, path, content in parts:
        if kind != GONE:
            _put(kind, path, content)


def _remove(path: bytes) -> None:
    place = _place(path)
    facts = _facts(place) if all(_is_open(folder) for folder in _above(place)) else None
    if facts is None:
        return
    if not stat.S_ISDIR(facts.st_mode):
        os.unlink(place)
    elif len(os.fsencode(place)) >= _TOO_LONG:
        _remove_folder(place)
    elif os.listdir(place):
        return
    else:
        os.rmdir(place)
    # Until one is not empty, or is a mount point.
    with contextlib.suppress(OSError):
        for folder in reversed(_above(place)[1:]):
            os.rmdir(folder)


def _put(kind: bytes, path: bytes, content: memoryview) -> None:
    place = _place(path)
    for folder in _above(place):
        if not _is_open(folder):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder)
            os.mkdir(folder, 0o755)
    facts = _facts(place)
    if facts is not None and stat.S_ISDIR(facts.st_mode):
        _remove_folder(place)
    elif facts is not None:
        # A new file: the old one may have another name too.
        os.unlink(place)
    worker_files.make(kind, place, content)


def _place(path: bytes) -> str:
    return WORKSPACE + "/" + os.fsdecode(path)


def _above(place: str) -> list[str]:
    """Return the folders that lead to `place`, the workspace first."""
    at = len(WORKSPACE)
    folders = []
    while at >= 0:
        folders.append(place[:at])
        at = place.find("/", at + 1)
    return folders


def _facts(place: str) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except FileNotFoundError:
        return None


def _is_open(folder: str) -> bool:
    """Say whether it is a folder itself, and not a link to one; modes are the command's to choose, and undone."""
    facts = _facts(folder)
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        return False
    if facts.st_mode & 0o700 != 0o700:
        os.chmod(folder, stat.S_IMODE(facts.st_mode) | 0o700)
    return True


def _remove_folder(place: str) -> None:
    """Remove a folder, however deep: each one in it is moved to the top first, where its path is short."""
    folders = [_moved_up(place)]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as found:
            inside = list(found)
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                folders.append(_moved_up(entry.path))
            else:
                os.unlink(entry.path)
        os.rmdir(folder)


def _moved_up(place: str) -> str:
    # Only a folder that may be written to can get another parent.
    _is_open(place)
    name = f"{WORKSPACE}/.andon-{os.urandom(8).hex()}"
    os.rename(place, name)
    return name

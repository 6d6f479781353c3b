"""Inside a sandbox: what of the workspace has changed since it was last asked."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from typing import TYPE_CHECKING, BinaryIO

from andon.sandbox.protocol_names import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = struct.Struct(">cHQ")
"""In front of each changed entry: kind, bytes of the path, bytes of the content."""

FILE, PROGRAM, LINK, OTHER, GONE, LARGE, LARGE_PROGRAM, UNREAD, UNREAD_PROGRAM = (
    b"f", b"x", b"l", b"o", b"-", b"F", b"X", b"u", b"U",
)  # fmt: skip
"""Kinds. The content of LARGE ones is git's id of theirs; UNREAD ones are droppings, told by name alone."""

ENTRIES_CAP = 500_000
_PATH_CAP = 3800
"""A folder whose path no call takes is told as what it is: nothing a tree can hold."""
_RACY_NS = 50_000_000
"""A file can change again within one tick of the kernel's clock and look the same; no tick is longer than this."""


class TooLarge(Exception):
    """The workspace holds more than a change may carry. The text says of what."""


class Tree:
    """Remembers how every entry of the workspace looked."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._racy: set[str] = set()

    def seal(self) -> int:
        """Take the workspace as it is for unchanged. Return the number of entries."""
        self._differing()
        return len(self._known)

    def changes(self, droppings: list[str], file_cap: int, total_cap: int) -> Iterator[bytes]:
        """Yield every entry that differs from when this was last asked, as it is sent. `.git` at the top is left out.

        Raises:
            TooLarge: the workspace holds more entries, or what changed more bytes, than are carried.
        """
        names = set(droppings)
        before = self._known, self._racy
        total = 0
        for path, facts in self._differing():
            if facts is None:
                yield _entry(GONE, path, b"")
                continue
            kind, content = _content(path, facts, names, file_cap)
            total += len(content)
            if total > total_cap:
                # What was told up to here is told again.
                self._known, self._racy = before
                raise TooLarge(f"{total_cap} bytes")
            yield _entry(kind, path, content)

    def _differing(self) -> list[tuple[str, os.stat_result | None]]:
        """Look at everything once. Ten thousand files are looked at after every command, so this is terse."""
        racy_after = time.time_ns() - _RACY_NS
        known, was_racy = self._known.get, self._racy
        now: dict[str, tuple[int, int]] = {}
        racy: set[str] = set()
        differing: list[tuple[str, os.stat_result | None]] = []
        new = 0
        folders = [WORKSPACE]
        cut = len(WORKSPACE) + 1
        while folders:
            for entry in _scan(folders.pop()):
                if entry.is_dir(follow_symlinks=False) and len(os.fsencode(entry.path)) < _PATH_CAP:
                    folders.append(entry.path)
                    continue
                path = entry.path[cut:]
                facts = entry.stat(follow_symlinks=False)
                # The kernel's own note of the last change to content, mode or names: no command can set it.
                changed = facts.st_ctime_ns
                now[path] = look = (changed, facts.st_ino)
                before = known(path)
                if before is None:
                    new += 1
                if changed > racy_after:
                    racy.add(path)
                if before != look or path in was_racy:
                    differing.append((path, facts))
            if len(now) > ENTRIES_CAP:
                raise TooLarge(f"{ENTRIES_CAP} files")
        if len(self._known) + new != len(now):
            differing += [(path, None) for path in self._known.keys() - now.keys()]
        self._known, self._racy = now, racy
        return differing


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if folder != WORKSPACE or entry.name != ".git"]
        if os.access(folder, os.X_OK):
            return found
    except PermissionError:
        pass
    # Modes are the command's to choose; what it locked is still part of the workspace.
    os.chmod(folder, 0o700)
    return _scan(folder)


def _content(path: str, facts: os.stat_result, droppings: set[str], file_cap: int) -> tuple[bytes, bytes]:
    place = WORKSPACE + "/" + path
    if stat.S_ISLNK(facts.st_mode):
        return LINK, os.fsencode(os.readlink(place))
    if not stat.S_ISREG(facts.st_mode):
        return OTHER, b""
    program = bool(facts.st_mode & stat.S_IXUSR)
    if droppings and not droppings.isdisjoint(path.split("/")):
        return (UNREAD_PROGRAM if program else UNREAD), b""
    if facts.st_size > file_cap:
        return (LARGE_PROGRAM if program else LARGE), _blob_id(place, facts.st_size).encode()
    with _opened(place) as file:
        return (PROGRAM if program else FILE), file.read()


def _opened(place: str) -> BinaryIO:
    try:
        return open(place, "rb")
    except PermissionError:
        os.chmod(place, stat.S_IMODE(os.lstat(place).st_mode) | stat.S_IRUSR)
        return open(place, "rb")


def _blob_id(place: str, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with _opened(place) as file:
        while True:
            piece = file.read(1 << 20)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)


def _entry(kind: bytes, path: str, content: bytes) -> bytes:
    name = os.fsencode(path)
    return ENTRY.pack(kind, len(name), len(content)) + name + content

"""Inside a sandbox: what of the workspace has changed since it was last asked."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import sys
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

_PATH_CAP = 3800
"""A folder whose path no call takes is told as what it is: nothing a tree can hold."""
_RACY_NS = 50_000_000
"""A file can change again within one tick of the kernel's clock and look the same; no tick is longer than this."""
_CLOCK_OF_FILES = 5
"""CLOCK_REALTIME_COARSE (linux/time.h), what the kernel sets times of files by."""
_MANY = 200
"""Files that are looked at again sooner than a tick is waited for."""


class TooLarge(Exception):
    """The workspace holds more than a change may carry. The text says of what."""


class Tree:
    """Remembers how every entry of the workspace looked, and what was told of it.

    A write through shared memory (mmap) changes no time of a file in memory, if its page had been read before. What
    such a write leaves is the time of access, which the kernel notes once after each change (relatime): a file that
    was read is looked at again, and its time of access is set back. A command that hides its access on purpose
    (O_NOATIME) only hides its change from the tree that is taken.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, int]] = {}
        self._racy: set[str] = set()
        self._told: dict[str, tuple[bytes, bytes]] = {}

    def seal(self, told: bytes) -> int:
        """Take the workspace for what `told` says: entries as they are sent, the id of a file in place of its content.

        Return the number of entries.
        """
        at = 0
        while at < len(told):
            kind, path_size, size = ENTRY.unpack_from(told, at)
            at += ENTRY.size
            path = os.fsdecode(told[at : at + path_size])
            at += path_size
            self._told[path] = kind, told[at : at + size]
            at += size
        for name, facts in self._differing(sys.maxsize):
            if facts is not None:
                self._set_back(name, facts)
        self._settle()
        return len(self._known)

    def changes(self, droppings: list[str], file_cap: int, total_cap: int, entries_cap: int) -> Iterator[bytes]:
        """Yield every entry that differs from what was told before, as it is sent. `.git` at the top is left out.

        Raises:
            TooLarge: the workspace holds more files and folders, or what changed more bytes, than are carried.
        """
        names = set(droppings)
        before = self._known, self._racy
        total = 0
        for path, facts in self._differing(entries_cap):
            if facts is None:
                self._told.pop(path, None)
                yield _entry(GONE, path, b"")
                continue
            kind, content = _content(path, facts, names, file_cap)
            self._set_back(path, facts)
            mark = kind, _id_of(content) if kind in (FILE, PROGRAM) else content
            if self._told.get(path) == mark:
                continue
            total += len(content)
            if total > total_cap:
                # What was not told is looked at again.
                self._known, self._racy = before
                raise TooLarge(f"{total_cap} bytes")
            self._told[path] = mark
            yield _entry(kind, path, content)
        self._settle()

    def _differing(self, entries_cap: int) -> list[tuple[str, os.stat_result | None]]:
        """Look at everything once. Ten thousand files are looked at after every command, so this is terse."""
        racy_after = time.time_ns() - _RACY_NS
        known, was_racy = self._known.get, self._racy
        now: dict[str, tuple[int, int, int]] = {}
        racy: set[str] = set()
        differing: list[tuple[str, os.stat_result | None]] = []
        new = seen = 0
        folders = [WORKSPACE]
        cut = len(WORKSPACE) + 1
        while folders:
            for entry in _scan(folders.pop()):
                seen += 1
                if entry.is_dir(follow_symlinks=False) and len(os.fsencode(entry.path)) < _PATH_CAP:
                    folders.append(entry.path)
                    continue
                path = entry.path[cut:]
                facts = entry.stat(follow_symlinks=False)
                # The kernel's own note of the last change to content, mode or names: no command can set it.
                changed = facts.st_ctime_ns
                now[path] = look = (changed, facts.st_ino, facts.st_atime_ns)
                before = known(path)
                if before is None:
                    new += 1
                if changed > racy_after:
                    racy.add(path)
                if before != look or path in was_racy:
                    differing.append((path, facts))
            if seen > entries_cap:
                raise TooLarge(f"{entries_cap} files and folders")
        if len(self._known) + new != len(now):
            differing += [(path, None) for path in self._known.keys() - now.keys()]
        self._known, self._racy = now, racy
        return differing

    def _set_back(self, path: str, facts: os.stat_result) -> None:
        """Let the kernel note the next access to a file that was read."""
        if not stat.S_ISREG(facts.st_mode) or facts.st_atime_ns <= facts.st_ctime_ns:
            return
        place = WORKSPACE + "/" + path
        try:
            os.utime(place, ns=(0, facts.st_mtime_ns), follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EPERM):
                raise
            # Of what is mounted read-only nothing can change.
            return
        after = os.lstat(place)
        self._known[path] = after.st_ctime_ns, after.st_ino, after.st_atime_ns
        self._racy.add(path)

    def _settle(self) -> None:
        """Rather than look at many files again, wait for the kernel's clock to tick: then every change will show."""
        if len(self._racy) > _MANY:
            latest = max(self._known[path][0] for path in self._racy)
            while time.clock_gettime_ns(_CLOCK_OF_FILES) <= latest:
                time.sleep(0.001)
            self._racy = set()


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


def _id_of(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest().encode()


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
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    facts = os.lstat(place)
    if facts.st_uid != os.getuid():
        return open(os.open(place, flags), "rb")
    if not facts.st_mode & stat.S_IRUSR:
        os.chmod(place, stat.S_IMODE(facts.st_mode) | stat.S_IRUSR)
    # Our own look is no access.
    return open(os.open(place, flags | os.O_NOATIME), "rb")


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

"""Inside a sandbox: read, write and resolve files, while no other process is alive."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import struct
from typing import TYPE_CHECKING

from andon.sandbox.protocol_names import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = struct.Struct(">cHI")
"""In front of each part of a filling: kind, bytes of the path, bytes of the content."""

FILE, PROGRAM, LINK, FOLDER, MORE = b"f", b"x", b"l", b"d", b"+"
"""Kinds of parts; MORE goes on with the file before."""

ABSENT = "absent"
"""As the expected digest of a file: it does not exist."""


def resolve(path: str) -> str:
    """Return where `path` ends after every link, existing or not."""
    return os.path.realpath(_absolute(path))


def read(path: str, limit: int) -> bytes:
    """Return the first `limit` bytes of a regular file.

    Raises:
        OSError: there is none.
    """
    place = _absolute(path)
    _check_regular(os.stat(place), path)
    fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        return file.read(limit)


def write(path: str, content: bytes, expected: str) -> None:
    """Put `content` at `path`, whole or not at all. An existing file keeps its executable bit.

    `expected` is the SHA-256 of what must lie there, ABSENT, or empty for anything.

    Raises:
        OSError: it cannot be written; ESTALE if something else lies there.
    """
    if path.endswith("/"):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    place = os.path.realpath(_absolute(path))
    mode = 0o644
    try:
        facts = os.stat(place)
    except FileNotFoundError:
        facts = None
    if facts is not None:
        _check_regular(facts, path)
        mode = stat.S_IMODE(facts.st_mode)
    if expected and expected != _digest(place if facts else None):
        raise OSError(errno.ESTALE, "it has changed since it was read", path)
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    _replace(place, content, mode)


def fill(records: bytes, top: str) -> None:
    """Make the files, links and folders of `records` below `top`.

    Raises:
        FileExistsError: two of them are in each other's way; the path is its text.
        OSError: there is no room.
    """
    made = {top}
    for kind, path, content in parts(records):
        place = top + "/" + os.fsdecode(path)
        if kind == MORE:
            _append(place, content)
            continue
        _make_folders(place if kind == FOLDER else os.path.dirname(place), made)
        if kind != FOLDER:
            make(kind, place, content)


def parts(records: bytes) -> Iterator[tuple[bytes, bytes, memoryview]]:
    """Yield kind, path and content of each part."""
    view = memoryview(records)
    while view:
        kind, path_size, size = RECORD.unpack(view[: RECORD.size])
        end = RECORD.size + path_size
        yield kind, bytes(view[RECORD.size : end]), view[end : end + size]
        view = view[end + size :]


def make(kind: bytes, place: str, content: memoryview) -> None:
    """Make a new FILE, PROGRAM or LINK at `place`.

    Raises:
        OSError: something is there, or there is no room.
    """
    if kind == LINK:
        os.symlink(bytes(content), os.fsencode(place))
    else:
        _create(place, content, 0o755 if kind == PROGRAM else 0o644)


def _absolute(path: str) -> str:
    if "\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return path if path.startswith("/") else WORKSPACE + "/" + path


def _check_regular(facts: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)


def _digest(place: str | None) -> str:
    if place is None:
        return ABSENT
    digest = hashlib.sha256()
    with open(place, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _replace(place: str, content: bytes, mode: int) -> None:
    beside = f"{os.path.dirname(place)}/.andon-{os.urandom(8).hex()}"
    try:
        _create(beside, memoryview(content), mode)
        os.rename(beside, place)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _create(place: str, content: memoryview, mode: int) -> None:
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    _write_all(fd, content)


def _append(place: str, content: memoryview) -> None:
    _write_all(os.open(place, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), content)


def _write_all(fd: int, content: memoryview) -> None:
    try:
        while content:
            content = content[os.write(fd, content) :]
    finally:
        os.close(fd)


def _make_folders(place: str, made: set[str]) -> None:
    if place in made:
        return
    _make_folders(os.path.dirname(place), made)
    try:
        os.mkdir(place, 0o755)
    except FileExistsError:
        # A mount point is there already; a file or a link of that name is in the way.
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise
    made.add(place)

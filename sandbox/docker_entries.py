"""A workspace as it leaves a container: a stream made inside, read on the host, never unpacked there."""

import io
import os
import tarfile
from typing import BinaryIO, cast

from andon.sandbox.objects import blob_id_of
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, WORKSPACE, Entry
from andon.sandbox.walk import FILE_CAP, TOTAL_CAP, workspace_too_large

# Modes are the command's to choose; what it locked is still part of the workspace. tar leaves out sockets.
_SCRIPT = f"""
cd {WORKSPACE} || exit 1
exec 2>/dev/null
find . -type d ! -perm -700 -exec chmod u+rwx {{}} \\;
find . -type f ! -perm -400 -exec chmod u+r {{}} +
find . -path ./.git -prune -o -type s -print0
printf '\\0'
exec tar --create --file=- --format=gnu --hard-dereference --anchored --no-wildcards --exclude=./.git .
"""

COMMAND = ("/bin/sh", "-c", _SCRIPT)
"""Writes the names of all sockets, an empty name, and a tar archive of everything else but the top-level `.git`."""


class EntryStream:
    """Takes what COMMAND writes, piece by piece, up to a cap."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, chunk: bytes) -> None:
        """Keep the next bytes.

        Raises:
            RunError: with `policy-refused` if they are more than a workspace may hold.
        """
        self._bytes += chunk
        # Every file costs a header besides its content.
        if len(self._bytes) > 2 * TOTAL_CAP:
            raise workspace_too_large(f"{TOTAL_CAP} bytes")

    def entries(self, *, file_cap: int = FILE_CAP, total_cap: int = TOTAL_CAP) -> list[Entry]:
        """Return every entry, sorted by path.

        Raises:
            RunError: with `policy-refused` if all files up to `file_cap` are larger than `total_cap` together.
            ValueError: the bytes are not what COMMAND writes.
        """
        names, archive = self._split()
        entries = [Entry(_path(os.fsdecode(name)), "other", b"") for name in names]
        total = 0
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8") as tar:
                for member in tar:
                    if member.isdir():
                        continue
                    entry = _entry(tar, member, file_cap)
                    total += len(entry.content or b"")
                    if total > total_cap:
                        raise workspace_too_large(f"{total_cap} bytes")
                    entries.append(entry)
        except tarfile.TarError as error:
            raise ValueError(f"the archive of the workspace is damaged: {error}") from error
        return sorted(entries, key=lambda entry: entry.path)

    def _split(self) -> tuple[list[bytes], memoryview]:
        names = []
        start = 0
        while (end := self._bytes.find(b"\0", start)) > start:
            names.append(bytes(self._bytes[start:end]))
            start = end + 1
        if end < 0:
            raise ValueError("the list of sockets has no end")
        return names, memoryview(self._bytes)[end + 1 :]


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, file_cap: int) -> Entry:
    path = _path(member.name)
    if member.issym():
        return Entry(path, LINK, os.fsencode(member.linkname))
    if not member.isreg():
        return Entry(path, "other", b"")
    mode = EXECUTABLE if member.mode & 0o100 else REGULAR
    file = tar.extractfile(member)
    if file is not None and member.size > file_cap:
        return Entry(path, mode, None, blob_id_of(cast("BinaryIO", file), member.size), oversized=True)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise ValueError(f"the archive of the workspace ends within {member.name!r}")
    return Entry(path, mode, content)


def _path(name: str) -> bytes:
    return os.fsencode(name.removeprefix("./"))

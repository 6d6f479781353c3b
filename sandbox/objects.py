"""Git's names for content."""

import hashlib
from typing import BinaryIO


def blob_id(content: bytes) -> str:
    """Return the sha1 name git gives `content` as a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def blob_id_of(file: BinaryIO, size: int) -> str:
    """Return the sha1 name git gives the `size` bytes that `file` yields, read piece by piece.

    Raises:
        ValueError: it yields another number of bytes.
    """
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    read = 0
    while chunk := file.read(1_000_000):
        read += len(chunk)
        digest.update(chunk)
    if read != size:
        raise ValueError(f"{read} bytes where {size} were announced")
    return digest.hexdigest()

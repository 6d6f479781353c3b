"""Frames between andon and the worker inside a sandbox. Both ends use this file; inside, it stands alone.

A frame is a nonce, the lengths of header and body, a JSON header, and a body of bytes. Whoever asks chooses a nonce
for the call; every frame that belongs to the call carries it.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, NamedTuple

PREFIX = struct.Struct(">16sIQ")
"""Nonce, bytes of the header, bytes of the body."""

NONCE_BYTES = 16
HEADER_CAP = 16_000_000
"""Bytes. The words of a command line fit; the kernel takes no more than a few million."""
BODY_CAP = 1 << 31


class Frame(NamedTuple):
    """One message."""

    nonce: bytes
    header: dict[str, Any]
    body: bytes


class BrokenFrame(Exception):
    """What came is no frame."""


def pack(nonce: bytes, header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    # ASCII, so that half a surrogate pair, which stands for an undecodable byte, survives.
    head = json.dumps(header).encode("ascii")
    return PREFIX.pack(nonce, len(head), len(body)) + head + body


def lengths(prefix: bytes) -> tuple[bytes, int, int]:
    """Return nonce and lengths of header and body.

    Raises:
        BrokenFrame: they are more than a frame may hold.
    """
    nonce, head, body = PREFIX.unpack(prefix)
    if head > HEADER_CAP or body > BODY_CAP:
        raise BrokenFrame(f"a frame of {head} and {body} bytes")
    return nonce, head, body


def header_of(raw: bytes) -> dict[str, Any]:
    """Return the header that `pack` wrote.

    Raises:
        BrokenFrame: it is no JSON object.
    """
    try:
        header = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise BrokenFrame(f"a header that is no JSON: {raw[:100]!r}") from error
    if not isinstance(header, dict):
        raise BrokenFrame(f"a header that is no object: {raw[:100]!r}")
    return header


def receive(fd: int) -> Frame:
    """Read one frame from a blocking descriptor.

    Raises:
        EOFError: the other end is gone.
        BrokenFrame: what came is no frame.
    """
    nonce, head, body = lengths(_exactly(fd, PREFIX.size))
    header = header_of(_exactly(fd, head))
    return Frame(nonce, header, _exactly(fd, body))


def send(fd: int, frame: bytes) -> None:
    """Write a frame to a blocking descriptor."""
    view = memoryview(frame)
    while view:
        view = view[os.write(fd, view) :]


def _exactly(fd: int, size: int) -> bytes:
    whole = bytearray(size)
    view = memoryview(whole)
    while view:
        read = os.readv(fd, [view])
        if read == 0:
            raise EOFError
        view = view[read:]
    return bytes(whole)

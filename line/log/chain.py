"""The hash chain over a run's `audit.jsonl`: every line carries the hash of the line before it, and its own.

A line is `BODY, "hash": "HASH"}` and a newline. HASH is the SHA-256, in hex, of BODY's bytes as they stand in the file:
nothing is parsed or written again to check one. BODY ends in `, "prev": "PREV"`, PREV being the HASH of the line before
it, for the first line the SHA-256 of `andon-audit-1 RUN-ID`. `andon log --help` has a program that checks a file by it.

Whoever can write the file can make the chain anew, so its head also stands where they may not write: in the pull
request's text on the branch, and in `result.json`, which `--json` prints. A key for the hashes would have to lie where
the line runs, in reach of the same user, and would show nothing that these do not.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_FORMAT = "andon-audit-1"
_SEALS = re.compile(rb', "prev": "([0-9a-f]{64})", "hash": "([0-9a-f]{64})"\}\Z')
_HASH_LENGTH = len(', "hash": ""}') + 64
_SEALS_LENGTH = len(', "prev": ""') + 64 + _HASH_LENGTH
_ODD = re.compile("[\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What ends a line for some readers, steers a terminal, or has no UTF-8 form; JSON holds it as an escape as well."""


class Seal(NamedTuple):
    """What a line says of itself, and what its text comes to."""

    prev: str
    """The hash it says the line before has."""
    hash: str
    """The hash it says it has."""
    real: str
    """The hash its text has."""


def genesis(run_id: str) -> str:
    """Return what the first line of a run's chain follows."""
    return hashlib.sha256(f"{_FORMAT} {run_id}".encode()).hexdigest()


def sealed(event: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the line of an event, newline included, and its hash. The last key of `event` is `prev`."""
    text = json.dumps(event, ensure_ascii=False)[:-1]
    if not text.isascii():
        text = _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    body = text.encode("utf-8")
    digest = hashlib.sha256(body).hexdigest()
    return b'%b, "hash": "%b"}\n' % (body, digest.encode()), digest


def seal_of(line: bytes) -> Seal | None:
    """Return the seal of a line without its newline; None if it carries none."""
    found = _SEALS.search(line, max(0, len(line) - _SEALS_LENGTH))
    if found is None:
        return None
    real = hashlib.sha256(memoryview(line)[:-_HASH_LENGTH]).hexdigest()
    return Seal(found[1].decode(), found[2].decode(), real)

"""What somebody does to an audit log who knows how its chain is made; written after the help of `andon log` alone."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def chained(events: Sequence[dict[str, Any]], head: str | None = None) -> list[bytes]:
    """Return events as lines of a chain that holds, whatever they carried; it follows `head`, or begins a run's."""
    head = head or sha(b"andon-audit-1 " + events[0]["data"]["run"].encode())
    lines = []
    for event in events:
        bare = {key: value for key, value in event.items() if key not in ("prev", "hash")}
        body = json.dumps(bare | {"prev": head}, ensure_ascii=False)[:-1].encode()
        head = sha(body)
        lines.append(body + f', "hash": "{head}"}}\n'.encode())
    return lines


def lines_of(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def events_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]

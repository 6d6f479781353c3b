"""Which questions of IDE clients wait for a person, read without a schema library and without looking at their seals.

For showing only: what may be answered is decided by `approvals.py`. Those of runs stand in the tables.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APPROVALS = "factory/.state/approvals"
"""Where questions wait."""
_LARGEST = 4_000_000


@dataclass(frozen=True)
class Waiting:
    """One question that nobody answered yet."""

    id: str
    """What `andon approve` takes."""
    question: str
    """What is asked, in a line."""
    run_id: str
    """Whose question it is."""
    expires_at: float | None
    """Seconds since 1970, UTC; None: never."""


def waiting_in(root: Path, now: float) -> tuple[Waiting, ...]:
    """Return what waits in the repository at `root` and has not expired at `now`, oldest first.

    What is damaged is left out: `andon approve` names it.
    """
    folder = root / APPROVALS
    if any((root / name).is_symlink() for name in ("factory", "factory/.state", APPROVALS)):
        return ()
    found = [one for path in folder.glob("????????.json") if (one := _read(path, now)) is not None]
    return tuple(sorted(found, key=lambda one: (one.expires_at or 0, one.id)))


def _read(path: Path, now: float) -> Waiting | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    asked: Any = document.get("approval") if isinstance(document, dict) else None
    if not isinstance(asked, dict) or asked.get("answer") is not None or asked.get("id") != path.stem:
        return None
    question, run_id, expires_at = asked.get("question"), asked.get("run_id"), asked.get("expires_at")
    if not (isinstance(question, str) and isinstance(run_id, str) and isinstance(expires_at, int)):
        return None
    return Waiting(path.stem, question, run_id, expires_at) if expires_at > now else None

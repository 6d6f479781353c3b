"""Where a run's papers name the head of its audit log, and how it is read from them again."""

import re
from typing import NamedTuple

_LINE = re.compile(r"^Event (\d{1,9}) of run `([A-Za-z0-9._-]+)` has the SHA-256 `([0-9a-f]{64})`\.", re.MULTILINE)


class NamedHead(NamedTuple):
    """A head of an audit log, as a paper names it."""

    run_id: str
    events: int
    """How many events the log held when the paper was made."""
    head: str
    """Hash of the last of them."""


def audit_section(run_id: str, events: int, head: str) -> str:
    """Return the section of a pull-request body that names how far the audit log had come."""
    return (
        f"## Audit log\n\nEvent {events} of run `{run_id}` has the SHA-256 `{head}`. "
        f"`andon log {run_id} --verify` holds the log, and this text on the branch, against it."
    )


def named_head(text: str) -> NamedHead | None:
    """Return the head that a pull-request body names; None if it names none.

    Only andon's own line is found: what others wrote stands in a body escaped, quoted or in a list.
    """
    found = _LINE.findall(text)
    return NamedHead(found[-1][1], int(found[-1][0]), found[-1][2]) if found else None

"""A run followed from another process: its events as they come into the table."""

import time
from collections.abc import Callable, Iterator

from andon.line.db import events, runs
from andon.line.db.database import Database, DatabaseGone
from andon.line.db.events import EventRow
from andon.line.db.runs import Run

_LOOK = 0.2
_PATIENCE = 60.0
"""Seconds in which a database that went away may come back."""
_BATCH = 500


def has_ended(run: Run) -> bool:
    """Say whether nothing more comes of a run."""
    return run.status == "ended"


def follow(
    db: Database, run_id: str, *, after: int = 0, done: Callable[[Run], bool] = has_ended, look: float = _LOOK
) -> Iterator[EventRow]:
    """Yield the events of a run behind number `after` until `done` holds of its row and all of them are out.

    `done` is asked at every look, which are `look` seconds apart. A database that goes away is waited for.

    Raises:
        UserError: there is no such run.
        DatabaseGone: it stayed away for a minute.
    """
    gone_since: float | None = None
    while True:
        try:
            # The row before the events: what was written before the row changed is read too.
            over = done(runs.get(db, run_id))
            batch = events.after(db, run_id, after, _BATCH)
        except DatabaseGone:
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > _PATIENCE:
                raise
            time.sleep(1.0)
            continue
        gone_since = None
        for event in batch:
            after = event.seq
            yield event
        if len(batch) < _BATCH:
            if over:
                return
            time.sleep(look)

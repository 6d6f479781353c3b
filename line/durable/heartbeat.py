"""A worker's sign of life, from a thread of its own: an event loop that is busy must not look dead."""

import threading
from contextlib import suppress

from andon.line.db import workers
from andon.line.db.database import Database
from andon.line.durable.worker_ids import bury
from andon.records.errors import RunError, UserError

EVERY = 2.0
"""Seconds between two beats."""


class Heartbeat:
    """Beats for one worker from `start` to `stop`."""

    def __init__(self, db: Database, worker: workers.Worker) -> None:
        self._db = db
        self._worker = worker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="andon-heartbeat", daemon=True)

    def start(self) -> None:
        """Beat once and go on in the thread.

        Raises:
            UserError: the database cannot be reached.
            RunError: `disk-failed`.
        """
        workers.beat(self._db, self._worker)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and take the worker's row away where the database can be reached."""
        self._over.set()
        # One that hangs on a lost database is left behind.
        self._thread.join(1.0)
        # The others see that this worker is silent.
        with suppress(UserError, RunError):
            workers.leave(self._db, self._worker.id)

    def _beat_on(self) -> None:
        while not self._over.wait(EVERY):
            # Broad: a thread that ended here would hand living runs to others, and the next beat tries again.
            with suppress(Exception):
                workers.beat(self._db, self._worker)
                bury(self._db)

"""The event stream of a run: a hash chain, shown to listeners as it grows, and here appended to one file."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andon.guardrails.redact import redacted_values
from andon.line.disk import writing
from andon.line.log.chain import genesis, sealed
from andon.records.events import TRANSIENT, EventKind, RunEvent
from andon.records.result import AuditHead

Listener = Callable[[RunEvent], None]


class EventStream:
    """Seals events and tells listeners of them; `_store` keeps them."""

    begun_anew = False
    """True if what is told now was done before and is done once more, since nothing was left to go on from."""

    def __init__(self, run_id: str, listeners: Sequence[Listener] = ()) -> None:
        """Begin the stream of the run."""
        self._listeners = list(listeners)
        self._seq = 0
        self._hash = genesis(run_id)
        self._anchor: AuditHead | None = None

    @property
    def head(self) -> AuditHead:
        """The last event of the stream."""
        return AuditHead(events=self._seq, head=self._hash)

    def anchor(self, head: AuditHead | None = None) -> AuditHead:
        """Return the head that the run's papers name: that of the first call, so that all of them name the same.

        `head` is what papers name that were made before this process.
        """
        self._anchor = self._anchor or head or self.head
        return self._anchor

    def emit(self, kind: EventKind, **data: Any) -> None:
        """Append one event and tell every listener, both without secrets; a transient one is told only.

        A listener that cannot write any more, as to a closed terminal, is told nothing further: it ends no run.

        Raises:
            RunError: `disk-failed` if the event cannot be stored; nobody is told of it then.
        """
        data = redacted_values(data)
        at = self._now()
        event = RunEvent(seq=0, at=at, kind=kind, data=data) if kind in TRANSIENT else self._append(kind, at, data)
        self._tell(event)

    def _now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _tell(self, event: RunEvent) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except OSError:
                self._listeners.remove(listener)

    def _append(self, kind: EventKind, at: str, data: dict[str, Any]) -> RunEvent:
        event = RunEvent(seq=self._seq + 1, at=at, kind=kind, data=data, prev=self._hash)
        line, digest = sealed(event.model_dump(mode="json", exclude={"hash"}))
        self._store(event, line)
        self._seq, self._hash = event.seq, digest
        return event.model_copy(update={"hash": digest})

    def _store(self, event: RunEvent, line: bytes) -> None:
        raise NotImplementedError

    async def flush(self) -> None:
        """Return once everything told so far is stored."""

    def close(self) -> None:
        """End the stream. Closing twice is fine."""


class EventLog(EventStream):
    """Appends events as JSON lines; a line is in the file before `emit` returns, whole or not at all."""

    def __init__(self, path: Path, listeners: Sequence[Listener] = ()) -> None:
        """Begin the stream at `path`, which must not exist yet and lies in a folder named by the run's id.

        Raises:
            RunError: `disk-failed` if it cannot be made.
        """
        super().__init__(path.parent.name, listeners)
        self._path = path
        with writing(path):
            self._file = path.open("xb", buffering=0)

    def _store(self, event: RunEvent, line: bytes) -> None:
        with writing(self._path):
            self._append_whole(line)

    def _append_whole(self, line: bytes) -> None:
        start = self._file.tell()
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            # Readers take the stream line by line; shrinking a file works on a full disk.
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), start)
                self._file.seek(start)
            raise

    def close(self) -> None:
        """End the stream. Closing twice is fine."""
        self._file.close()

"""The event stream of a run, appended to one file as a hash chain and shown to listeners as it grows."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andon.guardrails.redact import redacted_values
from andon.line.chain import genesis, sealed
from andon.line.disk import writing
from andon.records.events import TRANSIENT, EventKind, RunEvent
from andon.records.result import AuditHead

Listener = Callable[[RunEvent], None]


class EventLog:
    """Appends events as JSON lines; a line is in the file before `emit` returns, whole or not at all."""

    def __init__(self, path: Path, listeners: Sequence[Listener] = ()) -> None:
        """Begin the stream at `path`, which must not exist yet and lies in a folder named by the run's id.

        Raises:
            RunError: `disk-failed` if it cannot be made.
        """
        self._path = path
        with writing(path):
            self._file = path.open("xb", buffering=0)
        self._listeners = list(listeners)
        self._seq = 0
        self._hash = genesis(path.parent.name)
        self._anchor: AuditHead | None = None

    @property
    def head(self) -> AuditHead:
        """The last event stored."""
        return AuditHead(events=self._seq, head=self._hash)

    def anchor(self) -> AuditHead:
        """Return the head that the run's papers name: that of the first call, so that all of them name the same."""
        self._anchor = self._anchor or self.head
        return self._anchor

    def emit(self, kind: EventKind, **data: Any) -> None:
        """Append one event and tell every listener, both without secrets; a transient one is told only.

        A listener that cannot write any more, as to a closed terminal, is told nothing further: it ends no run.

        Raises:
            RunError: `disk-failed` if the event cannot be stored; nobody is told of it then.
        """
        data = redacted_values(data)
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = RunEvent(seq=0, at=at, kind=kind, data=data) if kind in TRANSIENT else self._append(kind, at, data)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except OSError:
                self._listeners.remove(listener)

    def _append(self, kind: EventKind, at: str, data: dict[str, Any]) -> RunEvent:
        event = RunEvent(seq=self._seq + 1, at=at, kind=kind, data=data, prev=self._hash)
        line, digest = sealed(event.model_dump(mode="json", exclude={"hash"}))
        with writing(self._path):
            self._append_whole(line)
        self._seq, self._hash = event.seq, digest
        return event.model_copy(update={"hash": digest})

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

"""The event stream of a run, appended to one file and shown to listeners as it grows."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andon.records.events import EventKind, RunEvent

Listener = Callable[[RunEvent], None]


class EventLog:
    """Appends events as JSON lines; a line is in the file before `emit` returns."""

    def __init__(self, path: Path, listeners: Sequence[Listener] = ()) -> None:
        """Begin the stream at `path`, which must not exist yet."""
        self._file = path.open("x", encoding="utf-8")
        self._listeners = tuple(listeners)
        self._seq = 0

    def emit(self, kind: EventKind, **data: Any) -> None:
        """Append one event and tell every listener."""
        self._seq += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = RunEvent(seq=self._seq, at=at, kind=kind, data=data)
        self._file.write(json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n")
        self._file.flush()
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        """End the stream. Closing twice is fine."""
        self._file.close()

"""The event stream of a run in the table that all workers share; `audit.jsonl` in its folder is a copy of that."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.guardrails.redact import redacted_values
from andon.line.db import events
from andon.line.db.database import Database
from andon.line.db.events import EventRow
from andon.line.disk import writing
from andon.line.durable.early_steps import FREE
from andon.line.durable.patience import patiently
from andon.line.log.chain import seal_of
from andon.line.log.event_log import EventStream, Listener
from andon.records.events import TRANSIENT, EventKind, Events, RunEvent

_LATER = 0.2
"""Seconds after which others see an event at the latest."""
_STEPS = ("step.started", "step.ended")


class TableLog(EventStream):
    """Appends to the table what `flush` is called for, and what is older than a moment.

    What the body of a run tells between its steps it tells again when it is run again. Each of these events has a
    place, counted from the steps before it, and one that is stored at its place is told nobody a second time. What is
    told inside a step is kept with its result too, and told again where it was not stored before its process died.
    """

    def __init__(
        self,
        db: Database,
        run_id: str,
        worker: str,
        path: Path,
        *,
        phase: int,
        attempt: int,
        listeners: Sequence[Listener] = (),
        remembering: Sequence[Listener] = (),
    ) -> None:
        """Go on with the stream of a run, whose file at `path` is written anew from the table.

        `remembering` are told of everything, also of what happened before; `listeners` only of what comes.
        """
        super().__init__(run_id, [*remembering, *listeners])
        self._db, self._run_id, self._worker, self._path = db, run_id, worker, path
        self._phase, self._attempt = phase, attempt
        self._buffer: list[EventRow] = []
        self._flushing = asyncio.Lock()
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed: Exception | None = None
        self._aside = 0
        self._steps = self._told_since = 0
        self._inside: list[tuple[str, str, str, dict[str, Any]]] = []
        self._again: tuple[str, str] | None = None
        stored = _all(db, run_id)
        mine = _of_phase(stored, phase)
        self._places = {row.place: (row.kind, _data(row)) for row in mine if row.place}
        self.begun_anew = bool(mine) and mine[0].place == self._anew
        """True if the phase was begun anew, here or before: see `begin_anew`."""
        self.begun = frozenset("{name}:{key}".format_map(_data(row)) for row in mine if row.kind == "step.started")
        """The steps of the phase, as `name:key`, that have begun since it was begun, here or before."""
        self.kept = any(row.kind == "step.ended" and _kept(_data(row)) for row in mine)
        """True if a step of the phase has ended since it was begun, so that a journal must have it."""
        self._concluding = False
        self.ended = bool(stored) and stored[-1].kind in ("run.ended", "run.parked")
        """True if the run had ended or waited when this process began: it goes on then."""
        self._load(stored, remembering)

    def _load(self, stored: Sequence[EventRow], remembering: Sequence[Listener]) -> None:
        with writing(self._path):
            self._path.write_bytes(b"".join(row.line.encode() + b"\n" for row in stored))
        for row in stored:
            event = RunEvent.model_validate(json.loads(row.line))
            for listener in remembering:
                listener(event)
        if stored:
            seal = seal_of(stored[-1].line.encode())
            self._seq, self._hash = stored[-1].seq, seal.hash if seal else ""

    @property
    def fresh(self) -> bool:
        """True if nothing was stored of this run."""
        return self._seq == 0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take what is told meanwhile as told inside a step."""
        self._aside += 1
        try:
            yield
        finally:
            self._aside -= 1

    @property
    def of_steps(self) -> Events:
        """The same stream for what is told inside steps alone."""
        return _OfSteps(self)

    def boundary(self) -> None:
        """Note that a step begins: what the body tells next has a place after it."""
        self._steps, self._told_since = self._steps + 1, 0
        self._inside.clear()

    def conclude(self) -> None:
        """Note that what is told from now on is how this attempt ends: another one does not pass there again."""
        self._concluding = True

    def begin_anew(self, text: str) -> None:
        """Warn that the phase goes on from nothing: what it told before is not what it tells now."""
        self._places.clear()
        self.begun = frozenset()
        self.begun_anew, self._again = True, (self._anew, super()._now())
        try:
            super().emit("warning", text=text)
        finally:
            self._again = None

    @property
    def _anew(self) -> str:
        return f"{self._phase}.anew"

    def told_inside(self) -> list[Any]:
        """Return what the step that runs has told, as JSON, for `tell_inside`."""
        return [list(one) for one in self._inside]

    def tell_inside(self, told: Sequence[Any]) -> None:
        """Tell what a step told whose result is stored, and whose events are not."""
        for place, at, kind, data in told:
            if place not in self._places:
                self._again = place, at
                try:
                    super().emit(kind, **data)
                finally:
                    self._again = None

    def emit(self, kind: EventKind, **data: Any) -> None:
        """See `EventStream.emit`; what the body told before is not told again.

        Raises:
            RunError, Fenced: events from before could not be stored.
        """
        if self._failed is not None:
            raise self._failed
        if self._told_before(kind, data):
            self._told_since += 1
            return
        super().emit(kind, **data)

    def _told_before(self, kind: EventKind, data: dict[str, Any]) -> bool:
        told = self._places.get(self._place_of(kind))
        if told is None or told[0] != kind:
            return False
        # Of steps that were not kept this attempt may have come to something else than the one before.
        return self.kept or told[1] == _as_stored(kind, data)

    def _place_of(self, kind: str) -> str:
        if self._again is not None:
            return self._again[0]
        if self._concluding or kind in _STEPS or kind in TRANSIENT or kind == "run.resumed":
            return ""
        if self._aside:
            return f"{self._phase}.{self._steps}!{self._attempt}.{len(self._inside)}"
        return f"{self._phase}.{self._steps}.{self._told_since}"

    def _now(self) -> str:
        return self._again[1] if self._again is not None else super()._now()

    def _store(self, event: RunEvent, line: bytes) -> None:
        place = self._place_of(event.kind)
        if self._again is None and place:
            if self._aside:
                self._inside.append((place, event.at, event.kind, event.data))
            else:
                self._told_since += 1
        self._buffer.append(EventRow(event.seq, event.at, event.kind, line.rstrip(b"\n").decode(), place))
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_LATER, self._flush_later)

    def _flush_later(self) -> None:
        self._later = None
        self._task = asyncio.ensure_future(self._quiet_flush())

    async def _quiet_flush(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001 - kept for the run, which is told with its next event
            self._failed = error

    async def flush(self) -> None:
        """Return once everything told so far is stored.

        Raises:
            Fenced: the run is another worker's.
            RunError: `database-gone`, `disk-failed`.
        """
        async with self._flushing:
            if self._failed is not None:
                raise self._failed
            rows = self._buffer
            if not rows:
                return
            self._buffer = []
            try:
                await patiently(lambda: events.append(self._db, self._run_id, self._worker, rows))
            except BaseException:
                self._buffer = rows + self._buffer
                raise
            with writing(self._path), self._path.open("ab", buffering=0) as file:
                file.write(b"".join(row.line.encode() + b"\n" for row in rows))

    def close(self) -> None:
        """End the stream; what was not flushed is not stored."""
        if self._later is not None:
            self._later.cancel()
            self._later = None


@dataclass(frozen=True)
class _OfSteps:
    log: TableLog

    def emit(self, kind: EventKind, **data: Any) -> None:
        with self.log.aside():
            self.log.emit(kind, **data)


def _data(row: EventRow) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(row.line)["data"]
    return data


def _as_stored(kind: EventKind, data: dict[str, Any]) -> Any:
    event = RunEvent(seq=0, at="", kind=kind, data=redacted_values(data))
    return json.loads(event.model_dump_json())["data"]


def _kept(ended: dict[str, Any]) -> bool:
    return ended["outcome"] == "done" and ended["name"] not in FREE


def _of_phase(stored: Sequence[EventRow], phase: int) -> Sequence[EventRow]:
    """Return what was told since the phase was begun, or begun anew."""
    begun = next((at for at, row in enumerate(stored) if row.place.startswith(f"{phase}.")), len(stored))
    anew = [at for at, row in enumerate(stored) if row.place == f"{phase}.anew"]
    return stored[anew[-1] if anew else begun :]


def _all(db: Database, run_id: str) -> list[EventRow]:
    rows: list[EventRow] = []
    while more := events.after(db, run_id, rows[-1].seq if rows else 0, 5000):
        rows += more
    return rows

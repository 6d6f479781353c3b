"""The one append-only stream of a run; every view (audit.jsonl, progress, JSON events) is made from it."""

from typing import Any, Literal, Protocol

from andon.records.base import Record

EventKind = Literal[
    "run.started", "run.parked", "run.resumed", "run.ended", "step.started", "step.ended", "phase", "warning",
    "agent.started", "model.delta", "model.retried", "model.answered", "tool.called", "tool.refused", "handoff",
    "handoff.refused", "review.given", "check.ended", "tree.taken", "gate.answered", "setup.ended",
    "effect.undone", "effect.held", "effect.applied", "approval.asked", "plan.amended", "budget.note",
    "person.said", "file.changed", "role.nudged", "stream.opened",
]  # fmt: skip

TRANSIENT: frozenset[EventKind] = frozenset({"model.delta", "stream.opened"})
"""Shown to whoever listens and never stored: pieces of what a later event holds whole, and how a stream begins."""


class RunEvent(Record):
    """One thing that happened."""

    seq: int
    """From 1, without gaps; 0 for what is shown and not stored."""
    at: str
    """UTC, ISO 8601 with milliseconds."""
    kind: EventKind
    """What happened."""
    data: dict[str, Any]
    """Its facts; JSON values only."""
    prev: str = ""
    """Hash of the event before, SHA-256 in hex; empty for what is not stored, and in streams of older versions."""
    hash: str = ""
    """Hash of this event as it is stored, `prev` included."""


class Events(Protocol):
    """Where rooms report what happens. Handed down from the line."""

    def emit(self, kind: EventKind, **data: Any) -> None:
        """Append one event, or only show it if it is transient."""
        ...

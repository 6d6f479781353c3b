"""One pass along the chain of an audit log: how far it holds, and what is wrong with the first line where it does not.

It is defined in `chain.py`. Memory does not grow with the log.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from andon.line.log.chain import Seal, genesis, seal_of
from andon.line.views.run_log import LARGEST, event_of, lines

Fault = Literal["edited", "removed", "reordered", "added", "truncated", "head-differs", "another-run"]


@dataclass(frozen=True)
class Broken:
    """What is wrong."""

    fault: Fault
    line: int | None
    """The first line that is not as it was written, from 1; None where it is not a line of the log."""
    problem: str


@dataclass
class Walked:
    """What a pass found."""

    events: int = 0
    """Events of the chain, up to where it breaks."""
    head: str = ""
    """Hash of the last of them."""
    run_id: str = ""
    """As the first event names it."""
    chained: bool = True
    """False if no line carries a hash: an older andon wrote it, or somebody took them away."""
    ended: bool = False
    """Whether the last event is the run's end."""
    torn: bool = False
    """Whether the last line was not written whole."""
    broken: Broken | None = None
    hashes: dict[int, str] = field(default_factory=dict)
    """By event, those asked for."""
    places: dict[str, int] = field(default_factory=dict)
    """Events by hash, those asked for."""


def walk(stream: BinaryIO, events: Collection[int] = (), hashes: Collection[str] = ()) -> Walked:
    """Follow the chain from its first line. `events` and `hashes` are what the caller wants to find in it."""
    walked, rest = Walked(), lines(stream)
    for line in rest:
        if not line.endswith(b"\n"):
            walked.torn = len(line) < LARGEST
            walked.broken = None if walked.torn else Broken("edited", walked.events + 1, "it is longer than any event")
            break
        event, seal = event_of(line), seal_of(line[:-1])
        if walked.events == 0 and event is not None and not {"prev", "hash"} & event.keys():
            return _unchained(walked, rest)
        walked.broken = _fault(walked, event, seal, rest)
        if event is None or seal is None or walked.broken:
            break
        _follow(walked, event, seal)
        if walked.events in events:
            walked.hashes[walked.events] = seal.hash
        if seal.hash in hashes:
            walked.places[seal.hash] = walked.events
    return walked


def _follow(walked: Walked, event: dict[str, Any], seal: Seal) -> None:
    walked.events, walked.head, walked.ended = walked.events + 1, seal.hash, event["kind"] == "run.ended"
    if walked.events == 1:
        walked.run_id = str(event["data"].get("run", ""))


def _fault(walked: Walked, event: dict[str, Any] | None, seal: Seal | None, rest: Iterator[bytes]) -> Broken | None:
    number = walked.events + 1
    if walked.ended and not (event is not None and event["kind"] == "run.resumed"):
        return Broken("added", number, "it comes after the end of the run")
    if event is None or seal is None:
        return Broken("edited", number, "it is no event with its hash at the end")
    if seal.real != seal.hash:
        return Broken("edited", number, "its text is not what its hash was made of")
    if seal.prev == (walked.head or genesis(str(event["data"].get("run", "")))):
        return None if event["seq"] == number else Broken("edited", number, f"it says it is event {event['seq']}")
    return _misplaced(number, event, rest)


def _misplaced(number: int, event: dict[str, Any], rest: Iterator[bytes]) -> Broken:
    seq = event["seq"]
    if seq > number:
        later = (other for line in rest if (other := event_of(line)) is not None)
        if any(other["seq"] == number for other in later):
            return Broken("reordered", number, f"it is event {seq}, and event {number} comes later")
        gone = f"event {number} is" if seq == number + 1 else f"events {number} to {seq - 1} are"
        return Broken("removed", number, f"it is event {seq}: {gone} missing before it")
    if seq < number:
        return Broken("added", number, f"it is event {seq}: a line was added before it, or it was repeated")
    if number == 1:
        return Broken("edited", number, "it does not begin the chain of the run it names")
    return Broken("edited", number, "it does not follow the line before: one of the two was written anew")


def _unchained(walked: Walked, rest: Iterator[bytes]) -> Walked:
    """Tell a log without any hash from one whose first line lost it."""
    walked.chained = any(seal_of(line.rstrip(b"\n")) is not None for line in rest)
    if walked.chained:
        walked.broken = Broken("edited", 1, "it carries no hash, and later lines do")
    return walked

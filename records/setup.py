"""What the set-up phase of a run did: dependencies of the base commit, installed before anybody works."""

from typing import Literal

from pydantic import Field

from andon.records.base import Record


class HostAsked(Record):
    """One server the set-up phase asked for."""

    host: str
    """Name or address, as it was asked for; `(not a host name)` where it was none."""
    port: int
    """TCP port; 0 where none was named."""
    outcome: Literal["allowed", "refused"]
    """Whether it was connected to."""
    reason: str = ""
    """Why it was refused."""
    count: int = 1
    """How often it was asked."""


class SetupFacts(Record):
    """One set-up phase, ended well; a failed one ends the run."""

    digest: str
    """Names the result: lock files, manifests, command and base make it."""
    origins: list[str]
    """What it was made from: lock files, or `factory/andon.toml`."""
    cached: bool
    """True if an earlier run had made it; nobody was asked then."""
    seconds: float
    """Wall time of the phase that made it."""
    hosts: list[HostAsked] = Field(default_factory=list)
    """The servers asked when it was made, sorted."""

"""What scanners found in a change: security findings that are new, dependencies with known vulnerabilities."""

from typing import Literal

from pydantic import Field

from andon.records.base import Record


class SecurityFinding(Record):
    """One finding of bandit at the head that is not at the base. Its words are the scanner's, never the code's."""

    path: str
    """The file; undecodable bytes as `\\xNN`."""
    line: int
    """Where it begins, from 1."""
    test_id: str
    """`B602`."""
    severity: Literal["medium", "high"]
    """What is below medium is not recorded."""
    text: str
    """What the test looks for, by the scanner's own name of it: `subprocess popen with shell equals true`."""


class VulnerableDependency(Record):
    """One package at a version for which an advisory is known."""

    name: str
    """As its lock file names it."""
    version: str
    """The pinned version."""
    advisory: str
    """`PYSEC-2018-28`, `GHSA-…`."""
    fixed_in: list[str] = Field(default_factory=list)
    """Versions that mend it, oldest first; empty where none is known."""
    new: bool = False
    """True if the base does not pin this version of it."""


class DependencyAudit(Record):
    """What an audit of the pinned dependencies of a tree showed."""

    outcome: Literal["clean", "vulnerable", "partly-audited", "not-audited"]
    """`clean`: every package was audited and none is known to be vulnerable. `partly-audited`: none of those that were.
    """
    reason: str = ""
    """Why nothing was audited, and what would let it; empty where something was."""
    audited: int = 0
    """How many packages were."""
    vulnerable: list[VulnerableDependency] = Field(default_factory=list)
    """Sorted by name, version and advisory."""
    not_audited: list[str] = Field(default_factory=list)
    """`NAME: REASON` for what was left out; never counted as clean."""

    @property
    def brought_in(self) -> list[VulnerableDependency]:
        """The vulnerable ones that the change brings in."""
        return [one for one in self.vulnerable if one.new]

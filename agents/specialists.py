"""What a specialised reviewer ends its look with: an agent of the role `reviewer` that looks before the reviewer."""

from pydantic import Field

from andon.records.base import Record
from andon.records.review import Finding


class PassedOn(Record):
    """What it hands to whoever looks next."""

    summary: str = Field(min_length=1)
    """What you looked at and found, in one or two sentences."""
    findings: list[Finding]
    """Empty, notes, or what must be fixed."""

"""What `andon doctor` found: one result a check, and how far a repository has come with its factory."""

from typing import Literal

from pydantic import Field

from andon.records.base import Record

Severity = Literal["ok", "note", "warning", "error", "skipped"]
"""`note`: worth knowing; `warning`: something will be missed; `error`: it stops runs; `skipped`: not looked at."""


class CheckResult(Record):
    """One check, made."""

    id: str
    """Stable, in parts from general to special: `sandbox.docker.start`."""
    severity: Severity
    """What it means for a run."""
    did: str
    """What was done."""
    found: str
    """What was found; where it was skipped, why."""
    remedy: str = ""
    """The next step, mostly a command; empty where there is nothing to do."""
    outcome: str = ""
    """One word for programs where a check can end in several ways, as `wrong-key`; else empty."""
    seconds: float = 0.0
    """How long it took."""


class Examination(Record):
    """What `andon doctor --json` prints."""

    schema_version: Literal[2] = 2
    """Version of this document."""
    sandbox: str
    """The tier that was asked for: `auto`, `docker` or `bubblewrap`."""
    uses: str
    """The tier a run would use; empty where none works, or none was looked at."""
    exit_code: Literal[0, 2, 50]
    """0: a run could begin here; 50: no sandbox works; 2: something else that stops runs is missing."""
    checks: list[CheckResult]
    """In a stable order."""


class MaturityItem(Record):
    """One item of the guide's checklist, judged from facts."""

    number: int = Field(ge=1, le=10)
    """Its place in the guide."""
    item: str
    """The guide's words."""
    answer: Literal["yes", "partly", "no"]
    """How far it is done."""
    evidence: list[str]
    """The facts it was judged by, and those that are missing; a sentence each."""
    next_step: str = ""
    """What would bring it further; empty where the answer is yes."""


class Maturity(Record):
    """What `andon doctor --maturity --json` prints."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    repository: str
    """The work tree."""
    commit: str
    """The commit that was read."""
    items: list[MaturityItem]
    """All ten, in the guide's order."""

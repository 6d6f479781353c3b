"""Evidence: what a check showed at a tree, and what two such records show together."""

from typing import Literal

from pydantic import Field

from andon.records.base import Record

TestOutcome = Literal["passed", "failed", "error", "skipped"]
Granularity = Literal["test-id", "file", "exit-code"]


class CheckRecord(Record):
    """One command, run by the line in a fresh sandbox on one tree. Nothing a model said is in here."""

    name: str
    """The command as people read it: `pytest`, `ruff check .`."""
    kind: Literal["test", "static"]
    """What a pass of it shows."""
    tree: str
    """Git tree id it ran on."""
    argv: tuple[str, ...]
    """What was run."""
    outcome: Literal["passed", "failed", "timed-out", "not-run"]
    """`not-run`: the program is missing in the sandbox, or no test was found."""
    exit_code: int | None
    """None where nothing ran."""
    granularity: Granularity
    """How finely `tests` tells results apart."""
    tests: dict[str, TestOutcome] = Field(default_factory=dict)
    """Result by test id, sorted; empty at granularity `exit-code`."""
    flaky: list[str] = Field(default_factory=list)
    """Ids whose second run on the same tree ended differently; a red run is always made twice."""
    excerpt: str = ""
    """The end of the output, cleaned, for people."""
    seconds: float = 0.0
    """Wall time."""
    sandbox: str = ""
    """The tier it ran in."""


class Comparison(Record):
    """What the checks at base and head show together: a row of the table of DESIGN §5."""

    outcome: Literal["green", "red-as-before", "red-new", "changed-tests", "none", "flaky"]
    """The row."""
    newly_failing: list[str] = Field(default_factory=list)
    """Passed at the base, fails at the head (or is new and fails)."""
    still_failing: list[str] = Field(default_factory=list)
    """Failed at the base and still does."""
    fixed: list[str] = Field(default_factory=list)
    """Failed at the base and passes at the head."""
    new_passing: list[str] = Field(default_factory=list)
    """New at the head and passing."""
    new_failing_at_base: list[str] = Field(default_factory=list)
    """New tests that pass at the head and fail when put on the base: they show the change."""
    gone: list[str] = Field(default_factory=list)
    """At the base, passed or red, and no longer there or skipped."""
    edited: list[str] = Field(default_factory=list)
    """Pass at the head only because the test was edited: the base's version of them fails on the head's code."""
    flaky: list[str] = Field(default_factory=list)
    """Differ on a second run at the same tree, of base or head."""
    reason: str = ""
    """The row in words, for people and for the reviewer."""


class TestResult(Record):
    """`test-result.json`: every check record of the run and their comparison."""

    __test__ = False  # not a test class, whatever its name says to pytest

    schema_version: int = 1
    """Version of this document."""
    base: list[CheckRecord]
    """At the base tree."""
    head: list[CheckRecord] = Field(default_factory=list)
    """At the delivered tree."""
    comparison: Comparison | None = None
    """None where the run ended before a head existed."""

"""Evidence: what a check showed at a tree, and what two such records show together."""

from collections import Counter
from collections.abc import Sequence, Set
from typing import Literal

from pydantic import Field

from andon.records.base import Record
from andon.records.scans import DependencyAudit, SecurityFinding

TestOutcome = Literal["passed", "failed", "error", "skipped"]
Granularity = Literal["test-id", "file", "finding", "exit-code"]


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
    """`not-run`: the program is missing in the sandbox, it could not begin, or no test was found."""
    reason: str = ""
    """Why nothing ran, and what would let it; empty where something ran."""
    exit_code: int | None
    """None where nothing ran."""
    granularity: Granularity
    """How finely `tests` tells results apart."""
    tests: dict[str, TestOutcome] = Field(default_factory=dict)
    """Result by test id, sorted; empty at granularity `exit-code`. At `finding`: what a linter found, all `failed`."""
    counts: dict[TestOutcome, int] = Field(default_factory=dict)
    """How many tests ended in each way, where `tests` leaves some out; empty where it holds all."""
    flaky: list[str] = Field(default_factory=list)
    """Ids whose second run on the same tree ended differently; a red run is always made twice."""
    excerpt: str = ""
    """The end of the output, cleaned, for people."""
    seconds: float = 0.0
    """Wall time."""
    sandbox: str = ""
    """The tier it ran in."""

    @property
    def counted(self) -> dict[TestOutcome, int]:
        """How many tests ended in each way, whether `tests` holds them all or not."""
        return self.counts or dict(Counter(self.tests.values()))

    def without(self, tests: Set[str]) -> "CheckRecord":
        """Return this record with `tests` left out; the counts stay."""
        kept = {test: outcome for test, outcome in self.tests.items() if test not in tests}
        return self if len(kept) == len(self.tests) else self.model_copy(update={"tests": kept, "counts": self.counted})


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
    new_passing_at_base: list[str] = Field(default_factory=list)
    """New tests that pass at the head and when put on the base: they show that something stays as it was."""
    strengthened: list[str] = Field(default_factory=list)
    """Edited tests that pass at the head and whose new version fails when put on the base: they show the change too."""
    gone: list[str] = Field(default_factory=list)
    """At the base, passed or red, and no longer there or skipped."""
    edited: list[str] = Field(default_factory=list)
    """Pass at the head only because the test was edited: the base's version of them fails on the head's code."""
    flaky: list[str] = Field(default_factory=list)
    """Differ on a second run at the same tree, of base or head."""
    weakened: list[str] = Field(default_factory=list)
    """How tests of the base were weakened, a sentence each: `FILE::TEST: KIND: WHAT`, accepted by a person or not."""
    security: list[SecurityFinding] = Field(default_factory=list)
    """New findings of the security scan, medium or worse, worst first."""
    security_scan: str = Field(default="", pattern=r"^(|clean|findings|not-run: .+)$")
    """`clean`, `findings`, or `not-run: WHY`; empty in documents of before there was a scan."""
    not_scanned: list[str] = Field(default_factory=list)
    """`FILE: WHY` for changed Python files the scan could not read."""
    dependencies: DependencyAudit | None = None
    """The audit of the head's dependencies; None where the change touches no lock file and no audit is wanted."""
    reason: str = ""
    """The row in words, for people and for the reviewer."""

    @property
    def shows_the_change(self) -> bool:
        """True if a test that is red on the base's code passes at the head."""
        return bool(self.fixed or self.new_failing_at_base or self.strengthened)

    @property
    def insecure(self) -> bool:
        """True if the change adds a security finding, or brings in a dependency known to be vulnerable."""
        return bool(self.security or (self.dependencies and self.dependencies.brought_in))


class TestResult(Record):
    """`test-result.json`: every check record of the run and their comparison.

    Tests that passed, at base and head alike where there are both, are only counted (`CheckRecord.counts`).
    Version 1 held them all and has no counts, version 2 no scans and weakened tests; both load as they are.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    schema_version: Literal[1, 2, 3] = 3
    """Version of this document."""
    base: list[CheckRecord]
    """At the base tree."""
    head: list[CheckRecord] = Field(default_factory=list)
    """At the delivered tree."""
    comparison: Comparison | None = None
    """None where the run ended before a head existed."""

    @classmethod
    def of(
        cls, base: Sequence[CheckRecord], head: Sequence[CheckRecord], comparison: Comparison | None
    ) -> "TestResult":
        """Return the document of these records; tests that passed throughout are left out, and counted."""
        before, after = _passed(base), _passed(head)
        left_out = {
            name: before.get(name, set[str]()) & after.get(name, set[str]()) if head else passed
            for name, passed in (after | before).items()
        }
        return cls(
            base=[record.without(left_out[record.name]) for record in base],
            head=[record.without(left_out[record.name]) for record in head],
            comparison=comparison,
        )


def _passed(records: Sequence[CheckRecord]) -> dict[str, set[str]]:
    return {record.name: {test for test, outcome in record.tests.items() if outcome == "passed"} for record in records}

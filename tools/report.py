"""What a test runner's report says, whatever runner wrote it."""

import re
from dataclasses import dataclass, field

from andon.guardrails.output import clean_text
from andon.records.checks import TestOutcome

_WORST: tuple[TestOutcome, ...] = ("error", "failed", "passed", "skipped")
_DURATION = re.compile(r"\b\d+(\.\d+)?\s?(ms|µs|s|sec|secs|seconds?|m)\b|\(\d+\.\d+\)")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_LINES = 25


@dataclass(frozen=True)
class Report:
    """What a report says of every test."""

    tests: dict[str, TestOutcome]
    """Outcome by test id, sorted; what cannot be loaded or compiled is an `error` under the part its ids begin with."""
    failures: dict[str, str]
    """For those that failed: where, and what the runner explains; without versions, durations or addresses."""


@dataclass
class Gathering:
    """Collects results as they are read; of several under one id the worst counts."""

    tests: dict[str, TestOutcome] = field(default_factory=dict)
    """The worst outcome of each id."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Every explanation of each id."""

    def add(self, name: str, outcome: TestOutcome, text: str = "") -> None:
        """Count one result; `text` explains a failure."""
        name = printable(name)
        before = self.tests.get(name)
        self.tests[name] = outcome if before is None else min(before, outcome, key=_WORST.index)
        if text:
            self.failures.setdefault(name, []).append(text)

    def report(self) -> Report:
        """Return everything that was added, sorted by id."""
        failures = {name: "\n".join(self.failures[name]) for name in sorted(self.failures)}
        return Report(dict(sorted(self.tests.items())), failures)


def printable(text: str) -> str:
    """Return a name with its control characters spelled out, so that it begins no line of its own."""
    return "".join(character if ord(character) >= 32 else f"\\x{ord(character):02x}" for character in text)


def shortened(lines: list[str]) -> list[str]:
    """Return the first lines of an explanation, and how many were cut."""
    if len(lines) <= _LINES:
        return lines
    cut = len(lines) - _LINES
    return [*lines[:_LINES], f"[… {cut} lines cut; run the test alone with run_command to see them]"]


def steady(text: str) -> str:
    """Return text without memory addresses, which differ from run to run."""
    return _ADDRESS.sub("0x…", text)


def timeless(text: str) -> str:
    """Return text with every duration shown as `<time>`."""
    return _DURATION.sub("<time>", text)


def plain_lines(text: str) -> list[str]:
    """Return the lines of a runner's text, cleaned, without empty ones at either end."""
    return clean_text(text).strip("\n").split("\n")

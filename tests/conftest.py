"""Prints each suite's share of the time: where a slow run spends it."""

import os
from collections import defaultdict
from pathlib import Path

import pytest

# Sandboxes of the tier that starts in a tenth of the time, where a test does not name one itself.
os.environ.setdefault("ANDON_SANDBOX", "bubblewrap")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum the durations by folder of tests/."""
    shares: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                parts = Path(report.nodeid.partition("::")[0]).parts
                shares[parts[1] if len(parts) > 2 else "layout and package"] += report.duration
    if shares:
        terminalreporter.section("seconds by suite")
    for name, seconds in sorted(shares.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")

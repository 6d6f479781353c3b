"""The rows of the table of DESIGN §5: which one holds for what was seen, and its reason in words."""

from collections.abc import Sequence
from typing import NamedTuple

from andon.records.checks import CheckRecord, Comparison

NOTHING_SHOWN = "no test shows the change: none that is red on the base's code passes here"
"""Stands in the reason of a green or red-as-before row where no record shows the change."""


class Ran(NamedTuple):
    """What of the checks at the head ran."""

    tests: int
    """Test results that count."""
    static: bool
    """Whether a static check ran."""
    static_declined: bool
    """Whether none is wanted."""


class OpenChanges(NamedTuple):
    """What became of tests of the base that no person accepted."""

    gone: list[str]
    edited: list[str]
    weakened: list[str]

    def told(self) -> str:
        """Return it in words; empty where there is nothing."""
        parts = [f"{_count(self.gone)} of the base gone or skipped: {some(self.gone)}"] if self.gone else []
        if self.edited:
            verb = _verb(self.edited, "passes", "pass")
            parts.append(f"{_count(self.edited)} {verb} only because the test was edited: {some(self.edited)}")
        if self.weakened:
            count = (
                "1 test of the base is" if len(self.weakened) == 1 else f"{len(self.weakened)} tests of the base are"
            )
            parts.append(f"{count} weaker: {some(self.weakened)}")
        return "; ".join(parts)


def row_of(
    seen: Comparison,
    changed: OpenChanges,
    head: Sequence[CheckRecord],
    unsettled: list[str],
    ran: Ran,
    commands: set[str],
) -> tuple[str, str]:
    """Return the row and its reason.

    `seen` holds the names, `changed` those a person decides on, `unsettled` those that flakiness leaves open,
    `commands` the names that stand for a whole command of which nothing finer is known.
    """
    if seen.newly_failing:
        names = some(seen.newly_failing)
        return "red-new", f"{_count(seen.newly_failing)} failed at the head and did not fail at the base: {names}"
    if told := changed.told():
        return "changed-tests", told
    missing = [] if ran.tests or seen.flaky else ["no test"]
    missing += [] if ran.static or ran.static_declined else ["no static check"]
    if missing:
        return "none", " and ".join(missing) + " could run: that is no evidence"
    if unsettled:
        verb = _verb(unsettled, "differs", "differ")
        return "flaky", f"{_count(unsettled)} {verb} on a second run at the same tree: {some(unsettled)}"
    if not ran.tests:
        return "flaky", "no test is left that does not differ from run to run"
    unseen = [exit_code_id(one) for one in head if one.kind == "test" and one.granularity == "exit-code"]
    if blind := [name for name in seen.still_failing if name in unseen]:
        return "none", (
            f"{some(blind)} failed at the base and still does, known by exit code alone: "
            "nothing shows that nothing new fails inside it"
        )
    if seen.still_failing:
        blunt = [name for name in seen.still_failing if name in commands]
        note = f"; by exit code alone, so a new failure inside would not show: {some(blunt)}" if blunt else ""
        count = f"{_count(seen.still_failing)} failed at the base and still {_verb(seen.still_failing, 'does', 'do')}"
        return "red-as-before", f"nothing new fails; {count}: {some(seen.still_failing)}{note}"
    tests = "the one test result" if ran.tests == 1 else f"all {ran.tests} test results"
    if not ran.static:
        return "green", f"{tests} {'passes' if ran.tests == 1 else 'pass'}; no static check, by the project's settings"
    return "green", f"{tests} and every static check pass"


def exit_code_id(record: CheckRecord) -> str:
    """Return the name that stands for a whole command."""
    return exit_code_of(record.name)


def exit_code_of(name: str) -> str:
    """Return the same for the name of a command."""
    return f"{name} (exit code)"


def _count(names: list[str]) -> str:
    return "1 check result" if len(names) == 1 else f"{len(names)} check results"


def _verb(names: list[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

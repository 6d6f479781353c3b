"""What the checks of the base mean for a run that has not begun: told before a model is paid."""

from collections.abc import Sequence

from andon.line.evidence.comparison import compare, results
from andon.records.checks import CheckRecord

_SETTINGS = "factory/andon.toml, and commit it: settings are read from the base commit"
_NO_EVIDENCE = (
    "as the base stands, no run from it is delivered without a person (exit 10), unless the change itself mends this: "
    "{reason}. Name checks that run here under [checks] in " + _SETTINGS
)
_NOTHING_PASSES = (
    "not one test passes at the base: what a change breaks does not show, and it is delivered without a person only if "
    "it makes a test pass. If the tests lack something here, name others under [checks] in " + _SETTINGS
)
_TIMED_OUT = "{name} was stopped at the time limit at the base: raise check_seconds under [limits] in " + _SETTINGS


def base_warnings(base: Sequence[CheckRecord], *, static_declined: bool) -> list[str]:
    """Return why checks did not run or ended early, and why a run from this base may not end in a delivery."""
    return [*(text for record in base if (text := _of(record))), *_outlook(base, static_declined=static_declined)]


def _of(record: CheckRecord) -> str:
    if record.outcome == "not-run":
        return f"{record.name} was not run at the base: {record.reason or 'nothing says why'}"
    return _TIMED_OUT.format(name=record.name) if record.outcome == "timed-out" else ""


def _outlook(base: Sequence[CheckRecord], *, static_declined: bool) -> list[str]:
    unchanged = compare(base, base, static_declined=static_declined)
    if unchanged.outcome == "none":
        return [_NO_EVIDENCE.format(reason=unchanged.reason)]
    tests = results([record for record in base if record.kind == "test"])
    return [_NOTHING_PASSES] if tests and "passed" not in tests.values() else []

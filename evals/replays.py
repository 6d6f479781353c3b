"""The offline eval: every shipped cassette replayed as a whole run and held against what it gave when recorded."""

import json
import tempfile
from pathlib import Path
from typing import Any

from andon.evals.sample_project import sample_names
from andon.evals.sample_run import CASSETTES, replay
from andon.records.base import Record
from andon.records.errors import RunError, UserError
from andon.records.result import RunResult


class Expected(Record):
    """What a recorded run gave; `NAME.expected.json` beside its cassette."""

    stop_code: str
    """How it ended."""
    exit_code: int
    """What its process returned; not 0 where the sample is one that must not be delivered."""
    review_rounds: int
    """How many reviews were held."""
    checks: str
    """What the checks showed."""
    tree: str
    """Git tree id of the change, empty where there was none; a sample's base commit is the same on every machine."""


class Outcome(Record):
    """How one cassette did."""

    name: str
    """The cassette."""
    passed: bool
    """True if the run gave what was recorded and every answer was played."""
    differences: list[str]
    """What differs, in words; the drift report where the run asked something else."""
    answered_by: str
    """Who answered when it was recorded. An answer to an old prompt is no evidence about a new one."""


def expected_of(result: RunResult) -> Expected:
    """Return what a run gave, in the terms of the comparison."""
    outcome = result.checks.outcome if result.checks else "none"
    return Expected(
        stop_code=result.stop_code,
        exit_code=result.exit_code,
        review_rounds=result.review_rounds,
        checks=outcome,
        tree=result.tree or "",
    )


def cassette_names() -> list[str]:
    """Return the names of the shipped cassettes, sorted."""
    return sorted(path.name.removesuffix(".yaml") for path in CASSETTES.iterdir() if path.name.endswith(".yaml"))


async def evaluate(name: str) -> Outcome:
    """Replay one cassette in a temporary repository and compare.

    Raises:
        UserError: there is no such cassette, or no sample of its name.
    """
    if name not in cassette_names():
        raise UserError(f"there is no cassette {name!r}; there is: {', '.join(cassette_names())}")
    if name not in sample_names():
        raise UserError(f"the cassette {name!r} is of no sample; the samples are: {', '.join(sample_names())}")
    stored = json.loads((CASSETTES / f"{name}.expected.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="andon-eval-") as folder:
        try:
            result = await replay(Path(folder) / name, name=name, cassettes=CASSETTES, run_id="eval")
        except RunError as error:
            return Outcome(name=name, passed=False, differences=[str(error)], answered_by="")
    differences = _differences(Expected.model_validate(stored), expected_of(result))
    return Outcome(name=name, passed=not differences, differences=differences, answered_by=result.answered_by)


def _differences(wanted: Expected, got: Expected) -> list[str]:
    before: dict[str, Any] = wanted.model_dump()
    return [
        f"{field}: recorded {before[field]!r}, now {now!r}"
        for field, now in got.model_dump().items()
        if before[field] != now
    ]

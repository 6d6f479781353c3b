"""What it costs that runs outlive their process and that many of them are there at once."""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_job import make_repository
from andon.evals.bench_processes import bench_environment, run_timed
from andon.evals.bench_resume import measure_resume
from andon.evals.bench_serve import measure_serve
from andon.evals.bench_stock import stock
from andon.line.db.database import Database, database_url
from andon.sandbox.repository import Repository

_STEPS = 100
_STOCK = {"queued": 5000, "parked": 1000, "ended": 4000}


def _measure(runs: int) -> dict[str, Measured]:
    return {
        "line.step_ms": _step(runs),
        **measure_resume(runs),
        **measure_serve(),
        "line.status_10k_s": _status(runs),
    }


def _step(runs: int) -> Measured:
    found: list[dict[str, float]] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
            command = [sys.executable, "-m", "andon.evals.bench_steps", name, str(_STEPS)]
            found.append(json.loads(run_timed(command, cwd=Path(name), environment=bench_environment()).output))
    bare = median(each["bare_ms"] for each in found)
    return Measured(median(each["durable_ms"] - each["bare_ms"] for each in found), bare)


def _status(runs: int) -> Measured:
    environment = bench_environment()
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        full, empty = Path(name, "full"), Path(name, "empty")
        make_repository(full)
        make_repository(empty)
        db = Database.open(database_url({}, full))
        stock(db, Repository.open(full), **_STOCK)
        db.close()
        seconds: dict[Path, list[float]] = {full: [], empty: []}
        for _ in range(runs):
            for root, taken in seconds.items():
                command = [sys.executable, "-m", "andon", "status", "-C", str(root)]
                taken.append(run_timed(command, cwd=Path(name), environment=environment).seconds)
    return Measured(median(seconds[full]), median(seconds[empty]))


LINE = Group(
    {
        "line.step_ms": Goal("ms", "<=", 15),
        "line.resume_s": Goal("s", "<=", 4),
        "line.parallel_8": Goal("share", ">=", 0.9),
        "line.mb_per_run": Goal("MB", "<=", 15),
        "line.status_10k_s": Goal("s", "<=", 1),
    },
    _measure,
)
"""Beside: the same step without a journal; a bare loop from its start to its first request; one run alone, its seconds
without its sandboxes and its worker's megabytes; `andon status` where no run is."""

"""How long the command needs to say something that needs no agent."""

import sys
import tempfile
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_processes import bench_environment, run_timed


def _measure(runs: int) -> dict[str, Measured]:
    environment = bench_environment()
    helps: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(runs):
            for words, seconds in ((["-m", "andon", "--help"], helps), (["-c", "pass"], bare)):
                done = run_timed([sys.executable, *words], cwd=Path(name), environment=environment)
                seconds.append(done.seconds)
    return {"cli.help_s": Measured(median(helps), baseline=median(bare))}


CLI = Group({"cli.help_s": Goal("s", "<=", 0.25)}, _measure)
"""`andon --help`, process start to exit, beside a bare interpreter."""

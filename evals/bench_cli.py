"""How long the command needs to say something that needs no agent."""

import sys
import tempfile
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_job import make_repository
from andon.evals.bench_processes import bench_environment, run_timed


def _measure(runs: int) -> dict[str, Measured]:
    environment = bench_environment()
    seconds: dict[str, list[float]] = {name: [] for name in ("help", "status", "bare", "git")}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "repository")
        make_repository(root)
        commands = {
            "help": [sys.executable, "-m", "andon", "--help"],
            "status": [sys.executable, "-m", "andon", "status", "-C", str(root)],
            "bare": [sys.executable, "-c", "pass"],
            "git": ["git", "-C", str(root), "status"],
        }
        for _ in range(runs):
            for what, command in commands.items():
                seconds[what].append(run_timed(command, cwd=Path(name), environment=environment).seconds)
    return {
        "cli.help_s": Measured(median(seconds["help"]), baseline=median(seconds["bare"])),
        "cli.status_s": Measured(median(seconds["status"]), baseline=median(seconds["git"])),
    }


CLI = Group({"cli.help_s": Goal("s", "<=", 0.25), "cli.status_s": Goal("s", "<=", 0.5)}, _measure)
"""Process start to exit: `andon --help` beside a bare interpreter, `andon status` beside `git status`."""

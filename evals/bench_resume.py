"""A run that was killed goes on: how long until its model is asked for what it had not answered."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Measured
from andon.evals.bench_job import LANE_ANSWERS, TASK, make_repository, run_floor
from andon.evals.bench_processes import MeasurementFailed, bench_environment, run_timed
from andon.evals.bench_server import ScriptedServer

_LOST = 5
"""Which request is not answered: the one after the edit."""
_MOST = 3
_PATIENCE = 120.0


class _Killing(ScriptedServer):
    """Kills whoever asks for the answer `_LOST` the first time; it is given when it is asked for again."""

    def __init__(self) -> None:
        super().__init__(LANE_ANSWERS)
        self.killed = False
        self._victim = 0
        self._known = threading.Event()

    def will_kill(self, group: int) -> None:
        """Name the process group to kill; until then its request waits."""
        self._victim = group
        self._known.set()

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        if len(self.exchanges) == _LOST and not self.killed:
            self._known.wait()
            self.killed = True
            os.killpg(self._victim, signal.SIGKILL)
            return
        super().exchange(received, body, send)


def measure_resume(runs: int) -> dict[str, Measured]:
    """Kill a run and go on with it, beside a bare loop that is started anew; three times at most."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        folder, times = Path(name), range(min(runs, _MOST))
        resumed = [_resume_seconds(folder / f"run-{number}") for number in times]
        floors = [run_floor(folder / f"floor-{number}") for number in times]
    bare = median(ran.exchanges[0].received - ran.started for ran in floors)
    return {"line.resume_s": Measured(median(resumed), bare)}


def _resume_seconds(root: Path) -> float:
    make_repository(root)
    words = ["--headless", "--json", "--no-stream", "--model", "scripted", "-C", str(root)]
    with _Killing() as server:
        environment = bench_environment(OPENAI_API_KEY="none", OPENAI_BASE_URL=server.url)
        process = subprocess.Popen(
            [sys.executable, "-m", "andon", "run", *words], cwd=root.parent, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        server.will_kill(process.pid)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not server.killed:
            raise MeasurementFailed(f"the run ended with {process.returncode} before it could be killed")
        again = [sys.executable, "-m", "andon", "resume", TASK, "--headless", "--json", "-C", str(root)]
        timed = run_timed(again, cwd=root.parent, environment=environment)
        asked = len(server.exchanges)
        if asked != len(LANE_ANSWERS):
            raise MeasurementFailed(f"{asked} answers were given where the job takes {len(LANE_ANSWERS)}")
        return server.exchanges[_LOST].received - timed.started

"""Many runs at once in one `andon serve`: what share of the ideal throughput they get, what one more of them weighs.

Ideal is that a run among eight takes as long as one alone. What processes in its sandboxes take is left out of both:
eight test runs at once need eight processors, whoever starts them. The model takes a time that is short for an agent's
answer, so that the share is rather worse than in earnest.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import mean

from andon.evals.bench_figures import Measured
from andon.evals.bench_job import make_repository
from andon.evals.bench_processes import MeasurementFailed, bench_environment, run_timed
from andon.evals.bench_thinker import ThinkingServer
from andon.line.db import events, runs, workers
from andon.line.db.database import Database, database_url
from andon.line.db.runs import Run
from andon.records.events import RunEvent

AT_ONCE = 8
THINKING = 4.0
"""Seconds the model takes for an answer."""
_IN_SANDBOX = ("sandbox", "check", "scan", "tool:run_tests")
_PATIENCE = 300.0
_EVERY = 0.1
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def measure_serve() -> dict[str, Measured]:
    """Run one task alone and eight at once through one worker, after a first one that loads what they need."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name, ThinkingServer() as server:
        root = Path(name, "repository")
        make_repository(root)
        environment = bench_environment(
            OPENAI_API_KEY="none", OPENAI_BASE_URL=server.url, XDG_STATE_HOME=str(Path(name, "state"))
        )
        db = Database.open(database_url({}, root))
        try:
            with _serving(root, environment, db) as worker:
                shop = _Shop(root, environment, db, worker)
                shop.done("warm", 1)
                server.seconds = THINKING
                alone, eight = shop.done("alone", 1), shop.done("eight", AT_ONCE)
        finally:
            db.close()
    parts = {
        "alone_s": alone.whole,
        "eight_s": eight.whole,
        "in_sandboxes_alone_s": alone.whole - alone.line,
        "in_sandboxes_eight_s": eight.whole - eight.line,
        "worker_cpu_s_of_eight": eight.cpu,
    }
    return {
        "line.parallel_8": Measured(alone.line / eight.line, alone.line, parts),
        "line.mb_per_run": Measured(
            (eight.megabytes - alone.megabytes) / (AT_ONCE - 1), alone.megabytes, {"eight_runs_mb": eight.megabytes}
        ),
    }


class _Done:
    """What a worker needed for some runs, measured from entering the context to leaving it."""

    def __init__(self, worker: int) -> None:
        self.whole = 0.0
        """From begin to end of a run, by the database's clock; the mean of them."""
        self.line = 0.0
        """The same without what its sandboxes took."""
        self.cpu = 0.0
        """Processor seconds of the worker itself, not of the sandboxes."""
        self.megabytes = 0.0
        """The most memory of the worker itself."""
        self._worker = worker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "_Done":
        self.cpu = -processor_seconds(self._worker)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.cpu += processor_seconds(self._worker)

    def _look_on(self) -> None:
        while not self._over.wait(_EVERY):
            self.megabytes = max(self.megabytes, memory_megabytes(self._worker))


class _Shop:
    def __init__(self, root: Path, environment: Mapping[str, str], db: Database, worker: int) -> None:
        self._root, self._environment, self._db, self._worker = root, environment, db, worker

    def done(self, name: str, count: int) -> _Done:
        """Queue so many tasks and return once their runs were delivered."""
        tasks = [{"id": f"{name}-{number}", **_TASK} for number in range(count)]
        (self._root / "factory/tasks/queue.json").write_text(json.dumps(tasks), "utf-8")
        with _Done(self._worker) as done:
            words = ["add", "--all", "--no-stream", "--model", "scripted", "-C", str(self._root)]
            command = [sys.executable, "-m", "andon", *words]
            run_timed(command, cwd=self._root.parent, environment=self._environment)
            found = self._ended(f"{name}-")
            done.whole = mean((run.ended_at or 0.0) - (run.started_at or 0.0) for run in found)
            done.line = done.whole - mean(sandbox_seconds(self._db, run.id) for run in found)
        return done

    def _ended(self, prefix: str) -> list[Run]:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = [run for run in runs.listed(self._db, repository=None) if run.task_id.startswith(prefix)]
            if all(run.status == "ended" for run in found):
                if wrong := [run for run in found if run.stop_code != "delivered"]:
                    raise MeasurementFailed(f"run {wrong[0].id} ended with {wrong[0].stop_code}: {wrong[0].message}")
                return found
            time.sleep(_EVERY)
        raise MeasurementFailed(f"the runs did not end within {_PATIENCE:g} s")


_TASK = {"title": "Mend addition", "status": "pending", "acceptanceCriteria": ["add(1, 2) is 3"], "files": ["calc.py"]}


@contextmanager
def _serving(root: Path, environment: Mapping[str, str], db: Database) -> Iterator[int]:
    command = [sys.executable, "-m", "andon", "serve", "--workers", str(AT_ONCE), "-C", str(root)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=root.parent, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            until = time.monotonic() + _PATIENCE
            while not workers.alive(db):
                if process.poll() is not None or time.monotonic() > until:
                    output.seek(0)
                    raise MeasurementFailed(
                        f"the worker did not begin: {output.read()[-500:].decode(errors='replace')}"
                    )
                time.sleep(_EVERY)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def sandbox_seconds(db: Database, run_id: str) -> float:
    """Return how long a run has waited for its sandboxes: for them to stand, for checks and scans, for test runs."""
    begun: dict[tuple[str, str], float] = {}
    total = 0.0
    for row in events.after(db, run_id, 0, 10_000):
        data = RunEvent.model_validate_json(row.line).data
        at = datetime.fromisoformat(row.at).timestamp()
        if row.kind == "step.started" and data["name"] in _IN_SANDBOX:
            begun[data["name"], data["key"]] = at
        elif row.kind == "step.ended":
            total += at - begun.get((data["name"], data["key"]), at)
    return total


def processor_seconds(process: int) -> float:
    """Return what a process has used of the processors so far, without its children; from Linux's /proc."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_megabytes(process: int) -> float:
    """Return the memory of a process that is in use now, shared pages of libraries included."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * _PAGE / 2**20

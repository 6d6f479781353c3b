"""Cold processes with exact start and end times, and an environment in which they reach nothing but loopback."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STEERING = ("OPENAI_", "ANTHROPIC_", "ANDON_", "GIT_")
_KEPT = ("ANDON_TOOLCHAIN",)


class MeasurementFailed(Exception):
    """What was to be timed did not do its work; the message says what it did instead."""


@dataclass(frozen=True)
class Timed:
    """A process that ended with exit code 0."""

    started: float
    """Unix seconds, just before it was started."""
    ended: float
    """Unix seconds, just after it was gone."""
    output: str
    """Its stdout."""

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.ended - self.started


def run_timed(argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], limit: float = 120.0) -> Timed:
    """Run one process to its end; after `limit` seconds it is killed with its children.

    Raises:
        MeasurementFailed: it ended with another exit code than 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.time()
        process = subprocess.Popen(
            argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        # Popen.wait(timeout) polls every 50 ms, which is as much as what is measured here.
        killer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        killer.daemon = True
        killer.start()
        try:
            code = process.wait()
            ended = time.time()
        finally:
            killer.cancel()
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        output = out.read().decode("utf-8", "replace")
        if code != 0:
            err.seek(0)
            said = err.read().decode("utf-8", "replace")[-500:].strip()
            raise MeasurementFailed(f"{' '.join(argv[1:4])} … ended with {code} after {ended - started:.1f} s: {said}")
    return Timed(started, ended, output)


def bench_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what steers git, the model SDKs, andon or proxies, and with `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or not (name.startswith(_STEERING) or name.lower().endswith("_proxy"))
    }
    return kept | more

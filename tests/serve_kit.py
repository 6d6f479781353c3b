"""Any command of andon as a process, on one repository and one database; what is still alive at the end is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process_kit import Andon, Provider

from andon.evals.bench_server import Call
from andon.line.db import runs
from andon.line.db.database import Database, database_url
from andon.line.db.runs import Run

_PATIENCE = 90.0


class Losing(Provider):
    """A provider that answers the request number `hold_at` only when it is asked again: the first one stays open."""

    def __init__(self, answers: Sequence[Call], hold_at: int) -> None:
        super().__init__(answers)
        self._lose_at = hold_at
        self._end = threading.Event()

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        if len(self.exchanges) == self._lose_at and not self.asked.is_set():
            self.asked.set()
            self._end.wait()
            return
        super().exchange(received, body, send)

    def release(self) -> None:
        self._end.set()
        super().release()


@contextmanager
def losing(*answers: Call, hold_at: int) -> Iterator[Losing]:
    with Losing(answers, hold_at) as server:
        try:
            yield server
        finally:
            server.release()


@dataclass
class Shop:
    """A repository, and where its runs are kept."""

    repo: Path
    folder: Path
    url: str = ""
    """ANDON_DATABASE_URL; empty: the file in the repository."""
    started: list[Andon] = field(default_factory=list)

    def environment(self, server: Provider | None = None) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_", "GIT_", "XDG_"))}
        env |= {"ANDON_SANDBOX": "bubblewrap", "XDG_STATE_HOME": str(self.folder / "state")}
        env |= {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url} if server else {}
        return env | ({"ANDON_DATABASE_URL": self.url} if self.url else {})

    def start(self, *words: str, server: Provider | None = None, cwd: Path | None = None) -> Andon:
        """Start a command with stdout and stderr in files of its own."""
        place = self.folder / f"command-{len(self.started)}"
        (place / "scratch").mkdir(parents=True)
        env = self.environment(server) | {"TMPDIR": str(place / "scratch")}
        with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "andon", *words], cwd=cwd or self.repo, env=env, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True, preexec_fn=_default_interrupt,
            )  # fmt: skip
        self.started.append(Andon(process, self.repo, place))
        return self.started[-1]

    @contextmanager
    def database(self) -> Iterator[Database]:
        db = Database.open(database_url({"ANDON_DATABASE_URL": self.url}, self.repo))
        try:
            yield db
        finally:
            db.close()

    def row(self, number: int = 0) -> Run:
        """Return a run, the newest by default."""
        with self.database() as db:
            return runs.listed(db, repository=None)[number]

    def wait_for_row(self, happened: Callable[[Run], object]) -> Run:
        """Return the newest run once `happened` holds of it."""
        until = time.monotonic() + _PATIENCE
        while True:
            with suppress(IndexError):
                if happened(run := self.row()):
                    return run
            assert time.monotonic() < until, [one.stderr() for one in self.started]
            time.sleep(0.05)


def lines(andon: Andon) -> list[str]:
    """Return what a command has printed on stdout so far."""
    return (andon.folder / "out").read_text().splitlines()


def documents(andon: Andon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(andon)]


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def shop(repo: Path, folder: Path, url: str = "") -> Iterator[Shop]:
    made = Shop(repo, folder, url)
    try:
        yield made
    finally:
        for andon in made.started:
            if andon.process.poll() is None:
                os.killpg(andon.process.pid, signal.SIGKILL)
                andon.process.wait()

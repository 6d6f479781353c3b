"""`andon run` as a process of its own: a provider that holds answers back, a git that waits, and what a run leaves."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lane_kit import SUB, SUB_TEST, git, plan, report, review, write

from andon.evals.bench_server import Call, ScriptedServer

_PATIENCE = 60.0


def answer(item: Any) -> Call:
    """Return a scripted answer of lane_kit as one of the provider."""
    return Call(item.name, json.loads(item.arguments))


def command(words: str) -> Call:
    return Call("run_command", {"command": words})


PLAN, REPORT, REVIEW = answer(plan()), answer(report()), answer(review())
WRITE_TEST, WRITE = answer(write("tests/test_calc.py", SUB_TEST)), answer(write("calc.py", SUB))
GOOD = (PLAN, WRITE_TEST, WRITE, REPORT, REVIEW)
"""Answers that do the task of lane_kit well."""


class Provider(ScriptedServer):
    """Gives its answers in order; the answer number `hold_at`, from 0, is held back until `release`."""

    def __init__(self, answers: Sequence[Call], hold_at: int | None = None) -> None:
        super().__init__(answers)
        self.asked = threading.Event()
        self._go = threading.Event()
        self._hold_at = hold_at

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        if len(self.exchanges) == self._hold_at:
            self.asked.set()
            self._go.wait()
        # Whoever asked may be gone by now.
        with suppress(OSError):
            super().exchange(received, body, send)

    def release(self) -> None:
        self._go.set()


@contextmanager
def provider(*answers: Call, hold_at: int | None = None) -> Iterator[Provider]:
    with Provider(answers, hold_at) as server:
        try:
            yield server
        finally:
            server.release()


@dataclass
class WaitingGit:
    """A `git` first on PATH that waits, the first time it is called with `word`, until `release`."""

    folder: Path
    word: str

    def __post_init__(self) -> None:
        self.folder.mkdir()
        os.mkfifo(self.folder / "go")
        # Open for both ends: what is written before the waiting git opens its end is kept for it.
        self._go = os.open(self.folder / "go", os.O_RDWR)
        script = self.folder / "git"
        script.write_text(
            f'#!/bin/sh\ncase " $* " in *" {self.word} "*) [ -e \'{self.folder}/reached\' ] || '
            f"{{ : > '{self.folder}/reached'; read -r _ < '{self.folder}/go'; }};; esac\n"
            f'exec {shutil.which("git")} "$@"\n'
        )
        script.chmod(0o755)

    def reached(self) -> bool:
        return (self.folder / "reached").exists()

    def release(self) -> None:
        os.write(self._go, b"\n")


@dataclass(frozen=True)
class Ended:
    """How the process ended."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; anything beside it fails."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class Andon:
    """A running `andon run --headless`, in a session of its own, with a private folder for temporary files."""

    process: "subprocess.Popen[bytes]"
    repo: Path
    folder: Path

    def stderr(self) -> str:
        return (self.folder / "err").read_text("utf-8", "replace")

    def wait_for(self, happened: Callable[[], object]) -> None:
        """Return once `happened()` holds; fails if the process ends first."""
        pidfd = os.pidfd_open(self.process.pid)
        try:
            until = time.monotonic() + _PATIENCE
            while not happened():
                assert time.monotonic() < until, f"it did not happen:\n{self.stderr()}"
                assert not select.select([pidfd], [], [], 0.02)[0], f"andon ended first:\n{self.stderr()}"
        finally:
            os.close(pidfd)

    def stop(self, *signals: signal.Signals) -> None:
        for number in signals:
            self.process.send_signal(number)

    def end(self) -> Ended:
        code = self.process.wait(_PATIENCE)
        return Ended(code, (self.folder / "out").read_bytes(), self.stderr())

    def left_behind(self) -> list[str]:
        """Return what lies in the folder for temporary files."""
        return sorted(os.listdir(self.folder / "scratch"))

    def events(self) -> list[dict[str, Any]]:
        [stream] = (self.repo / "factory/.state/runs").glob("*/audit.jsonl")
        return [json.loads(line) for line in stream.read_text().splitlines()]


@dataclass
class Launcher:
    """Starts runs in `repo`; what is still alive at the end of a test is killed."""

    repo: Path
    folder: Path
    marker: str = field(default_factory=lambda: f"1000.{uuid.uuid4().int % 10**12:012}")
    """An argument for `sleep`: no other process on this machine has it."""
    started: list[Andon] = field(default_factory=list)

    def start(
        self,
        server: Provider,
        *words: str,
        json_output: bool = True,
        wrapper: Sequence[str] = (),
        path: Path | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> Andon:
        """Start a run. `wrapper` is a command that runs what follows it; an environment value of None unsets it."""
        place = self.folder / f"process-{len(self.started)}"
        (place / "scratch").mkdir(parents=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_", "GIT_"))}
        env |= {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url, "TMPDIR": str(place / "scratch")}
        env |= {"ANDON_SANDBOX": "bubblewrap", "PATH": f"{path}:{env['PATH']}" if path else env["PATH"]}
        chosen = dict(environment or {})
        env |= {k: v for k, v in chosen.items() if v is not None}
        for name in (name for name, value in chosen.items() if value is None):
            env.pop(name, None)
        flags = ["--headless", "--no-stream", *(["--json"] if json_output else [])]
        with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "andon", "run", *flags, *words],
                cwd=cwd or self.repo,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_default_interrupt,
            )
        self.started.append(Andon(process, self.repo, place))
        return self.started[-1]

    def marked(self) -> list[int]:
        """Return the living processes that have the marker among their arguments."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and self.marker.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def sleeping(self) -> bool:
        """Whether the marker's `sleep` itself runs; before it, others may have its words among their arguments."""
        with suppress(OSError):
            return any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in self.marked())
        return False

    def branches(self) -> list[str]:
        return git(self.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads/factory").split()

    def status(self) -> Any:
        return json.loads((self.repo / "factory/tasks/queue.json").read_text())[0]["status"]

    def shown(self, name: str) -> str:
        """Return a paper of the latest run of task-001."""
        return (self.repo / "factory/runs/task-001" / name).read_text()


def _default_interrupt() -> None:
    # A test run in the background of a shell has it ignored, and so would everything it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def launching(repo: Path, folder: Path) -> Iterator[Launcher]:
    launcher = Launcher(repo, folder)
    try:
        yield launcher
    finally:
        for andon in launcher.started:
            if andon.process.poll() is None:
                os.killpg(andon.process.pid, signal.SIGKILL)
                andon.process.wait()

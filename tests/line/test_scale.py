"""Thousands of runs that wait: what a worker and the commands ask of the database, and what one of them holds: nothing.

The soak prints what it costs at full size: `pytest -s -n 0 -m soak tests/line/test_scale.py`.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import database_kit
import pytest
import worker_kit

from andon.evals.bench_job import make_repository
from andon.evals.bench_processes import bench_environment
from andon.evals.bench_serve import memory_megabytes, processor_seconds
from andon.evals.bench_stock import stock
from andon.evals.bench_thinker import ThinkingServer
from andon.line.db import approvals, events, lanes, queue, runs, workers
from andon.line.db.connection import Params
from andon.line.db.database import Database, Row, Transaction, database_url
from andon.line.durable.worker import Worker
from andon.line.identity import identity_of
from andon.line.steps import Answer
from andon.line.views.queue_view import board_of
from andon.line.views.runs_view import RunsView
from andon.line.views.status import standing_of
from andon.records.lanes import DEFAULT_LANE
from andon.sandbox.repository import Repository

PATIENCE = 60.0
PARKED, QUEUED = 100, 1000


class Counted(Database):
    """A database that notes how often it is asked, and how many rows that gave."""

    reads = transactions = rows = 0

    @classmethod
    def opened(cls, url: str) -> "Counted":
        database = cls.open(url)
        assert isinstance(database, Counted)
        return database

    def read(self, sql: str, params: Params = ()) -> list[Row]:
        found = super().read(sql, params)
        self.reads += 1
        self.rows += len(found)
        return found

    @contextmanager
    def transaction(self, alone: str = "") -> Iterator[Transaction]:
        self.transactions += 1
        with super().transaction(alone) as made:
            yield made


@dataclass
class Full:
    """A repository whose only lane is paused, with runs that wait for a person and for their turn."""

    root: Path
    db: Counted

    @property
    def repository(self) -> Repository:
        return Repository.open(self.root)

    def answer(self, run_id: str) -> None:
        asked = approvals.question(self.db, run_id)
        approvals.answer(self.db, asked.id, Answer("yes"), by="me", channel="terminal", digest=asked.digest)


@contextmanager
def made(kind: str, folder: Path, parked: int, queued: int) -> Iterator[Full]:
    root = folder / "repository"
    make_repository(root)
    if kind == "postgresql":
        with database_kit.fresh_postgresql() as url:
            yield from _full(root, url, parked, queued)
    else:
        yield from _full(root, database_url({}, root), parked, queued)


def _full(root: Path, url: str, parked: int, queued: int) -> Iterator[Full]:
    full = Full(root, Counted.opened(url))
    stock(full.db, full.repository, parked=parked, queued=queued)
    lanes.pause(full.db, identity_of(full.repository), DEFAULT_LANE, reason="scale", by="me")
    yield full
    full.db.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def full(kind: str, tmp_path: Path) -> Iterator[Full]:
    with made(kind, tmp_path, PARKED, QUEUED) as one:
        yield one


async def happens(happened: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        await asyncio.sleep(0.02)


def asked_by(db: Counted, look: Callable[[], object]) -> tuple[int, int, int]:
    """Return how many reads, transactions and rows a look takes."""
    before = db.reads, db.transactions, db.rows
    look()
    return db.reads - before[0], db.transactions - before[1], db.rows - before[2]


def test_a_look_for_work_asks_three_times_and_writes_nothing_however_many_runs_wait(full: Full) -> None:
    workers.beat(full.db, workers.Worker("worker", "here", 1, "serve", 8, "0"))
    found = []
    assert asked_by(full.db, lambda: found.append(queue.claim(full.db, "worker"))) == (3, 0, 0)
    assert found == [None]


def test_status_and_queue_ask_as_often_for_a_thousand_runs_as_for_a_dozen(
    full: Full, kind: str, tmp_path: Path
) -> None:
    def looks(one: Full) -> tuple[int, int]:
        view = RunsView(one.db, identity_of(one.repository))
        status, _, _ = asked_by(one.db, lambda: standing_of(one.root, time.time(), view))
        board, _, _ = asked_by(one.db, lambda: board_of(one.db, one.repository))
        return status, board

    with made(kind, tmp_path / "small", 6, 6) as small:
        assert looks(full) == looks(small)


def test_status_shows_some_tasks_and_counts_them_all(full: Full) -> None:
    standing = standing_of(full.root, time.time(), RunsView(full.db, identity_of(full.repository)))
    assert standing.counts == {"parked": PARKED, "queued": QUEUED}
    # One of them is the task of the queue file.
    shown = len(standing.tasks) + len(standing.queue)
    assert shown + standing.more_tasks == PARKED + QUEUED + 1
    assert len(standing.tasks) < 110


async def test_an_idle_worker_asks_a_few_times_a_second_and_writes_its_beats_alone(full: Full, tmp_path: Path) -> None:
    db = Counted.opened(full.db.url)
    worker = Worker(db, "worker", worker_kit.Counting(db, "worker", tmp_path), slots=8)
    working = asyncio.ensure_future(worker.work())
    await happens(lambda: db.transactions >= 2)
    began, reads, rows, beats = time.monotonic(), db.reads, db.rows, db.transactions
    await happens(lambda: db.transactions >= beats + 2)
    seconds = time.monotonic() - began
    asked, found, beaten = db.reads - reads, db.rows - rows, db.transactions - beats
    worker.leave()
    await working
    db.close()
    # A look each 0.3 s asks three times; a beat each 2 s asks who is alive.
    assert 3 <= asked <= 12 * seconds + 3
    assert (beaten, found <= beaten + 1) == (2, True)


def test_a_parked_run_holds_no_slot_thread_or_file_and_goes_on_when_it_is_answered(full: Full, tmp_path: Path) -> None:
    for number in range(worker_kit.STEPS):
        (tmp_path / f"go-{number}").touch()
    command = [sys.executable, str(Path(worker_kit.__file__)), full.db.url, str(tmp_path), "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("worker ")
        full.answer("parked-00042")
        assert [process.stdout.readline() for _ in range(2)] == ["began parked-00042\n", "ended parked-00042\n"]
        holds = {name: len(os.listdir(f"/proc/{process.pid}/{name}")) for name in ("task", "fd")}
        assert max(holds.values()) < PARKED / 2, holds
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert runs.count_by_status(full.db, None) == {"ended": 1, "parked": PARKED - 1, "queued": QUEUED}
    assert {line.split()[0] for line in (tmp_path / "began").read_text().splitlines()} == {"parked-00042"}


def _until(happened: Callable[[], object]) -> float:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() < began + PATIENCE, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.soak
def test_a_thousand_parked_and_ten_thousand_queued_runs(kind: str, tmp_path: Path) -> None:
    figures: dict[str, float] = {}
    with made(kind, tmp_path, 1000, 10_000) as full, ThinkingServer() as server:
        environment = bench_environment(
            OPENAI_API_KEY="none", OPENAI_BASE_URL=server.url, ANDON_DATABASE_URL=full.db.url,
            ANDON_SANDBOX="bubblewrap", XDG_STATE_HOME=str(tmp_path / "state"),
        )  # fmt: skip

        def andon(*words: str) -> list[str]:
            return [sys.executable, "-m", "andon", *words, "-C", str(full.root)]

        for words in (["status"], ["queue"], ["approve"]):
            began = time.monotonic()
            subprocess.run(andon(*words), env=environment, check=True, capture_output=True)
            figures[f"andon {words[0]}, s"] = time.monotonic() - began
        process = subprocess.Popen(andon("serve", "--workers", "8"), env=environment, stdout=subprocess.DEVNULL)
        try:
            _until(lambda: workers.alive(full.db))
            # Its libraries are loaded by then, and it has slowed down.
            time.sleep(35)
            used = processor_seconds(process.pid)
            time.sleep(20)
            figures["idle, % of a processor"] = (processor_seconds(process.pid) - used) / 20 * 100
            figures["idle, MB"] = memory_megabytes(process.pid)
            for count in range(3):
                run_id = f"parked-{count:05}"
                full.answer(run_id)
                figures[f"answer {count + 1} to claim, s"] = _until(
                    lambda run_id=run_id: runs.get(full.db, run_id).status != "parked"  # type: ignore[misc]
                )
                figures[f"claim {count + 1} to first event, s"] = _until(
                    lambda run_id=run_id: events.last(full.db, run_id)  # type: ignore[misc]
                )
                _until(lambda run_id=run_id: runs.get(full.db, run_id).status == "ended")  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        ended = [runs.get(full.db, f"parked-{count:05}") for count in range(3)]
    print(f"\n{kind}", *(f"{name:28} {value:8.2f}" for name, value in figures.items()), sep="\n  ")
    assert [run.stop_code for run in ended] == ["delivered"] * 3, ended
    assert figures["idle, % of a processor"] < 10
    assert figures["idle, MB"] < 200
    assert all(value < 10 for name, value in figures.items() if name.endswith(", s"))

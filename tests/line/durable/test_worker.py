"""Workers as processes that share a database of either kind: told to leave, killed, stopped, cut off."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import database_kit
import pytest
import worker_kit
from worker_kit import STEPS

from andon.line.db import events, messages, runs, workers
from andon.line.db.database import Database
from andon.line.db.events import EventRow
from andon.line.db.runs import NewRun, Run, RunOptions
from andon.line.durable.worker_ids import bury
from andon.line.views.follow import follow
from andon.records.errors import UserError
from andon.records.task import Task

PROGRAM = Path(worker_kit.__file__)
PATIENCE = 60.0
TERM, KILL, STOP, CONT = signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT


def wait_for(happened: Callable[[], object], seconds: float = PATIENCE) -> float:
    """Return after how many seconds `happened()` held."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() < began + seconds, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


@dataclass
class Process:
    process: "subprocess.Popen[bytes]"
    out: Path

    @property
    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    @property
    def id(self) -> str:
        wait_for(lambda: self.lines)
        return self.lines[0].split()[1]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(PATIENCE)


@dataclass
class Factory:
    """A database with runs, and the workers on it."""

    url: str
    db: Database
    folder: Path
    processes: list[Process] = field(default_factory=list)

    def start(self, slots: int = 1, *words: str) -> Process:
        out = self.folder / f"out-{len(self.processes)}"
        with out.open("wb") as stream:
            command = [sys.executable, str(PROGRAM), self.url, str(self.folder), str(slots), *words]
            process = subprocess.Popen(command, stdout=stream, stderr=(self.folder / "err").open("ab"))
        self.processes.append(Process(process, out))
        return self.processes[-1]

    def add(self, *names: str, title: str = "count") -> None:
        for name in names:
            task = Task(id=f"task-{name}", title=title)
            options = RunOptions(started=1_700_000_000)
            new = NewRun(name, "here", "nowhere", "/nowhere", task, f"factory/{name}", "0" * 40, options)
            runs.add(self.db, new)

    def go(self, *numbers: int) -> None:
        for number in numbers or range(STEPS):
            (self.folder / f"go-{number}").touch()

    def began(self) -> list[tuple[str, int, str]]:
        """Return every beginning of a step: run, number, worker."""
        path = self.folder / "began"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(run, int(number), worker) for run, number, worker in (line.split(" ") for line in lines)]

    def get(self, name: str) -> Run:
        return runs.get(self.db, name)

    def ended(self) -> bool:
        return all(run.status == "ended" for run in runs.listed(self.db, repository="here"))

    def outcomes(self) -> dict[str, str]:
        return {run.id: f"{run.stop_code}: {run.message}" for run in runs.listed(self.db, repository="here")}


@pytest.fixture(params=["sqlite", "postgresql"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    if request.param == "sqlite":
        yield from _factory(f"sqlite:///{tmp_path}/factory/.state/andon.sqlite", tmp_path)
        return
    with database_kit.fresh_postgresql() as url:
        yield from _factory(url, tmp_path)


def _factory(url: str, folder: Path) -> Iterator[Factory]:
    made = Factory(url, Database.open(url), folder)
    yield made
    for one in made.processes:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
    made.db.close()
    errors = (folder / "err").read_text() if (folder / "err").exists() else ""
    assert "Traceback" not in errors, errors


COUNTED = f"delivered: counted to {sum(range(STEPS))}"


def test_two_workers_share_six_runs_and_make_each_step_once(factory: Factory) -> None:
    names = [f"run-{number}" for number in range(6)]
    factory.add(*names)
    first, second = factory.start(2), factory.start(2)
    wait_for(lambda: len(factory.began()) == 4)
    assert {worker for _, _, worker in factory.began()} == {first.id, second.id}
    factory.go()
    wait_for(factory.ended)
    assert factory.outcomes() == dict.fromkeys(names, COUNTED)
    assert Counter((run, number) for run, number, _ in factory.began()) == dict.fromkeys(
        [(name, number) for name in names for number in range(STEPS)], 1
    )


def test_told_to_leave_hands_its_runs_over_unended(factory: Factory) -> None:
    factory.add("run-a", "run-b")
    first = factory.start(2)
    factory.go(0)
    wait_for(lambda: len(factory.began()) == 4)
    first.send(TERM)
    assert first.end() == 0
    assert {name: (factory.get(name).status, factory.get(name).worker) for name in ("run-a", "run-b")} == {
        "run-a": ("queued", None),
        "run-b": ("queued", None),
    }
    assert workers.alive(factory.db) == []
    assert sorted(first.lines[-2:]) == ["put-back run-a", "put-back run-b"]
    factory.go()
    second = factory.start(2, "once")
    assert second.end() == 0
    assert factory.outcomes() == {"run-a": COUNTED, "run-b": COUNTED}
    # The step that was kept is not made again; the one that was left in the middle is.
    assert Counter(number for _, number, _ in factory.began()) == {0: 2, 1: 4, 2: 2}


def test_a_killed_worker_loses_its_run_within_fifteen_seconds(factory: Factory) -> None:
    first = factory.start()
    factory.add("run-a")
    factory.go(0)
    wait_for(lambda: len(factory.began()) == 2)
    second = factory.start()
    wait_for(lambda: len(workers.alive(factory.db)) == 2)
    first.send(KILL)
    took = wait_for(lambda: factory.get("run-a").worker == second.id)
    assert took < 15
    factory.go()
    wait_for(factory.ended)
    assert factory.outcomes() == {"run-a": COUNTED}
    assert factory.began()[2:] == [("run-a", 1, second.id), ("run-a", 2, second.id)]


def test_a_worker_that_was_stopped_and_continued_changes_nothing_more(factory: Factory) -> None:
    factory.add("run-a")
    first = factory.start()
    wait_for(lambda: len(factory.began()) == 1)
    first.send(STOP)
    second = factory.start()
    took = wait_for(lambda: len(factory.began()) == 2)
    assert took < 20
    first.send(CONT)
    factory.go()
    wait_for(factory.ended)
    wait_for(lambda: "lost run-a" in first.lines)
    assert factory.get("run-a").worker == second.id
    assert factory.outcomes() == {"run-a": COUNTED}
    assert [worker for _, number, worker in factory.began() if number > 0] == [second.id] * (STEPS - 1)
    # It works on: only that run is not its own any more.
    second.send(TERM)
    second.end()
    factory.add("run-b")
    wait_for(factory.ended)
    assert factory.get("run-b").worker == first.id


def test_once_ends_when_nothing_is_left_to_begin(factory: Factory) -> None:
    factory.go()
    assert factory.start(1, "once").end() == 0
    factory.add("run-a", "run-b", "run-c")
    process = factory.start(1, "once")
    assert process.end() == 0
    assert factory.outcomes() == dict.fromkeys(["run-a", "run-b", "run-c"], COUNTED)
    assert process.lines[1:] == [f"{what} run-{name}" for name in "abc" for what in ("began", "ended")]


def test_a_run_that_is_to_stop_ends_within_a_second_and_the_others_go_on(factory: Factory) -> None:
    factory.add("run-a", "run-b")
    factory.start(2)
    wait_for(lambda: len(factory.began()) == 2)
    messages.stop(factory.db, "run-a", "somebody")
    took = wait_for(lambda: factory.get("run-a").status == "ended")
    assert took < 1.0
    factory.go()
    wait_for(factory.ended)
    assert factory.outcomes() == {"run-a": "interrupted: stopped", "run-b": COUNTED}


def test_a_queued_run_is_begun_within_a_second(factory: Factory) -> None:
    process = factory.start()
    wait_for(lambda: workers.alive(factory.db))
    factory.add("warm")
    factory.go()
    wait_for(factory.ended)
    factory.add("run-a")
    assert wait_for(lambda: "began run-a" in process.lines) < 1.0


def test_a_phase_that_fails_is_begun_again_after_a_while_and_goes_on_from_what_was_kept(factory: Factory) -> None:
    factory.add("run-a", title="fails")
    process = factory.start()
    factory.go()
    wait_for(lambda: "put-back run-a" in process.lines)
    run = factory.get("run-a")
    assert (run.status, run.message) == (
        "queued",
        "the phase failed, it is begun again: OSError: the pump is broken",
    )
    (factory.folder / "mended").touch()
    wait_for(factory.ended)
    assert factory.outcomes() == {"run-a": COUNTED}


def test_a_phase_that_fails_five_times_ends_its_run_with_the_reason(factory: Factory) -> None:
    factory.add("run-a", title="fails")
    factory.go()
    factory.start()
    for attempt in range(1, 6):
        wait_for(lambda n=attempt: factory.get("run-a").attempt == n)  # type: ignore[misc]
        # Nobody has to wait for the delay: that there is one is shown above.
        wait_for(lambda: factory.get("run-a").status != "running")
        with factory.db.transaction() as transaction:
            transaction.execute("UPDATE runs SET not_before = 0")
    run = factory.get("run-a")
    assert run.result is not None
    assert (run.status, run.stop_code, run.result.exit_code) == ("ended", "internal", 70)
    assert run.message == (
        "The run was begun 5 times and failed each time, the last time with OSError: the pump is broken"
    )


def test_a_typed_stop_that_a_phase_raises_ends_its_run_at_once(factory: Factory) -> None:
    factory.add("run-a", title="stops")
    factory.go()
    factory.start()
    wait_for(factory.ended)
    assert factory.outcomes() == {"run-a": "disk-failed: no space left"}
    assert factory.get("run-a").attempt == 1


@pytest.mark.parametrize("factory", ["postgresql"], indirect=True)
def test_runs_go_on_after_twenty_seconds_without_a_database(factory: Factory) -> None:
    factory.add("run-a", "run-b")
    process = factory.start(2)
    wait_for(lambda: len(factory.began()) == 2)
    with database_kit.down(database_kit.server()):
        factory.go(0)
        wait_for(lambda: "database-gone" in process.lines)
        until = time.monotonic() + 20
        wait_for(lambda: time.monotonic() > until)
        assert process.process.poll() is None
    factory.go()
    wait_for(factory.ended)
    assert factory.outcomes() == {"run-a": COUNTED, "run-b": COUNTED}
    assert Counter(number for _, number, _ in factory.began()) == {0: 2, 1: 2, 2: 2}
    wait_for(lambda: "database-back" in process.lines)
    assert [line for line in process.lines if "database" in line] == ["database-gone", "database-back"]


def test_an_idle_worker_hardly_works(factory: Factory) -> None:
    process = factory.start()
    wait_for(lambda: workers.alive(factory.db))
    factory.add("run-a")
    factory.go()
    wait_for(factory.ended)
    before, at = cpu_seconds(process), time.monotonic()
    wait_for(lambda: time.monotonic() > at + 3)
    assert cpu_seconds(process) - before < 0.3


def cpu_seconds(process: Process) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_whose_process_is_gone_from_this_machine_is_not_waited_for(factory: Factory) -> None:
    gone, alive = factory.start(), factory.start()
    elsewhere = workers.Worker("elsewhere:1:0", host="elsewhere", pid=1, kind="serve", slots=1, version="0")
    workers.beat(factory.db, elsewhere)
    wait_for(lambda: len(workers.alive(factory.db)) == 3)
    gone.send(KILL)
    gone.end()
    bury(factory.db)
    assert {worker.id for worker in workers.alive(factory.db)} == {alive.id, elsewhere.id}


def test_a_run_is_followed_from_any_event_to_its_end(factory: Factory) -> None:
    factory.add("run-a")
    factory.go(0)
    factory.start()
    worker = wait_for_worker(factory, "run-a")
    told = [EventRow(seq, "2026-11-29T06:00:00.000Z", "phase", f'{{"seq": {seq}}}') for seq in (1, 2, 3)]
    events.append(factory.db, "run-a", worker, told[:2])
    following = follow(factory.db, "run-a", after=1, look=0.02)
    assert next(following) == told[1]
    events.append(factory.db, "run-a", worker, told[2:])
    factory.go()
    assert list(following) == told[2:]
    with pytest.raises(UserError, match="there is no run 'run-z'"):
        next(follow(factory.db, "run-z"))


def wait_for_worker(factory: Factory, name: str) -> str:
    """Return who works on a run."""
    wait_for(lambda: factory.get(name).worker)
    return str(factory.get(name).worker)

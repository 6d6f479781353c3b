"""The engine among processes that are killed, stopped and continued, or in each other's way."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from database_kit import url  # noqa: F401 - a fixture

from andon.line.db.database import engine_url

RUN = "20260101-000000-abcdef"
_HERE = Path(__file__).parent
_PATIENCE = 60


@pytest.fixture
def journal(url: str, tmp_path: Path) -> str:  # noqa: F811
    """The address of an empty journal, of both kinds."""
    (tmp_path / "factory/.state").mkdir(parents=True)
    return engine_url(url)


class Child:
    """A process of `engine_child.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: list[str] = []
        self.pid = process.pid

    async def says(self, *words: str) -> str:
        """Wait until it has said `words`, and return the rest of that line."""
        start = " ".join(words)
        return (await self.says_one_of(start)).removeprefix(start).strip()

    async def says_one_of(self, *starts: str) -> str:
        """Return the first line that begins in one of these ways, also if it was said before."""
        assert self._process.stdout is not None
        seen = 0
        async with asyncio.timeout(_PATIENCE):
            while True:
                for line in self._said[seen:]:
                    if line.startswith(starts):
                        return line
                seen = len(self._said)
                line = (await self._process.stdout.readline()).decode().rstrip("\n")
                assert line, f"it ended without saying {starts}: {self._said}"
                self._said.append(line)

    def go_on(self) -> None:
        """Let the step end that is held."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    async def kill(self) -> None:
        """End it as a machine that loses power does."""
        self._process.kill()
        await self._process.wait()

    async def ended(self) -> tuple[int, str]:
        """Wait for its end; return how it ended and what it said to nobody."""
        assert self._process.stderr is not None
        async with asyncio.timeout(_PATIENCE):
            errors = await self._process.stderr.read()
            return await self._process.wait(), errors.decode()


@asynccontextmanager
async def child(journal: str, attempt: int, *steps: str, **options: Any) -> AsyncIterator[Child]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, _HERE / "engine_child.py", journal, RUN, str(attempt), *steps,
        stdin=pipe, stdout=pipe, stderr=pipe, **options,
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("step", ["held", "held-large"])
async def test_another_process_goes_on_where_one_was_killed(journal: str, step: str) -> None:
    async with child(journal, 1, "first", step, "last") as killed:
        await killed.says("began", step)
        await killed.kill()
    async with child(journal, 2, "first", step, "last") as other:
        await other.says("began", step)
        other.go_on()
        made = json.loads(await other.says("over"))
        assert await other.ended() == (0, "")
    assert made == {"first": killed.pid, step: other.pid, "last": other.pid}


async def test_one_that_was_stopped_and_continued_keeps_nothing_more(journal: str) -> None:
    async with child(journal, 1, "first", "held", "last") as stopped:
        await stopped.says("began", "held")
        os.kill(stopped.pid, signal.SIGSTOP)
        async with child(journal, 2, "first", "held", "last") as other:
            await other.says("began", "held")
            os.kill(stopped.pid, signal.SIGCONT)
            stopped.go_on()
            await stopped.says("lost Fenced")
            assert await stopped.ended() == (0, "")
            other.go_on()
            made = json.loads(await other.says("over"))
    assert made == {"first": stopped.pid, "held": other.pid, "last": other.pid}


async def test_one_that_continues_after_the_other_is_done_keeps_nothing_more(journal: str) -> None:
    async with child(journal, 1, "first", "held", "last") as stopped:
        await stopped.says("began", "held")
        os.kill(stopped.pid, signal.SIGSTOP)
        async with child(journal, 2, "first", "held", "last") as other:
            await other.says("began", "held")
            other.go_on()
            await other.says("over")
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.go_on()
        await stopped.says("lost Fenced")


@pytest.mark.parametrize("attempt", [0, 1])
async def test_of_two_that_begin_at_once_one_is_fenced(journal: str, attempt: int) -> None:
    async with child(journal, attempt, "held", "last") as one, child(journal, attempt, "held", "last") as two:
        # One that lost before its first step says nothing of it.
        await asyncio.gather(*(each.says_one_of("began held", "lost") for each in (one, two)))
        for each in (one, two):
            each.go_on()
        ends = await asyncio.gather(*(each.says_one_of("over", "lost Fenced") for each in (one, two)))
    assert sorted(end.split()[0] for end in ends) == ["lost", "over"]


async def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    journal = f"sqlite:///{tmp_path}/engine.sqlite"
    async with child(journal, 1, "first") as before:
        await before.says("over")
    most = (tmp_path / "engine.sqlite").stat().st_size + 300_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    async with child(journal, 2, "first", "large", "last", preexec_fn=limit) as full:
        await full.says("lost disk-failed The journal cannot be written")
    async with child(journal, 3, "first", "large", "last") as after:
        await after.says("over")
    with closing(sqlite3.connect(tmp_path / "engine.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_many_processes_can_make_the_journal_at_once(journal: str) -> None:
    async with asyncio.timeout(_PATIENCE):
        ends = await asyncio.gather(*(_alone(journal, attempt) for attempt in (1, 2, 3)))
    assert "over" in {end.split()[0] for end in ends}


async def _alone(journal: str, attempt: int) -> str:
    async with child(journal, attempt, "first") as one:
        return await one.says_one_of("over", "lost Fenced")


async def test_finishes_every_run_whose_processes_are_killed(journal: str, tmp_path: Path) -> None:
    await _prove(journal, tmp_path, range(1, 4))


@pytest.mark.soak
async def test_finishes_sixty_runs_whose_processes_are_killed(journal: str, tmp_path: Path) -> None:
    await _prove(journal, tmp_path, range(11, 71))


async def _prove(journal: str, tmp_path: Path, numbers: range) -> None:
    seeds = [str(number) for number in numbers]
    runs = tmp_path / "runs"
    runs.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, _HERE / "engine_proof.py", journal, runs, "none", *seeds, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60 * len(seeds)):
        _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    wanted = _outcome(runs / "none")
    deaths = 0
    for seed in seeds:
        ends = json.loads((runs / seed / "ends").read_text())
        assert set(ends) <= {0, -signal.SIGKILL} and ends[-1] == 0, (seed, ends)
        deaths += ends.count(-signal.SIGKILL)
        assert _outcome(runs / seed) == wanted, seed
        _check_steps((runs / seed / "log").read_text().splitlines(), ends.count(-signal.SIGKILL))
    assert deaths >= len(seeds)


def _outcome(folder: Path) -> dict[str, Any]:
    """Return what a run was asked, what it said and what it wrote."""
    row = json.loads((folder / "row.json").read_text())
    assert row["status"] == "ended"
    return {"asked": row["asked"], "said": row["said"]} | {one.name: one.read_text() for one in folder.glob("*.py")}


def _check_steps(log: Sequence[str], deaths: int) -> None:
    """No step that was kept ran again, and a death cost no more than the step in flight."""
    kept: set[str] = set()
    for line in log:
        word, step, *_ = line.split()
        assert step not in kept, line
        if word == "done":
            kept.add(step)
    began = Counter(line.split()[1] for line in log if line.startswith("began"))
    assert sum(times - 1 for times in began.values()) <= deaths
    for step, times in began.items():
        assert sum(line == f"began {step} again" for line in log) >= times - 1

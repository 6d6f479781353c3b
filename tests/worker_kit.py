"""A worker as a process of its own, whose runs count: each step notes that it began and waits for its go.

`python worker_kit.py URL FOLDER SLOTS [once]`. FOLDER/began gets a line `RUN STEP WORKER` for each beginning of a
step; the step of number N ends once FOLDER/go-N is there. A run ends as delivered with the sum of its steps. Its title
may say `fails`: a step raises while FOLDER/mended is not there; or `stops`: a step raises a typed stop.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from andon.line.db import runs
from andon.line.db.database import Database
from andon.line.durable.giving_up import result_without_work
from andon.line.durable.notices import Notice
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import new_worker_id
from andon.line.engine import JournalledSteps
from andon.records.errors import RunError
from andon.records.stops import StopCode

STEPS = 3


class Counting:
    """Phases that count."""

    def __init__(self, db: Database, worker: str, folder: Path) -> None:
        self.leaving = False
        self._db = db
        self._worker = worker
        self._folder = folder

    async def begin(self, run: runs.Run) -> bool:
        return False

    async def drop(self, run: runs.Run) -> None: ...

    async def body(self, run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        run = runs.get(self._db, run_id)
        code, message = StopCode.DELIVERED, ""
        try:
            numbers = [await steps.step("count", str(n), lambda n=n: self._count(run, n), int) for n in range(STEPS)]  # type: ignore[misc]
            message = f"counted to {sum(numbers)}"
        except asyncio.CancelledError:
            if self.leaving:
                raise
            code, message = StopCode.INTERRUPTED, "stopped"
        runs.end(self._db, run_id, self._worker, result=result_without_work(run, code, message), delivery=None)
        return {"status": "ended"}

    async def _count(self, run: runs.Run, number: int) -> int:
        with (self._folder / "began").open("a") as notes:
            notes.write(f"{run.id} {number} {self._worker}\n")
        while not (self._folder / f"go-{number}").exists():  # noqa: ASYNC110  (another process makes it)
            await asyncio.sleep(0.02)
        if run.title == "fails" and not (self._folder / "mended").exists():
            raise OSError("the pump is broken")
        if run.title == "stops":
            raise RunError(StopCode.DISK_FAILED, "no space left")
        return number


def say(notice: Notice) -> None:
    run = f" {notice.run.id}" if notice.run else ""
    print(f"{notice.what}{run}", flush=True)


async def work(url: str, folder: Path, slots: int, *, once: bool) -> None:
    db = Database.open(url)
    worker_id = new_worker_id()
    worker = Worker(db, worker_id, Counting(db, worker_id, folder), slots=slots, once=once, tell=say)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.leave)
    print(f"worker {worker_id} {os.getpid()}", flush=True)
    await worker.work()
    db.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), once="once" in sys.argv[4:]))

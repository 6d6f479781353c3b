"""What durability adds to a step: `python -m andon.evals.bench_steps FOLDER STEPS` prints milliseconds a step as JSON.

The same steps, once as an interactive session makes them and once as a run of the tables does: kept in the journal and
told in the table that others follow. In a process of its own, since a process has one engine.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from andon.evals.bench_job import make_repository
from andon.evals.bench_stock import stock
from andon.line.db.database import Database, database_url, engine_url
from andon.line.durable.phase_engine import PhaseEngine
from andon.line.durable.table_log import TableLog
from andon.line.engine import Engine, JournalledSteps
from andon.line.log.event_log import EventLog
from andon.line.steps import InProcessEngine
from andon.records.ports import Steps
from andon.sandbox.repository import Repository

_WORKER = "bench"
_RUN = "queued-00000"
_RESULT = Path(__file__).read_text("utf-8")[:4000]
"""What a step returns: as long as a file or the end of a test run."""


async def _steps(steps: Steps, count: int) -> float:
    async def read() -> str:
        return _RESULT

    begun = time.perf_counter()
    for number in range(count):
        await steps.step("tool:read_file", str(number), read, str)
    return time.perf_counter() - begun


async def _measured(db: Database, folder: Path, count: int) -> dict[str, float]:
    bare = EventLog(folder / "bare" / "audit.jsonl")
    seconds = {"bare_ms": await _steps(InProcessEngine(bare), count)}
    bare.close()

    async def body(run_id: str, phase: int, journal: JournalledSteps) -> dict[str, Any]:
        events = TableLog(db, run_id, _WORKER, folder / "audit.jsonl", phase=phase, attempt=1)
        journal.attach(events)
        begun = time.perf_counter()
        await _steps(PhaseEngine(journal, events, {}), count)
        await events.flush()
        events.close()
        return {"durable_ms": time.perf_counter() - begun}

    engine = await Engine.launch(engine_url(db.url), worker=_WORKER, body=body)
    seconds |= await engine.run(_RUN, 0)
    await engine.close()
    return {name: each / count * 1000 for name, each in seconds.items()}


def main(folder: Path, count: int) -> None:
    """Measure in an empty folder and print."""
    make_repository(folder / "repository")
    (folder / "bare").mkdir()
    repository = Repository.open(folder / "repository")
    db = Database.open(database_url({}, repository.root))
    stock(db, repository, queued=1)
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET status = 'running', worker = ? WHERE id = ?", [_WORKER, _RUN])
    print(json.dumps(asyncio.run(_measured(db, folder, count))))
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

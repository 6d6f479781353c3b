"""A phase that failed: what is kept of why, in the tables and beside the papers."""

from contextlib import closing
from pathlib import Path

import pytest
from runs_kit import WORKER, begun, db, queued, repo

from andon.line.db import lanes, runs
from andon.line.db.database import Database
from andon.line.db.rows import RunOptions
from andon.line.durable.giving_up import give_up
from andon.line.durable.phase_task import PhaseTask
from andon.line.durable.reach import Reach
from andon.records.errors import RunError
from andon.records.stops import StopCode

__all__ = ["db", "repo"]

KEY = "ghp_" + "A1b2C3d4E5f6" * 3
CLEAN = "[redacted: github-token]"


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001  (it is given back)
        return caught


@pytest.mark.parametrize("typed", [True, False])
def test_a_key_in_what_a_phase_failed_with_is_kept_nowhere(db: Database, repo: Path, typed: bool) -> None:
    run = begun(db, queued(db, repo))
    why = f"the server refused {KEY}"
    give_up(db, run, WORKER, _raised(RunError(StopCode.SANDBOX_LOST, why) if typed else OSError(why)))
    row = runs.get(db, run.id)
    papers = repo / "factory/.state/runs" / run.id
    kept = [row.message, row.result.model_dump_json() if row.result else ""]
    kept += [(papers / name).read_text() for name in ("internal-error.txt", "result.json")]
    assert [(f"refused {CLEAN}" in one, KEY in one) for one in kept] == [(True, False)] * 4


async def test_a_key_in_why_a_phase_is_begun_again_is_not_kept(db: Database, repo: Path) -> None:
    run = begun(db, queued(db, repo))

    async def work(task: PhaseTask) -> None:
        raise OSError(f"the pump refused {KEY}")

    with closing(Reach(pytest.fail, lambda: None)) as reach:
        back = await PhaseTask(run, work).wait(db, WORKER, reach)
    assert back is not None
    assert (back.status, back.message) == (
        "queued",
        f"the phase failed, it is begun again: OSError: the pump refused {CLEAN}",
    )


@pytest.mark.parametrize(("halt_after", "state"), [(1, "halted"), (2, "open"), (0, "open")])
async def test_the_lane_of_a_run_counts_its_end_as_the_repository_says(
    db: Database, repo: Path, halt_after: int, state: str
) -> None:
    run = begun(db, queued(db, repo, options=RunOptions(started=1, halt_after=halt_after)))

    async def work(task: PhaseTask) -> None:
        raise RunError(StopCode.SANDBOX_LOST, "gone")

    with closing(Reach(pytest.fail, lambda: None)) as reach:
        over = await PhaseTask(run, work).wait(db, WORKER, reach)
    assert over is not None
    assert (over.stop_code, lanes.lane(db, run.repository, run.lane).state) == ("sandbox-lost", state)

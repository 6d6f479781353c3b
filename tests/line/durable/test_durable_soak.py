"""Sixty kills on each database, at seeded points all over a run. `make soak` runs it, and prints what it saw."""

import time
from pathlib import Path

import pytest
from killing_kit import Undisturbed, assert_undisturbed, kill_at, long_shop, points, run_undisturbed

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("durable-soak")]

RUNS, KILLS = 20, 3


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_sixty_kills_change_nothing_of_what_runs_come_to(tmp_path: Path, undisturbed: Undisturbed, kind: str) -> None:
    began, kills, again, seed = time.monotonic(), 0, 0, 1000
    while kills < RUNS * KILLS:
        seed += 1
        (tmp_path / str(seed)).mkdir()
        with long_shop(kind, tmp_path / str(seed)) as made:
            run = made.queue()
            # A point may lie so near the end that the run ends before it is killed.
            if all(kill_at(made, run.id, point) for point in points(seed, made, run.id, undisturbed.events, KILLS)):
                made.serve()
            made.finish(run.id)
            again += len(assert_undisturbed(made, run.id, undisturbed))
            kills += len(made.marks)
    seconds = time.monotonic() - began
    print(
        f"\n{kind}: {kills} kills, {seed - 1000} runs, all finished; requests in flight made again {again}, "
        f"finished ones 0, effects doubled 0; {seconds:.0f} s"
    )

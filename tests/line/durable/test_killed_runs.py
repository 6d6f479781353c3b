"""Runs whose worker is killed, at seeded points: each comes to the end it would have come to undisturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from durable_kit import BRANCH, Shop, events_of
from killing_kit import Point, Undisturbed, assert_undisturbed, kill_at, long_shop, points, run_undisturbed
from process_kit import WaitingGit

pytestmark = pytest.mark.xdist_group("killed-runs")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(params=["sqlite", "postgresql"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with long_shop(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize(("seed", "kills"), [(1, 4), (2, 3), (3, 3)])
def test_a_run_killed_anywhere_ends_as_if_nobody_had(
    killed: Shop, undisturbed: Undisturbed, seed: int, kills: int
) -> None:
    run = killed.queue()
    # The last point may lie so near the end that the run ends before it is killed there.
    if all(kill_at(killed, run.id, point) for point in points(seed, killed, run.id, undisturbed.events, kills)):
        killed.serve()
    killed.finish(run.id)
    assert_undisturbed(killed, run.id, undisturbed)
    assert len(killed.marks) >= kills - 1


@pytest.mark.parametrize("when", ["the branch is being made", "the branch has been made", "the end is told"])
def test_a_run_killed_while_it_delivers_makes_one_branch(killed: Shop, undisturbed: Undisturbed, when: str) -> None:
    run = killed.queue()
    slow = WaitingGit(killed.folder / "git", "update-ref")
    reached: Point = slow.reached
    if when == "the branch is being made":
        killed.extra["PATH"] = f"{slow.folder}:{killed.environment['PATH']}"
    elif when == "the branch has been made":
        reached = (killed.repo / ".git/refs/heads" / BRANCH).exists
    else:
        reached = lambda: any(row.kind == "run.ended" for row in events_of(killed, run.id))  # noqa: E731
    # One that has ended in the same moment shows nothing of the kill, and is held to the same.
    kill_at(killed, run.id, reached)
    killed.extra.pop("PATH", None)
    killed.serve()
    killed.finish(run.id)
    assert assert_undisturbed(killed, run.id, undisturbed) == []

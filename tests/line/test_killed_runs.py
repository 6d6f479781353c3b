"""Runs whose worker is killed with SIGKILL, at seeded points: each comes to the end it would have come to undisturbed."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import database_kit
import pytest
from durable_kit import BRANCH, LONG, LONG_FILES, Outcome, Shop, events_of, outcome, repeated, shop
from lane_kit import git
from process_kit import WaitingGit

pytestmark = pytest.mark.xdist_group("killed-runs")


@dataclass(frozen=True)
class Undisturbed:
    """The run that nobody kills."""

    outcome: Outcome
    requests: list[str]
    events: int
    kinds: Counter[str]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    with shop(tmp_path_factory.mktemp("undisturbed"), "", LONG, LONG_FILES) as made:
        run = made.queue()
        made.serve()
        made.finish(run.id)
        came = outcome(made, run.id)
        assert came.result["stop_code"] == "delivered"
        return Undisturbed(came, list(made.server.bodies), made.seq(run.id), _once(made, run.id))


@pytest.fixture(params=["sqlite", "postgresql"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    if request.param == "sqlite":
        with shop(tmp_path, "", LONG, LONG_FILES) as made:
            yield made
        return
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, LONG, LONG_FILES) as made:
        yield made


def _once(made: Shop, run_id: str) -> Counter[str]:
    """Return how often each kind of event was told that steps tell inside, as often as their step has ended well."""
    return Counter(row.kind for row in events_of(made, run_id) if row.place and row.kind in ("plan.amended",))


def kill_at(made: Shop, run_id: str, point: Callable[[], object]) -> bool:
    """Start a worker and kill it when `point()` holds; False if the run ended before that."""
    worker = made.serve()
    if not made.finish(run_id, point):
        return False
    worker.kill()
    made.bury()
    return True


def points(seed: int, made: Shop, run_id: str, total: int, count: int) -> Iterator[Callable[[], object]]:
    """Yield where to kill: some while the worker still starts, the others between two of the run's events."""
    chance = random.Random(seed)
    for place in sorted(chance.randrange(-total // 8, total) for _ in range(count)):
        wait = chance.uniform(0.0, 0.25) if place > 0 else chance.uniform(0.0, 2.0)
        yield _point(made, run_id, place, wait)


def _point(made: Shop, run_id: str, place: int, wait: float) -> Callable[[], object]:
    attempt, since = made.row(run_id).attempt, 0.0

    def reached() -> bool:
        nonlocal since
        there = made.seq(run_id) >= place if place > 0 else made.row(run_id).attempt > attempt
        since = since or (time.monotonic() if there else 0.0)
        return bool(since) and time.monotonic() >= since + wait

    return reached


def refute(made: Shop, run_id: str, undisturbed: Undisturbed) -> list[tuple[str, int]]:
    """Assert that nothing shows of the kills but requests that were in flight; return those that came again."""
    again = repeated(made, undisturbed.requests)
    assert len(again) <= len(made.marks)
    assert outcome(made, run_id) == undisturbed.outcome
    assert _once(made, run_id) == undisturbed.kinds
    stored = events_of(made, run_id)
    assert [row.seq for row in stored] == list(range(1, len(stored) + 1))
    assert git(made.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads/factory").split() == [BRANCH]
    assert git(made.repo, "rev-list", "--count", f"main..{BRANCH}") == "2"
    verified = made.andon("log", run_id, "--verify")
    assert (verified.returncode, verified.stdout.startswith("intact: ")) == (0, True), verified.stdout
    return again


@pytest.mark.parametrize(("seed", "kills"), [(1, 4), (2, 3), (3, 3)])
def test_a_run_killed_anywhere_ends_as_if_nobody_had(
    killed: Shop, undisturbed: Undisturbed, seed: int, kills: int
) -> None:
    run = killed.queue()
    for point in points(seed, killed, run.id, undisturbed.events, kills):
        assert kill_at(killed, run.id, point), "it ended before it was killed"
    killed.serve()
    killed.finish(run.id)
    refute(killed, run.id, undisturbed)


@pytest.mark.parametrize("when", ["the branch is being made", "the branch has been made", "the end is told"])
def test_a_run_killed_while_it_delivers_makes_one_branch(killed: Shop, undisturbed: Undisturbed, when: str) -> None:
    run = killed.queue()
    slow = WaitingGit(killed.folder / "git", "update-ref")
    reached: Callable[[], object] = slow.reached
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
    assert refute(killed, run.id, undisturbed) == []

"""Killing workers of a run at seeded points, and holding what the run came to against one that nobody killed."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from database_kit import fresh_postgresql
from durable_kit import BRANCH, LONG, LONG_FILES, Outcome, Shop, events_of, outcome, repeated, shop
from lane_kit import git

Point = Callable[[], object]
"""Whether it is time to kill."""


@dataclass(frozen=True)
class Undisturbed:
    """A run of `LONG` that nobody killed."""

    outcome: Outcome
    requests: list[str]
    events: int
    """How many it told."""
    inside: Counter[str]
    """How often what is told of a step that was made once."""


@contextmanager
def long_shop(kind: str, folder: Path) -> Iterator[Shop]:
    """A shop whose runs take the script `LONG`, over either kind of database."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_postgresql()) if kind == "postgresql" else ""
        yield stack.enter_context(shop(folder, url, LONG, LONG_FILES))


def run_undisturbed(folder: Path) -> Undisturbed:
    """Run once, with nobody killed."""
    with long_shop("sqlite", folder) as made:
        run = made.queue()
        made.serve()
        made.finish(run.id)
        came = outcome(made, run.id)
        assert came.result["stop_code"] == "delivered"
        return Undisturbed(came, list(made.server.bodies), made.seq(run.id), _inside(made, run.id))


def kill_at(made: Shop, run_id: str, point: Point) -> bool:
    """Start a worker and kill it when `point()` holds; False if the run ended before that."""
    worker = made.serve()
    if not made.finish(run_id, point):
        return False
    worker.kill()
    made.bury()
    return True


def points(seed: int, made: Shop, run_id: str, total: int, count: int) -> Iterator[Point]:
    """Yield where to kill: some while the worker still starts, the others anywhere but at the very end of the run."""
    chance = random.Random(seed)  # noqa: S311 - where to kill is no secret
    for place in sorted(chance.randrange(-total // 8, total - 15) for _ in range(count)):
        wait = chance.uniform(0.0, 0.25) if place > 0 else chance.uniform(0.0, 2.0)
        yield _point(made, run_id, place, wait)


def _point(made: Shop, run_id: str, place: int, wait: float) -> Point:
    attempt, since = made.row(run_id).attempt, 0.0

    def reached() -> bool:
        nonlocal since
        there = made.seq(run_id) >= place if place > 0 else made.row(run_id).attempt > attempt
        since = since or (time.monotonic() if there else 0.0)
        return bool(since) and time.monotonic() >= since + wait

    return reached


def assert_undisturbed(made: Shop, run_id: str, undisturbed: Undisturbed) -> list[tuple[str, int]]:
    """Assert that nothing shows of the kills but requests that were in flight; return those, which came again."""
    again = repeated(made, undisturbed.requests)
    assert len(again) <= len(made.marks)
    assert outcome(made, run_id) == undisturbed.outcome
    assert _inside(made, run_id) == undisturbed.inside
    stored = events_of(made, run_id)
    assert [row.seq for row in stored] == list(range(1, len(stored) + 1))
    assert git(made.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads/factory").split() == [BRANCH]
    assert git(made.repo, "rev-list", "--count", f"main..{BRANCH}") == "2"
    verified = made.andon("log", run_id, "--verify")
    assert (verified.returncode, verified.stdout.startswith("intact: ")) == (0, True), verified.stdout
    return again


def _inside(made: Shop, run_id: str) -> Counter[str]:
    return Counter(row.kind for row in events_of(made, run_id) if row.kind in ("plan.amended", "effect.applied"))

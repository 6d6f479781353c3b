"""What the sandbox costs: until it is ready, for every call, and for a tree that goes in and comes out."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_job import make_repository
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.toolchain import find_toolchain

_CALLS = 40
_FILES = 10_000
_OUTPUT = 50_000_000


class _Ground(NamedTuple):
    store: TreeStore
    commit: str
    tree: str
    large: str
    """A tree of _FILES more files."""


def _measure(runs: int) -> dict[str, Measured]:
    with _ground() as ground:
        return asyncio.run(_measured(ground, runs))


async def _measured(ground: _Ground, runs: int) -> dict[str, Measured]:
    # The first start of a process loads the engine's client, and makes the repository that later ones copy.
    for tier in ("docker", "bubblewrap"):
        await (await _start(ground, tier)).close()
    git = _git_status_s(ground)
    ready = {tier: await _ready(ground, tier, runs) for tier in ("docker", "bubblewrap")}
    calls = {tier: await _calls(ground, tier) for tier in ("docker", "bubblewrap")}
    plain = await _plain_true(ground)
    large = await _large(ground, runs)
    docker = calls["docker"]
    return {
        "sandbox.docker_ready_s": Measured(ready["docker"], git),
        "sandbox.bwrap_ready_s": Measured(ready["bubblewrap"], git),
        "sandbox.run_true_ms": Measured(docker.true, plain, {"bwrap_ms": calls["bubblewrap"].true}),
        "sandbox.read_10k_ms": Measured(docker.read, plain, {"bwrap_ms": calls["bubblewrap"].read}),
        "sandbox.edit_ms": Measured(docker.edit, plain, {"bwrap_ms": calls["bubblewrap"].edit}),
        "sandbox.exec_speedup": Measured(plain / docker.true, plain / 1000),
        "sandbox.output_50mb_s": Measured(docker.output, parts={"bwrap_s": calls["bubblewrap"].output}),
        "sandbox.close_s": Measured(docker.close, parts={"bwrap_s": calls["bubblewrap"].close}),
        **large,
    }


async def _ready(ground: _Ground, tier: Tier, runs: int) -> float:
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        sandbox = await _start(ground, tier)
        seconds.append(time.perf_counter() - begun)
        await sandbox.close()
    return median(seconds)


class _Calls(NamedTuple):
    true: float
    """Milliseconds, as all of these but `output` and `close`, which are seconds."""
    read: float
    edit: float
    output: float
    close: float


async def _calls(ground: _Ground, tier: Tier) -> _Calls:
    sandbox = await _start(ground, tier)
    await sandbox.write("read", b"x" * 10_000)
    true = await _median_ms(lambda: sandbox.run(["true"]))
    read = await _median_ms(lambda: sandbox.read("read", limit=20_000))

    async def edit() -> None:
        content = await sandbox.read("read", limit=20_000)
        await sandbox.write("read", content[::-1])

    edits = await _median_ms(edit)
    begun = time.perf_counter()
    done = await sandbox.run(["head", "-c", str(_OUTPUT), "/dev/zero"])
    output = time.perf_counter() - begun
    if done.dropped != _OUTPUT - len(done.output):
        raise RuntimeError(f"{tier}: the output was not read to its end: {done.exit_code}")
    begun = time.perf_counter()
    await sandbox.close()
    return _Calls(true, read, edits, output, time.perf_counter() - begun)


async def _plain_true(ground: _Ground) -> float:
    """Milliseconds of an engine's own exec."""
    sandbox = await _start(ground, "docker", plain=True)
    try:
        return await _median_ms(lambda: sandbox.run(["true"]), 10)
    finally:
        await sandbox.close()


async def _large(ground: _Ground, runs: int) -> dict[str, Measured]:
    ready: list[float] = []
    trees: list[float] = []
    for _ in range(min(runs, 3)):
        begun = time.perf_counter()
        sandbox = await _start(ground._replace(tree=ground.large), "docker")
        ready.append(time.perf_counter() - begun)
        await sandbox.entries()
        for number in range(5):
            await sandbox.write(f"many/{number}/changed", b"x")
            begun = time.perf_counter()
            await sandbox.entries()
            trees.append((time.perf_counter() - begun) * 1000)
        await sandbox.close()
    small = await _ready(ground, "docker", 3)
    return {
        "sandbox.copy_in_10k_files_s": Measured(median(ready) - small, small),
        "sandbox.tree_10k_ms": Measured(median(trees)),
    }


async def _median_ms(call: Callable[[], Awaitable[object]], calls: int = _CALLS) -> float:
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        await call()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


async def _start(ground: _Ground, tier: Tier, *, plain: bool = False) -> Sandbox:
    return await start_sandbox(
        ground.store, tree=ground.tree, commit=ground.commit, toolchain=find_toolchain(None), tier=tier, plain=plain
    )


@contextmanager
def _ground() -> Iterator[_Ground]:
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        make_repository(Path(name) / "repository")
        repository = Repository.open(Path(name) / "repository")
        store = TreeStore.create(Path(name) / "store", repository)
        commit = repository.head()
        tree = store.tree_of(commit)
        many = [
            Change(b"many/%d/%d.py" % (number % 100, number), "100644", b"x = %d\n" % number)
            for number in range(_FILES)
        ]
        yield _Ground(store, commit, tree, store.build(tree, many))


def _git_status_s(ground: _Ground) -> float:
    repository = ground.store.path.parent / "repository"
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(["git", "status", "--short"], cwd=repository, capture_output=True, check=True)
        took.append(time.perf_counter() - begun)
    return median(took)


SANDBOX = Group(
    {
        "sandbox.docker_ready_s": Goal("s", "<=", 1.0),
        "sandbox.bwrap_ready_s": Goal("s", "<=", 0.2),
        "sandbox.run_true_ms": Goal("ms", "<=", 3),
        "sandbox.read_10k_ms": Goal("ms", "<=", 2),
        "sandbox.edit_ms": Goal("ms", "<=", 3),
        "sandbox.exec_speedup": Goal("x", ">=", 25),
        "sandbox.copy_in_10k_files_s": Goal("s", "<=", 2),
        "sandbox.tree_10k_ms": Goal("ms", "<=", 60),
        "sandbox.output_50mb_s": Goal("s", "<=", 1),
        "sandbox.close_s": Goal("s", "<=", 0.5),
    },
    _measure,
)
"""On Docker, bubblewrap's in the parts. Baselines: `git status` in the same repository, an engine's own exec."""

"""What the effect gate costs: one settle after a one-file edit, in a workspace of ten thousand files."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Measured
from andon.evals.bench_job import make_repository
from andon.guardrails.judge import Policy
from andon.guardrails.scope import Scope
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.calls import ToolCall
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.toolchain import find_toolchain

_FILES = 10_000
_EDITED = "many/7/7.py"


def effect_10k(runs: int) -> Measured:
    """Return the milliseconds of a settle on Docker; the baseline is telling what changed, without a judgement."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        make_repository(Path(name) / "repository")
        repository = Repository.open(Path(name) / "repository")
        store = TreeStore.create(Path(name) / "store", repository)
        many = [
            Change(b"many/%d/%d.py" % (number % 100, number), "100644", b"x = %d\n" % number)
            for number in range(_FILES)
        ]
        commit = repository.head()
        tree = store.build(store.tree_of(commit), many)
        settled, looked = asyncio.run(_timed(store, tree, commit, "docker", runs))
        bare, _ = asyncio.run(_timed(store, tree, commit, "bubblewrap", runs))
    return Measured(settled, looked, {"bwrap_ms": bare})


async def _timed(store: TreeStore, tree: str, commit: str, tier: Tier, runs: int) -> tuple[float, float]:
    sandbox = await start_sandbox(store, tree=tree, commit=commit, toolchain=find_toolchain(None), tier=tier)
    try:
        base = BaseTree.of(store, tree)
        paths = [path.decode() for path in base.files]
        gate = EffectGate(sandbox, Policy(tracked=frozenset(paths)), base)
        gate.scope = Scope([_EDITED], [], frozenset(paths))
        await gate.begin()
        call = ToolCall(tool="write_file", arguments={"path": _EDITED, "content": ""}, role="executor")
        settled, looked = [], []
        for number in range(runs * 5):
            await sandbox.write(_EDITED, b"x = -%d\n" % number)
            begun = time.perf_counter()
            found = await gate.settle(call)
            settled.append((time.perf_counter() - begun) * 1000)
            if found.changed != (_EDITED,) or found.text:
                raise RuntimeError(f"the edit was not settled: {found}")
            await sandbox.write(_EDITED, b"y = -%d\n" % number)
            begun = time.perf_counter()
            await sandbox.entries()
            looked.append((time.perf_counter() - begun) * 1000)
            await gate.settle(call)
    finally:
        await sandbox.close()
    return median(settled), median(looked)

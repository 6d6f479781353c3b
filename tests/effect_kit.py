"""An effect gate over a real sandbox, on every tier, for the suites of what calls may leave behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sandbox_kit import need_docker, sh
from workspace_kit import make_repository

from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.guardrails.scope import Scope
from andon.mcp_servers.effect_gate import EffectGate, Settled
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.calls import Role, ToolCall
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

FILES: dict[str, str | bytes] = {
    "src/app.py": "VALUE = 1\n",
    "src/other.py": "OTHER = 1\n",
    "src/auth/login.py": "y = 2\n",
    "lib/data.bin": bytes(range(256)),
    "tests/test_app.py": "def test_value():\n    assert 1 + 1 == 2\n\n\ndef test_more():\n    assert 2 == 2\n",
    ".github/workflows/ci.yml": "on: push\n",
    ".gitignore": "*.log\n/build/\n/.venv/\n",
    "factory/andon.toml": "version = 1\n",
    "run.sh": "#!/bin/sh\n",
}

Open = Callable[..., Awaitable["Ground"]]


@dataclass
class Ground:
    """A sandbox, the gate over it, and what a person accepted."""

    sandbox: Sandbox
    gate: EffectGate
    base: BaseTree
    accepted: set[tuple[str, str]] = field(default_factory=set)

    async def after(self, script: str, *approved: str, role: Role = "executor") -> Settled:
        """Run a script as a call would, and settle it."""
        done = await self.sandbox.run(["sh", "-ec", script])
        assert (done.exit_code, done.output.decode()) == (0, "")
        call = ToolCall(tool="run_command", arguments={"command": script}, role=role)
        return await self.gate.settle(call, approved)

    async def read(self, path: str) -> str:
        return (await self.sandbox.read(path, limit=1_000_000)).decode()

    async def lies(self, script: str) -> str:
        """What a script prints, without being settled."""
        return (await sh(self.sandbox, script))[1]

    async def seen(self) -> dict[str, tuple[str, str]]:
        """Mode and blob id of everything there."""
        return {entry.path.decode(): (entry.mode, entry.id()) for entry in await self.sandbox.entries()}


@pytest.fixture(params=["bubblewrap", "docker"])
def tier(request: pytest.FixtureRequest) -> Tier:
    """Every effect is judged and undone on both tiers."""
    if request.param == "docker":
        need_docker()
        return "docker"
    return "bubblewrap"


@pytest.fixture
def plain() -> bool:
    """Asked over a worker inside; suites of what is done without one override it."""
    return False


@pytest.fixture
async def open_ground(tmp_path: Path, tier: Tier, plain: bool) -> AsyncIterator[Open]:
    """Opens a sandbox on FILES or others with a gate that has looked at it; `files`: what the plan lists."""
    opened: list[Sandbox] = []

    async def begin(content: dict[str, str | bytes] = FILES, files: list[str] | None = None) -> Ground:
        repository = await asyncio.to_thread(make_repository, tmp_path / f"repository-{len(opened)}", content)
        store = TreeStore.create(tmp_path / f"store-{len(opened)}", repository)
        commit = repository.head()
        tree = store.tree_of(commit)
        sandbox = await start_sandbox(
            store, tree=tree, commit=commit, toolchain=Toolchain.system(), tier=tier, plain=plain
        )
        opened.append(sandbox)
        policy = Policy(
            protected=tuple(resolve_protected(["src/auth/"], list(content), {})),
            locked=("locked",),
            tracked=frozenset(content),
        )
        accepted: set[tuple[str, str]] = set()
        base = BaseTree.of(store, tree)
        gate = EffectGate(sandbox, policy, base, accepted=lambda path, entry: (path, entry) in accepted)
        if files is not None:
            gate.scope = Scope(files, [], list(content))
        await gate.begin()
        return Ground(sandbox, gate, base, accepted)

    yield begin
    for sandbox in opened:
        await sandbox.close()


@pytest.fixture
async def ground(open_ground: Open) -> Ground:
    """On FILES, with no plan."""
    return await open_ground()

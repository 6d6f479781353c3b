"""A real sandbox on a real repository, and a workbench over it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.mcp_servers.toolset import Workbench
from andon.records.events import EventKind
from andon.records.project import Command, ProjectSetup
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain, find_toolchain

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts sandboxes whose workspace holds the given files, and closes them afterwards."""
    opened: list[Sandbox] = []

    async def begin(files: dict[str, str | bytes], toolchain: Toolchain | None = None) -> Sandbox:
        repository = await asyncio.to_thread(_repository, tmp_path / f"repository-{len(opened)}", files)
        store = TreeStore.create(tmp_path / f"store-{len(opened)}", repository)
        commit = repository.head()
        sandbox = await start_sandbox(
            store, tree=store.tree_of(commit), commit=commit, toolchain=toolchain or find_toolchain(None)
        )
        opened.append(sandbox)
        return sandbox

    yield begin
    for sandbox in opened:
        await sandbox.close()


def _repository(root: Path, files: dict[str, str | bytes]) -> Repository:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for args in (["init", "--quiet"], ["add", "--all", "--force"], [*identity, "commit", "--quiet", "-m", "base"]):
        subprocess.run(["git", *args], cwd=root, check=True)
    return Repository.open(root)


class Journal:
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.events: list[tuple[EventKind, dict[str, Any]]] = []

    def emit(self, kind: EventKind, **data: Any) -> None:
        self.events.append((kind, data))


@dataclass(frozen=True)
class Bench:
    """A workbench and the journal it writes to."""

    workbench: Workbench
    journal: Journal


@pytest.fixture
async def bench(start: Start) -> Bench:
    """A workbench on a small project with a protected area and its own factory folder."""
    files: dict[str, str | bytes] = {
        "src/app.py": "x = 1\n",
        "src/auth/login.py": "y = 2\n",
        "tests/test_app.py": "def test_a(): assert 1 == 2\n",
        "factory/andon.toml": "",
        ".env": "KEY=1\n",
    }
    setup = ProjectSetup(tests=[Command(kind="test", runner="pytest", argv=("python", "-m", "pytest"))])
    policy = Policy(protected=tuple(resolve_protected(["src/auth/"], list(files), {})))
    journal = Journal()
    workbench = Workbench(
        sandbox=await start(files),
        setup=setup,
        policy=policy,
        docs=lambda query: f"README.md:1 about {query}",
        events=journal,
        command_seconds=30,
    )
    return Bench(workbench, journal)

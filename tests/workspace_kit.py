"""Real sandboxes on real repositories, for the suites of what works in a workspace."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

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
        repository = await asyncio.to_thread(make_repository, tmp_path / f"repository-{len(opened)}", files)
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


def make_repository(root: Path, files: dict[str, str | bytes]) -> Repository:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for args in (["init", "--quiet"], ["add", "--all", "--force"], [*identity, "commit", "--quiet", "-m", "base"]):
        subprocess.run(["git", *args], cwd=root, check=True)
    return Repository.open(root)

"""What a sandbox is started on, and the ways to put it inside."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.file_tools import words
from andon.sandbox.lay_out import lay_out, lay_out_files
from andon.sandbox.manifest import Manifest
from andon.sandbox.plant import plant, planted
from andon.sandbox.private_folders import make_private_folder
from andon.sandbox.protocol import EXECUTABLE, REGULAR, WORKSPACE, Sandbox
from andon.sandbox.read_only import plain
from andon.sandbox.remove import remove_tree
from andon.sandbox.store import TreeFile, TreeStore
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.worker_fill import folder_records, tree_records
from andon.sandbox.worker_sandbox import WorkerSandbox

_REFRESH = ["git", "update-index", "-q", "--refresh"]
_REFRESH_LIMIT = 300.0


class NoInterpreter(Exception):
    """There is no Python inside for a worker to run on."""


@dataclass(frozen=True)
class Ground:
    """A tree and a commit of a run's store, the programs beside them, and what is closed to writing."""

    store: TreeStore
    tree: str
    commit: str
    toolchain: Toolchain
    read_only: tuple[str, ...]
    """Names at the top of the workspace that commands cannot write to, where the tree has them."""
    run_id: str

    @cached_property
    def files(self) -> list[TreeFile]:
        """Everything in the tree."""
        return self.store.files(self.tree)

    def lay_out_kept(self, into: Path) -> list[str]:
        """Write what is shown read-only into the new folder `into`, and return its names.

        A link of such a name stays a link in the workspace: a mount would follow it.

        Raises:
            ValueError: a read-only path does not name something at the top of a workspace.
        """
        into.mkdir()
        names = {_top(path).encode() for path in self.read_only}
        kept = [file for file in self.files if _is_kept(file, names)]
        lay_out_files(self.store, kept, into)
        # Whoever reads inside may be another user than the caller, whose umask need not allow for it.
        for folder, _, _ in os.walk(into):
            os.chmod(folder, 0o755)  # noqa: S103 - what holds it all is closed to others
        return sorted({file.path.split(b"/")[0].decode() for file in kept})

    async def fill(self, sandbox: WorkerSandbox, kept: Sequence[str]) -> None:
        """Lay out everything but `kept`, and the repository, inside.

        Raises:
            RunError: with `policy-refused` for a tree that cannot be written safely, `sandbox-full` if it does not fit,
                `no-sandbox` if there is no git inside.
        """
        names = {name.encode() for name in kept}
        parts = tree_records(self.store, [file for file in self.files if file.path.split(b"/")[0] not in names])
        while part := await asyncio.to_thread(next, parts, None):
            await sandbox.fill(WORKSPACE, part)
        for part in folder_records(await asyncio.to_thread(planted, self.store, self.commit)):
            await sandbox.fill(WORKSPACE, part)
        # Commands inside must not take the lock to refresh git's index, so it is made fresh once.
        done = await sandbox.run(_REFRESH, env={"PATH": "/usr/bin:/bin:/usr/local/bin"}, time_limit=_REFRESH_LIMIT)
        if done.exit_code == 127:
            raise RunError(StopCode.NO_SANDBOX, f"the image has no git ({words(done.output)}): add it")
        await sandbox.seal(Manifest(self.files))


async def start_plain(ground: Ground, start: Callable[[Path, Toolchain, Sequence[str]], Awaitable[Sandbox]]) -> Sandbox:
    """Lay everything out in a private folder, as `work`, and let `start` take the folder over."""
    home = make_private_folder()
    try:
        await asyncio.to_thread(_prepare, ground, home / "work")
        return await start(home, ground.toolchain, ground.read_only)
    except BaseException:
        remove_tree(home)
        raise


def _prepare(ground: Ground, work: Path) -> None:
    work.mkdir()
    lay_out(ground.store, ground.tree, work)
    plant(ground.store, ground.commit, work)


def _is_kept(file: TreeFile, names: set[bytes]) -> bool:
    top, slash, _ = file.path.partition(b"/")
    return top in names and (slash != b"" or file.mode in (REGULAR, EXECUTABLE))


def _top(path: str) -> str:
    if "/" in plain(path):
        raise ValueError(f"{path!r} is not at the top of the workspace")
    return path

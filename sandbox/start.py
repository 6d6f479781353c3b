"""Start a sandbox on a tree of the run's store."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from andon.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from andon.sandbox.host_git import run_git
from andon.sandbox.lay_out import lay_out
from andon.sandbox.protocol import Sandbox
from andon.sandbox.remove import remove_tree
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

_HISTORY = 10
_CONFIG = "[user]\n\tname = andon\n\temail = andon@localhost\n[gc]\n\tauto = 0\n"


async def start_sandbox(
    store: TreeStore, *, tree: str, commit: str, toolchain: Toolchain, read_only: Sequence[str] = ("factory",)
) -> Sandbox:
    """Return a fresh sandbox whose workspace holds `tree` and a repository at `commit`; the caller closes it.

    `read_only` names paths of the workspace that commands cannot write to where `tree` has them.

    Raises:
        RunError: with `no-sandbox` and the remedy if this machine cannot make one, `policy-refused` for a tree that
            cannot be written safely.
        UserError: an object is missing from the repository.
    """
    find_bwrap()
    home = Path(tempfile.mkdtemp(prefix="andon-"))
    try:
        await asyncio.to_thread(_prepare, store, tree, commit, home / "work")
        return await BubblewrapSandbox.start(home, toolchain, read_only)
    except BaseException:
        remove_tree(home)
        raise


def _prepare(store: TreeStore, tree: str, commit: str, work: Path) -> None:
    work.mkdir()
    lay_out(store, tree, work)
    _plant_git(store, commit, work)


def _plant_git(store: TreeStore, commit: str, work: Path) -> None:
    """Give the workspace a repository of ours: `commit` on `main`, a little history, no remote.

    Host git may work in it here because no command of an agent has run yet; it never may again.
    """
    git_dir = work / ".git"
    run_git(["init", "--quiet", "--template=", "--initial-branch=main", str(work)])
    with (git_dir / "config").open("a") as config:
        config.write(_CONFIG)
    run_git(
        ["-c", "transfer.unpackLimit=1", "fetch", "--quiet", f"--depth={_HISTORY}", "--no-tags",
         "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", str(store.path), commit],
        git_dir=git_dir,
    )  # fmt: skip
    run_git(["update-ref", "--no-deref", "refs/heads/main", commit], git_dir=git_dir)
    run_git(["read-tree", commit], cwd=work, git_dir=git_dir)
    # Commands inside must not take the lock to refresh the index, so it is made fresh once.
    run_git(["update-index", "-q", "--refresh"], cwd=work, git_dir=git_dir)

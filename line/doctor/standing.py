"""A sandbox to look at: started on an empty repository of ours, whatever repository the person is in."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from andon.line.uninterrupted import uninterrupted
from andon.sandbox.host_git import run_git
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain


class Standing(NamedTuple):
    """A sandbox that answers."""

    sandbox: Sandbox
    seconds: float
    """From the start until it did."""


async def stand(tier: Tier, toolchain: Toolchain) -> Standing:
    """Start a sandbox of `tier`; the caller closes it.

    Raises:
        RunError: this machine cannot make one.
    """
    with tempfile.TemporaryDirectory(prefix="andon-doctor-") as name:
        # A thread goes on although its caller was cancelled, and would write into what is removed.
        store, commit = await uninterrupted(asyncio.to_thread(empty_repository, Path(name)))
        begun = time.monotonic()
        sandbox = await start_sandbox(
            store, tree=store.tree_of(commit), commit=commit, toolchain=toolchain, tier=tier, run_id="doctor"
        )
        return Standing(sandbox, time.monotonic() - begun)


def empty_repository(folder: Path) -> tuple[TreeStore, str]:
    """Make a repository with one empty commit in `folder` by git's plumbing, and return a store on it and the commit.

    Raises:
        GitError: git is too old for one of the commands.
        UserError: git is not installed.
    """
    who = {f"GIT_{role}_{part}": "andon" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    run_git(["init", "--quiet", "--template=", "--initial-branch=main", str(folder / "repository")])
    git_dir = folder / "repository" / ".git"
    tree = run_git(["mktree"], git_dir=git_dir, stdin=b"").decode().strip()
    commit = run_git(["commit-tree", "-m", "empty", tree], git_dir=git_dir, env=who).decode().strip()
    run_git(["update-ref", "refs/heads/main", commit], git_dir=git_dir)
    return TreeStore.create(folder / "store", Repository.open(folder / "repository")), commit

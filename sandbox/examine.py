"""What each tier can do on this machine: shown by starting it, not by looking for its parts."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import MEANINGS
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

PROGRAMS = ("python3", "pytest", "ruff", "git", "rg", "node", "npm", "make", "go", "cargo")
"""What checks of common projects need."""


@dataclass(frozen=True)
class Examined:
    """One tier, as it was found."""

    tier: Tier
    seconds: float
    """From the start to a sandbox that answers."""
    notes: tuple[str, ...]
    """What it runs on, and what it does not promise here."""
    programs: tuple[str, ...]
    """Those of PROGRAMS it has."""
    problem: str = ""
    """Why it does not work; empty if it does."""
    remedy: str = ""
    """What to do about it."""


async def examine(tier: Tier, toolchain: Toolchain) -> Examined:
    """Start a sandbox of `tier` on an empty repository of ours, ask it, and close it."""
    with tempfile.TemporaryDirectory(prefix="andon-doctor-") as name:
        store, commit = await asyncio.to_thread(_ground, Path(name))
        begun = time.monotonic()
        try:
            sandbox = await start_sandbox(
                store, tree=store.tree_of(commit), commit=commit, toolchain=toolchain, tier=tier, run_id="doctor"
            )
        except RunError as error:
            return Examined(tier, 0.0, (), (), str(error), MEANINGS[error.code].remedy)
        seconds = time.monotonic() - begun
        try:
            looked = await sandbox.run(["sh", "-c", 'for name do command -v -- "$name"; done', "sh", *PROGRAMS])
        except RunError as error:
            return Examined(tier, seconds, sandbox.notes, (), str(error), MEANINGS[error.code].remedy)
        finally:
            await sandbox.close()
        there = {Path(line).name for line in looked.output.decode("utf-8", "replace").splitlines()}
        return Examined(tier, seconds, sandbox.notes, tuple(name for name in PROGRAMS if name in there))


def _ground(folder: Path) -> tuple[TreeStore, str]:
    who = {f"GIT_{role}_{part}": "andon" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    run_git(["init", "--quiet", "--template=", "--initial-branch=main", str(folder / "repository")])
    git_dir = folder / "repository" / ".git"
    tree = run_git(["mktree"], git_dir=git_dir, stdin=b"").decode().strip()
    commit = run_git(["commit-tree", "-m", "empty", tree], git_dir=git_dir, env=who).decode().strip()
    run_git(["update-ref", "refs/heads/main", commit], git_dir=git_dir)
    return TreeStore.create(folder / "store", Repository.open(folder / "repository")), commit

"""Start a sandbox on a tree of the run's store, on the tier that was asked for or the best this machine has."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode
from andon.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from andon.sandbox.host_git import run_git
from andon.sandbox.lay_out import lay_out
from andon.sandbox.private_folders import make_private_folder, remove_left_folders
from andon.sandbox.protocol import Sandbox
from andon.sandbox.remove import remove_tree
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

Tier = Literal["auto", "docker", "bubblewrap"]
"""`auto`: Docker if an engine answers and has the image, else bubblewrap."""

TIERS: tuple[Tier, ...] = get_args(Tier)

_HISTORY = 10
_CONFIG = "[user]\n\tname = andon\n\temail = andon@localhost\n[gc]\n\tauto = 0\n"


def tier_of(setting: str | None) -> Tier:
    """Return the tier to use: `setting`, else $ANDON_SANDBOX, else `auto`.

    Raises:
        UserError: the first of them that is there names no tier.
    """
    named = setting or os.environ.get("ANDON_SANDBOX") or "auto"
    for tier in TIERS:
        if named == tier:
            return tier
    raise UserError(f"there is no sandbox tier {named!r} (--sandbox, ANDON_SANDBOX): name one of {', '.join(TIERS)}")


async def start_sandbox(
    store: TreeStore,
    *,
    tree: str,
    commit: str,
    toolchain: Toolchain,
    read_only: Sequence[str] = ("factory",),
    tier: Tier | None = None,
    run_id: str = "",
) -> Sandbox:
    """Return a fresh sandbox whose workspace holds `tree` and a repository at `commit`; the caller closes it.

    `read_only` names paths of the workspace that commands cannot write to where `tree` has them. `tier` None is what
    $ANDON_SANDBOX says. `run_id` is what a container is labelled with. What sandboxes of killed processes left behind
    is removed first.

    Raises:
        RunError: with `no-sandbox` and the remedy if this machine cannot make one, `policy-refused` for a tree that
            cannot be written safely.
        UserError: an object is missing from the repository, or $ANDON_SANDBOX names no tier.
    """
    chosen = tier or tier_of(None)
    if chosen == "bubblewrap":
        find_bwrap()
    await asyncio.to_thread(remove_left_folders)
    home = make_private_folder()
    try:
        await asyncio.to_thread(_prepare, store, tree, commit, home / "work")
        return await _start(chosen, home, toolchain, read_only, run_id)
    except BaseException:
        remove_tree(home)
        raise


async def _start(tier: Tier, home: Path, toolchain: Toolchain, read_only: Sequence[str], run_id: str) -> Sandbox:
    if tier == "bubblewrap":
        return await BubblewrapSandbox.start(home, toolchain, read_only)
    try:
        return await _start_docker(home, toolchain, read_only, run_id)
    except RunError as error:
        if tier == "docker" or error.code is not StopCode.NO_SANDBOX:
            raise
        reason = str(error)
    try:
        sandbox = await BubblewrapSandbox.start(home, toolchain, read_only)
    except RunError as error:
        raise RunError(error.code, f"{error} Nor is there Docker: {reason}") from error
    sandbox.notes = (f"not Docker: {reason}", *sandbox.notes)
    return sandbox


async def _start_docker(home: Path, toolchain: Toolchain, read_only: Sequence[str], run_id: str) -> Sandbox:
    # The SDK takes half a second to load, which a machine without Docker need not wait for.
    from andon.sandbox.docker_sandbox import DockerSandbox

    try:
        sandbox = await DockerSandbox.start(home, toolchain, read_only, run_id)
    except RunError as error:
        # A loaded engine was seen to end the first exec of a new container unrun; nothing has happened in it yet.
        if error.code is not StopCode.SANDBOX_LOST:
            raise
        sandbox = await DockerSandbox.start(home, toolchain, read_only, run_id)
    await asyncio.to_thread(remove_tree, home)
    return sandbox


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

"""Start a sandbox on a tree of the run's store, on the tier that was asked for or the best this machine has."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode
from andon.sandbox.bubblewrap import BubblewrapSandbox
from andon.sandbox.bwrap_worker import start_bwrap_worker
from andon.sandbox.cgroup import remove_left_groups
from andon.sandbox.ground import Ground, NoInterpreter, start_plain
from andon.sandbox.private_folders import remove_left_folders
from andon.sandbox.protocol import Sandbox
from andon.sandbox.remove import remove_tree
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

Tier = Literal["auto", "docker", "bubblewrap"]
"""`auto`: Docker if an engine answers and has the image, else bubblewrap."""

TIERS: tuple[Tier, ...] = get_args(Tier)


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
    plain: bool = False,
) -> Sandbox:
    """Return a fresh sandbox whose workspace holds `tree` and a repository at `commit`; the caller closes it.

    `read_only` names paths of the workspace that commands cannot write to where `tree` has them. `tier` None is what
    $ANDON_SANDBOX says. `run_id` is what a container is labelled with. `plain`: a process of ours for every call
    instead of a worker inside, as is done by itself where there is no Python inside. What sandboxes of killed processes
    left behind is removed first.

    Raises:
        RunError: with `no-sandbox` and the remedy if this machine cannot make one, `policy-refused` for a tree that
            cannot be written safely.
        UserError: an object is missing from the repository, or $ANDON_SANDBOX names no tier.
    """
    chosen = tier or tier_of(None)
    await asyncio.to_thread(remove_left_folders)
    await asyncio.to_thread(remove_left_groups)
    ground = Ground(store, tree, commit, toolchain, tuple(read_only), run_id)
    if chosen != "auto":
        return await _START[chosen](ground, plain)
    try:
        return await _start_docker(ground, plain)
    except RunError as error:
        if error.code not in (StopCode.NO_SANDBOX, StopCode.NO_IMAGE):
            raise
        reason = str(error)
    try:
        sandbox = await _start_bubblewrap(ground, plain)
    except RunError as error:
        raise RunError(error.code, f"{error} Nor is there Docker: {reason}") from error
    sandbox.notes = (f"not Docker: {reason}", *sandbox.notes)
    return sandbox


async def _start_bubblewrap(ground: Ground, plain: bool) -> Sandbox:
    if not plain:
        with contextlib.suppress(NoInterpreter):
            return await start_bwrap_worker(ground)
    return await start_plain(ground, BubblewrapSandbox.start)


async def _start_docker(ground: Ground, plain: bool) -> Sandbox:
    # The SDK takes half a second to load, which a machine without Docker need not wait for.
    from andon.sandbox.docker_sandbox import DockerSandbox
    from andon.sandbox.docker_worker import start_docker_worker

    if not plain:
        with contextlib.suppress(NoInterpreter):
            return await start_docker_worker(ground)

    async def start(home: Path, toolchain: Toolchain, read_only: Sequence[str]) -> Sandbox:
        try:
            sandbox = await DockerSandbox.start(home, toolchain, read_only, ground.run_id)
        except RunError as error:
            # A loaded engine was seen to end the first exec of a new container unrun; nothing has happened in it yet.
            if error.code is not StopCode.SANDBOX_LOST:
                raise
            sandbox = await DockerSandbox.start(home, toolchain, read_only, ground.run_id)
        await asyncio.to_thread(remove_tree, home)
        return sandbox

    return await start_plain(ground, start)


_START = {"bubblewrap": _start_bubblewrap, "docker": _start_docker}

"""The bubblewrap tier without a worker inside: a bwrap for every command."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sandbox_kit import alive, appears, parent_of, sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.bubblewrap import BubblewrapSandbox
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import Tier
from andon.sandbox.toolchain import Toolchain

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def tier() -> Tier:
    """What only this tier promises."""
    return "bubblewrap"


@pytest.fixture
def plain() -> bool:
    """What is done without a worker."""
    return True


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"": "x"}, {"A": "x\0--bind\0/\0/tmp"}, {"A\0B": "x"}])
async def test_an_environment_that_would_reach_bwraps_options_is_refused(sandbox: Sandbox, env: dict[str, str]) -> None:
    assert (await sandbox.run(["true"], env=env)).exit_code == 126


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../..", ""])
def test_a_read_only_path_outside_the_workspace_is_a_mistake(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="does not name a part of the workspace"):
        BubblewrapSandbox(tmp_path, Toolchain.system(), [path])


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("sleep {0}{1}", id="while-it-starts"),
        pytest.param("exec sleep {0}$(echo {1})", id="while-the-command-runs"),
    ],
)
async def test_a_killed_sandbox_is_lost_for_good(sandbox: Sandbox, nap: str, script: str) -> None:
    task = asyncio.create_task(sandbox.run(["sh", "-c", script.format(nap[:2], nap[2:])]))
    pid = await appears(nap)
    while (parent := parent_of(pid)) != os.getpid():
        pid = parent
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RunError, match="bubblewrap ended without the command's exit code") as caught:
        await task
    assert caught.value.code is StopCode.SANDBOX_LOST
    for method in (sandbox.run(["true"]), sandbox.resolve("x"), sandbox.read("x", limit=1), sandbox.entries()):
        with pytest.raises(RunError) as again:
            await method
        assert again.value.code is StopCode.SANDBOX_LOST
    assert alive(nap) == []


async def test_the_host_paths_of_the_sandbox_are_on_no_command_line(sandbox: Sandbox) -> None:
    assert "andon-" not in (await sh(sandbox, "cat /proc/*/cmdline | tr '\\0' ' '"))[1]

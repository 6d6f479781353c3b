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


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"": "x"}, {"A": "x\0--bind\0/\0/tmp"}, {"A\0B": "x"}])
async def test_an_environment_that_would_reach_bwraps_options_is_refused(sandbox: Sandbox, env: dict[str, str]) -> None:
    assert (await sandbox.run(["true"], env=env)).exit_code == 126


async def test_nothing_of_the_host_is_seen(sandbox: Sandbox) -> None:
    code, output = await sh(
        sandbox, "ls -A / /etc; ls /root /home /var /sys /run 2>/dev/null; ls /proc | grep -c '^[0-9]'"
    )
    root, etc, processes = output.partition("\n\n")[0], output.partition("/etc:\n")[2], output.splitlines()[-1]
    assert set(root.splitlines()[1:]) <= {
        "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "tmp", "usr", "work",
    }  # fmt: skip
    assert set(etc.splitlines()[:-1]) <= {"alternatives", "group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd"}
    assert int(processes) < 6
    for path in ("/etc/shadow", "/root", "/home", f"{Path(__file__)}", "/var/run/docker.sock"):
        assert (await sandbox.run(["test", "-e", path])).exit_code == 1
    assert code == 0


async def test_the_host_paths_of_the_sandbox_are_on_no_command_line(sandbox: Sandbox) -> None:
    assert "andon-" not in (await sh(sandbox, "cat /proc/*/cmdline | tr '\\0' ' '"))[1]


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


async def test_a_machine_without_bubblewrap_says_how_to_get_it(
    open_sandbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RunError, match="apt-get install bubblewrap") as caught:
        await open_sandbox()
    assert caught.value.code is StopCode.NO_SANDBOX


async def test_a_bubblewrap_that_does_not_work_says_what_to_allow_and_leaves_nothing(
    open_sandbox: Open, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base
    fake = tmp_path / "bin" / "bwrap"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    (tmp_path / "private").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(RunError, match=r"uid map: Permission denied.*apparmor_restrict_unprivileged_userns") as caught:
        await open_sandbox()
    assert caught.value.code is StopCode.NO_SANDBOX
    assert list((tmp_path / "private").iterdir()) == []


async def test_what_the_tier_does_not_promise_is_said(sandbox: Sandbox) -> None:
    assert any("foreign toolchain" in note for note in sandbox.notes)

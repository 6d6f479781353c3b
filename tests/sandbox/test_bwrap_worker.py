"""The bubblewrap tier: what of the host is seen, and how a sandbox ends."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sandbox_kit import alive, appears, groups_of_this_process, parent_of, sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import Tier

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


async def test_a_machine_without_bubblewrap_says_how_to_get_it(
    open_sandbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RunError, match="apt-get install bubblewrap") as caught:
        await open_sandbox()
    assert caught.value.code is StopCode.NO_SANDBOX


@pytest.mark.parametrize("plain", [False, True], ids=["worker", "plain"])
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
    assert (list((tmp_path / "private").iterdir()), groups_of_this_process()) == ([], [])


async def test_what_the_tier_does_not_promise_is_said(sandbox: Sandbox) -> None:
    assert any("foreign toolchain" in note for note in sandbox.notes)


@pytest.mark.parametrize("plain", [False, True], ids=["worker", "plain"])
async def test_cancelling_the_start_leaves_nothing(
    open_sandbox: Open, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    for turns in (1, 10, 40, 100, 200):
        task = asyncio.ensure_future(open_sandbox())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (list(private.iterdir()), alive(str(private)), groups_of_this_process()) == ([], [], [])


def worker_of(pid: int) -> list[int]:
    """From the process `pid` inside up to andon: first the worker, last the bwrap that andon started."""
    above = []
    while (pid := parent_of(pid)) != os.getpid():
        above.append(pid)
    return above


@pytest.mark.parametrize("which", [0, -1], ids=["the worker", "bwrap"])
async def test_a_killed_worker_is_lost_for_good(sandbox: Sandbox, nap: str, which: int) -> None:
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    os.kill(worker_of(await appears(nap))[which], signal.SIGKILL)
    with pytest.raises(RunError, match="its worker ended") as caught:
        await task
    for method in (sandbox.run(["true"]), sandbox.resolve("x"), sandbox.read("x", limit=1), sandbox.entries()):
        with pytest.raises(RunError, match="its worker ended") as again:
            await method
        assert again.value.code is caught.value.code is StopCode.WORKER_DEAD
    assert alive(nap) == []


async def test_a_stopped_worker_is_told_apart_from_a_dead_one(
    sandbox: Sandbox, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox._GRACE", 0.2)
    task = asyncio.create_task(sandbox.run(["sleep", nap], time_limit=0.5))
    os.kill(worker_of(await appears(nap))[0], signal.SIGSTOP)
    with pytest.raises(RunError, match="did not answer within") as caught:
        await task
    assert (caught.value.code, alive(nap)) == (StopCode.WORKER_SILENT, [])


async def test_a_worker_killed_for_want_of_memory_says_so(
    sandbox: Sandbox, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any("each process alone" in note for note in sandbox.notes):
        pytest.skip("this machine lets andon make no control group: the run says so")
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    worker = worker_of(await appears(nap))[0]
    hog = "import os, time\nopen('/proc/self/oom_score_adj', 'w').write('0')\nx = b'x' * (60 << 20)\ntime.sleep(9)"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    become_first_victim(worker, 48 << 20)
    with pytest.raises(RunError, match="it ran out of memory") as caught:
        await sandbox.run(["python3", "-c", hog])
    assert caught.value.code is StopCode.SANDBOX_MEMORY


def become_first_victim(worker: int, size: int) -> None:
    """Lower the limit of the worker's group, and let the kernel take the worker first."""
    Path(f"/proc/{worker}/oom_score_adj").write_text("1000")
    for line in Path(f"/proc/{worker}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "andon_" in path and controllers == "":
            Path(f"/sys/fs/cgroup{path}/memory.max").write_text(str(size))
        elif "andon_" in path and "memory" in controllers.split(","):
            Path(f"/sys/fs/cgroup/{controllers}{path}/memory.limit_in_bytes").write_text(str(size))

"""The Docker tier without a worker inside: an exec for every command, and a sweep after it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from docker import APIClient
from sandbox_kit import alive, appears, container_of, sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.docker_entries import EntryStream
from andon.sandbox.docker_layout import places
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import Tier
from andon.sandbox.store import Change, TreeStore

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def tier(docker_tier: None) -> Tier:
    """What only this tier promises."""
    return "docker"


@pytest.fixture
def plain() -> bool:
    """What is done without a worker."""
    return True


async def test_an_init_of_the_engines_and_a_keeper_hold_the_container(sandbox: Sandbox, api: APIClient) -> None:
    facts = api.inspect_container(container_of(api))
    assert (facts["HostConfig"]["Init"], facts["Config"]["User"]) == (True, "65534:65534")


async def test_commands_cannot_touch_what_keeps_the_container(sandbox: Sandbox) -> None:
    for pid in ("1", "$(pgrep -x sleep)"):
        await sh(sandbox, f"kill -KILL {pid}; kill -STOP {pid}; kill -INT {pid}")
    killed = await sandbox.run(["sh", "-c", "kill -KILL -1; echo alone"])
    assert (killed.exit_code, killed.output) == (0, b"alone\n")


async def test_a_command_that_ends_its_own_kind_leaves_nothing(sandbox: Sandbox, nap: str) -> None:
    script = f"import os, signal; os.fork() or os.execvp('sleep', ['sleep', '{nap}']); os.kill(os.getppid(), 9)"
    await sandbox.run(["setsid", "--wait", "python3", "-c", script], time_limit=20)
    assert alive(nap) == []
    hidden = f"import ctypes, time; ctypes.CDLL(None).prctl(4, 0); time.sleep({nap})"
    await sh(sandbox, f'python3 -c "{hidden}" >/dev/null 2>&1 &')
    assert alive(nap) == []


async def test_a_fork_bomb_is_held_and_gone(sandbox: Sandbox, nap: str) -> None:
    bomb = f"while :; do sleep {nap} & done 2>/dev/null"
    assert (await sandbox.run(["sh", "-c", bomb], time_limit=5)).exit_code != 0
    assert alive(nap) == []
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_a_container_that_ran_out_of_memory_says_so(sandbox: Sandbox, api: APIClient) -> None:
    container = container_of(api)
    api.update_container(container, mem_limit="128m", memswap_limit="128m")
    worst = "for p in /proc/[0-9]*/oom_score_adj; do echo 1000 > $p; done"
    keeper = api.exec_create(container, ["sh", "-c", worst], user="65534:65534")
    api.exec_start(keeper["Id"])
    with pytest.raises(RunError, match="ran out of memory") as caught:
        await sandbox.run(
            ["python3", "-c", "import os, time; os.fork(); os.fork(); x = b'x' * (60 << 20); time.sleep(60)"]
        )
    assert caught.value.code is StopCode.SANDBOX_LOST


async def test_a_killed_container_is_lost_for_good(sandbox: Sandbox, api: APIClient, nap: str) -> None:
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    await appears(nap)
    await asyncio.to_thread(api.kill, container_of(api))
    with pytest.raises(RunError, match="its container ended with exit code 137") as caught:
        await task
    assert caught.value.code is StopCode.SANDBOX_LOST
    for method in (
        sandbox.run(["true"]), sandbox.resolve("x"), sandbox.read("x", limit=1), sandbox.write("x", b""),
        sandbox.entries(),
    ):  # fmt: skip
        with pytest.raises(RunError) as again:
            await method
        assert again.value.code is StopCode.SANDBOX_LOST


@pytest.mark.parametrize("method", ["read", "write", "resolve", "entries", "run"])
async def test_a_removed_container_is_noticed_by_every_method(sandbox: Sandbox, api: APIClient, method: str) -> None:
    await asyncio.to_thread(api.remove_container, container_of(api), force=True)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "read": lambda: sandbox.read("README.md", limit=10),
        "write": lambda: sandbox.write("x", b"x"),
        "resolve": lambda: sandbox.resolve("x"),
        "entries": sandbox.entries,
        "run": lambda: sandbox.run(["true"]),
    }
    with pytest.raises(RunError) as caught:
        await calls[method]()
    assert caught.value.code is StopCode.SANDBOX_LOST


async def test_a_file_in_place_of_a_read_only_folder_is_refused(
    open_sandbox: Open, store: TreeStore, base: str
) -> None:
    tree = store.build(base, [Change(b"factory/andon.toml", None), Change(b"factory", "100644", b"x")])
    with pytest.raises(RunError, match="'factory' is a file in this tree") as caught:
        await open_sandbox(tree=tree)
    assert caught.value.code is StopCode.NO_SANDBOX


@pytest.mark.parametrize("path", ["/etc", "../x", "", "a/b"])
def test_a_read_only_path_that_is_not_at_the_top_is_a_mistake(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="of the workspace"):
        places(tmp_path, [path], None)


@pytest.mark.parametrize("written", [b"", b"sock\0", b"\0not an archive" + b"x" * 2000])
def test_what_is_no_workspace_is_refused(written: bytes) -> None:
    stream = EntryStream()
    stream.take(written)
    with pytest.raises(ValueError, match=r"no end|damaged"):
        stream.entries()

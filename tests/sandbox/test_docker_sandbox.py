import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from docker import APIClient
from sandbox_kit import alive, appears, sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.docker_entries import EntryStream
from andon.sandbox.docker_layout import places
from andon.sandbox.engine import connect
from andon.sandbox.owner import Owner
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.seccomp import docker_profile
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.toolchain import Toolchain

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def tier(docker_tier: None) -> Tier:
    """What only this tier promises."""
    return "docker"


@pytest.fixture
def api(docker_tier: None) -> APIClient:
    return connect()


def container_of(api: APIClient) -> str:
    """The one container of this process."""
    mine = [
        found for found in api.containers(filters={"label": ["andon=1"]})
        if found["Labels"]["andon.owner"] == Owner.this_process().text()
    ]  # fmt: skip
    assert [found["Labels"]["andon.run"] for found in mine] == ["test"]
    return str(mine[0]["Id"])


async def test_the_container_has_every_hardening(sandbox: Sandbox, api: APIClient, plain: bool) -> None:
    host = api.inspect_container(container_of(api))["HostConfig"]
    wanted = {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "CapAdd": None,
        "SecurityOpt": ["no-new-privileges", f"seccomp={docker_profile()}"],
        "Privileged": False,
        "PidsLimit": 1024,
        "Memory": 4 << 30,
        "MemorySwap": 4 << 30,
        "CpuQuota": 400_000,
        # A worker is the first process itself; it takes every orphan's end, and with it the container ends.
        "Init": plain,
        "Binds": None,
        "LogConfig": {"Type": "none", "Config": {}},
    }
    assert {name: host[name] for name in wanted} == wanted
    assert "Seccomp:\t2" in (await sh(sandbox, "cat /proc/self/status"))[1]
    assert (await sh(sandbox, "ls -A /home /root /srv; ls /var/run/docker.sock"))[1].count("No such file") == 1


async def test_the_image_has_the_locked_toolchain(sandbox: Sandbox) -> None:
    code, output = await sh(
        sandbox, "command -v pytest; command -v ruff; command -v python; pytest --version && ruff --version"
    )
    lock = (Path(__file__).parents[2] / "sandbox" / "image" / "toolchain.lock").read_text()
    versions = {line.split("==")[0]: line.split("==")[1].split()[0] for line in lock.splitlines() if "==" in line}
    assert (code, output.splitlines()) == (
        0,
        [
            "/opt/toolchain-scripts/pytest",
            "/opt/toolchain/bin/ruff",
            "/opt/toolchain/bin/python",
            f"pytest {versions['pytest']}",
            f"ruff {versions['ruff']}",
        ],
    )
    assert sandbox.notes == ("toolchain: the image's own (andon-sandbox:local)",)


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


async def test_files_have_a_quota_in_bytes_and_number(sandbox: Sandbox) -> None:
    code, output = await sh(sandbox, "stat -f -c '%b %S %c' /work /tmp /dev/shm | head -2")
    sizes = [[int(word) for word in line.split()] for line in output.splitlines()]
    assert (code, [(blocks * size, inodes) for blocks, size, inodes in sizes]) == (
        0, [(2 << 30, 1_000_000), (1 << 30, 300_000)],
    )  # fmt: skip


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


async def test_a_file_in_place_of_a_read_only_folder_is_shown_read_only(
    open_sandbox: Open, store: TreeStore, base: str
) -> None:
    tree = store.build(base, [Change(b"factory/andon.toml", None), Change(b"factory", "100644", b"x")])
    assert (await sh(await open_sandbox(tree=tree), "cat factory; echo y > factory || cat factory"))[1].startswith("xx")


@pytest.mark.parametrize("path", ["/etc", "../x", "", "a/b"])
def test_a_read_only_path_that_is_not_at_the_top_is_a_mistake(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="of the workspace"):
        places(tmp_path, [path], None)


async def test_a_toolchain_whose_python_the_image_lacks_is_not_used(
    store: TreeStore, repository: Repository, base: str, tmp_path: Path, docker_tier: None
) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "env" / "bin" / "python").symlink_to("/usr/bin/env")
    toolchain = Toolchain.of_venv(tmp_path / "env")
    sandbox = await start_sandbox(
        store, tree=base, commit=repository.head(), toolchain=toolchain, tier="docker", run_id="test"
    )
    await sandbox.close()
    assert "needs /usr/bin/env, which the image does not have" in sandbox.notes[0]


@pytest.mark.parametrize("written", [b"", b"sock\0", b"\0not an archive" + b"x" * 2000])
def test_what_is_no_workspace_is_refused(written: bytes) -> None:
    stream = EntryStream()
    stream.take(written)
    with pytest.raises(ValueError, match=r"no end|damaged"):
        stream.entries()


async def test_cancelling_the_start_leaves_no_container(open_sandbox: Open, api: APIClient) -> None:
    for turns in (1, 50, 400):
        task = asyncio.ensure_future(open_sandbox())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    mine = Owner.this_process().text()
    assert [c for c in api.containers(all=True) if c["Labels"].get("andon.owner") == mine] == []

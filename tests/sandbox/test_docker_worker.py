"""The Docker tier: what its containers are made of, and how they end."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from docker import APIClient
from sandbox_kit import alive, appears, container_of, sh

from andon.records.errors import RunError
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.engine import connect, remove_container
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


async def test_the_container_has_every_hardening(sandbox: Sandbox, api: APIClient) -> None:
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
        "Init": False,
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


async def test_files_have_a_quota_in_bytes_and_number(sandbox: Sandbox) -> None:
    code, output = await sh(sandbox, "stat -f -c '%b %S %c' /work /tmp /dev/shm | head -2")
    sizes = [[int(word) for word in line.split()] for line in output.splitlines()]
    assert (code, [(blocks * size, inodes) for blocks, size, inodes in sizes]) == (
        0, [(2 << 30, 1_000_000), (1 << 30, 300_000)],
    )  # fmt: skip


async def test_a_file_in_place_of_a_read_only_folder_is_shown_read_only(
    open_sandbox: Open, store: TreeStore, base: str
) -> None:
    tree = store.build(base, [Change(b"factory/andon.toml", None), Change(b"factory", "100644", b"x")])
    code, said = await sh(await open_sandbox(tree=tree), "cat factory; echo y > factory || cat factory")
    assert (code, said) == (0, "xsh: 1: cannot create factory: Read-only file system\nx")


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
        with pytest.raises(RunError, match="its container ended with exit code 137") as again:
            await method
        assert again.value.code is StopCode.SANDBOX_LOST


async def test_a_removed_container_is_noticed(sandbox: Sandbox, api: APIClient) -> None:
    await asyncio.to_thread(api.remove_container, container_of(api), force=True)
    with pytest.raises(RunError, match="the sandbox is gone") as caught:
        await sandbox.read("README.md", limit=10)
    assert caught.value.code is StopCode.SANDBOX_LOST


async def test_a_container_whose_worker_was_killed_for_want_of_memory_says_so(
    sandbox: Sandbox, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = container_of(api)
    top = await asyncio.to_thread(api.top, container)
    await asyncio.to_thread(api.update_container, container, mem_limit="64m", memswap_limit="64m")
    # The first to be taken.
    become_first_victim(top["Processes"][0][1])
    swarm = "import os, time\nopen('/proc/self/oom_score_adj', 'w').write('0')\nx = b'x' * (60 << 20)\ntime.sleep(9)"
    with pytest.raises(RunError, match="it ran out of memory") as caught:
        await sandbox.run(["python3", "-c", swarm])
    assert caught.value.code is StopCode.SANDBOX_MEMORY


def become_first_victim(worker: str) -> None:
    Path(f"/proc/{worker}/oom_score_adj").write_text("1000")


async def test_an_engine_that_goes_away_is_told_apart_from_a_dead_sandbox(
    open_sandbox: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nap: str
) -> None:
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    relay = await Relay.start(engine, tmp_path / "engine")
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine")
        sandbox = await open_sandbox()
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    await appears(nap)
    await relay.stop()
    with pytest.raises(RunError, match="the Docker engine is gone") as caught:
        await task
    assert caught.value.code is StopCode.ENGINE_GONE
    assert "Start it" in MEANINGS[StopCode.ENGINE_GONE].remedy
    with pytest.raises(RunError) as again:
        await sandbox.read("README.md", limit=1)
    assert again.value.code is StopCode.ENGINE_GONE
    # Nobody could remove it: with its input its worker ended, and the container with that.
    async with asyncio.timeout(20):
        while alive(nap):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.02)
    await asyncio.to_thread(remove_container, connect(), container_of(connect(), all=True))


async def test_what_is_read_only_can_be_read_whatever_the_callers_umask(open_sandbox: Open) -> None:
    before = os.umask(0o077)
    try:
        sandbox = await open_sandbox()
    finally:
        os.umask(before)
    assert await sandbox.read("factory/andon.toml", limit=100) == b"version = 1\n"
    assert (await sh(sandbox, "cat factory/andon.toml; cat /opt/toolchain-scripts/* >/dev/null"))[0] == 0
    assert b"factory/andon.toml" in {entry.path for entry in await sandbox.entries()}


class Relay:
    """Stands between a client and the engine, until it is stopped."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._servers: list[asyncio.Server] = []
        self._writers: list[asyncio.StreamWriter] = []

    @classmethod
    async def start(cls, engine: str, path: Path) -> "Relay":
        relay = cls(engine)
        relay._servers.append(await asyncio.start_unix_server(relay._serve, path))
        return relay

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._engine)
        self._writers += [writer, back]
        await asyncio.gather(_pour(reader, back), _pour(there, writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

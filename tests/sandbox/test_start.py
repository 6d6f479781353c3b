import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from docker.errors import NotFound
from sandbox_kit import parent_of

from andon.records.errors import RunError, UserError
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.cgroup import Group, make_group, remove_left_groups
from andon.sandbox.engine import connect, remove_left_containers
from andon.sandbox.limits import Limits
from andon.sandbox.owner import Owner
from andon.sandbox.private_folders import remove_left_folders
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox, tier_of
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

Start = Callable[[Tier | None], Awaitable[Sandbox]]

_HOLD = """
import asyncio, sys
from pathlib import Path
from andon.sandbox.repository import Repository
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

async def hold():
    repository = Repository.open(Path(sys.argv[1]))
    store = TreeStore.open(Path(sys.argv[2]))
    head = repository.head()
    await start_sandbox(
        store, tree=store.tree_of(head), commit=head, toolchain=Toolchain.system(), tier=sys.argv[3], run_id="held"
    )
    print("ready", flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


@pytest.fixture
def start(store: TreeStore, repository: Repository, base: str) -> Start:
    async def started(tier: Tier | None) -> Sandbox:
        return await start_sandbox(
            store, tree=base, commit=repository.head(), toolchain=Toolchain.system(), tier=tier, run_id="test"
        )

    return started


def held() -> set[str]:
    """The containers of the process killed_holder has started; other tests may hold one at the same time."""
    every = connect().containers(all=True, filters={"label": ["andon.run=held"]})
    owners = {found["Id"]: Owner.from_text(found["Labels"].get("andon.owner", "")) for found in every}
    return {found for found, owner in owners.items() if owner is not None and is_child(owner.pid)}


def killed_holder(
    repo: Path, store: TreeStore, tier: str, temporary: Path, look: Callable[[], set[str]] = set
) -> set[str]:
    """Kill a process of andon's that holds a sandbox; return what `look` saw before."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(repo), str(store.path), tier],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
    seen = look()
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    return seen


def test_folders_of_killed_processes_are_removed_and_nothing_else(
    repo: Path, store: TreeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    killed_holder(repo, store, "bubblewrap", temporary)
    (left,) = temporary.iterdir()
    others = {
        "andon-alive": Owner.this_process().text(),
        "andon-nobodys": None,
        "andon-garbage": "\0 x y",
        "someone": (left / "owner").read_text(),
    }
    for name, owner in others.items():
        (temporary / name).mkdir()
        if owner is not None:
            (temporary / name / "owner").write_text(owner)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "owner").write_text((left / "owner").read_text())
    (temporary / "andon-link").symlink_to(tmp_path / "target")
    remove_left_folders()
    assert sorted(path.name for path in temporary.iterdir()) == sorted([*others, "andon-link"])
    assert (tmp_path / "target" / "owner").exists()


def test_containers_of_killed_processes_are_removed_and_nothing_else(
    repo: Path, store: TreeStore, tmp_path: Path, docker_tier: None
) -> None:
    api = connect()
    # Looked at before the end: afterwards any start of a sandbox on this machine may remove it.
    left = killed_holder(repo, store, "docker", tmp_path, held)
    other = api.create_container(os.environ.get("ANDON_IMAGE") or "andon-sandbox:local", "true", labels={"andon": "1"})
    try:
        assert len(left) == 1
        remove_left_containers(api)
        remove_left_containers(api)
        limit = time.monotonic() + 20
        # Another start on this machine may be in the middle of removing it.
        while left & (remaining := {c["Id"] for c in api.containers(all=True)}) and time.monotonic() < limit:
            continue
        assert (left & remaining, other["Id"] in remaining) == (set(), True)
    finally:
        api.remove_container(other["Id"], force=True)


def test_groups_of_killed_processes_are_removed_with_what_runs_in_them_and_nothing_else(
    repo: Path, store: TreeStore, tmp_path: Path
) -> None:
    mine = make_group(Limits(memory=64 << 20, processes=16))
    if not isinstance(mine, Group):
        pytest.skip(f"this machine lets andon make no control group: {mine.reason}")
    try:
        parents = {folder.parent for folder in mine.folders}
        left = killed_holder(repo, store, "bubblewrap", tmp_path, lambda: groups_below(parents))
        assert len(left) == len(mine.folders)
        remove_left_groups()
        assert not any(Path(group).exists() for group in left)
        assert all(folder.is_dir() for folder in mine.folders)
    finally:
        mine.remove()


def groups_below(parents: set[Path]) -> set[str]:
    """The groups whose owner is a child of this process."""
    found = (folder for parent in parents for folder in parent.glob("andon_*"))
    return {str(folder) for folder in found if is_child(int(folder.name.split("_")[3]))}


def is_child(pid: int) -> bool:
    try:
        return parent_of(pid) == os.getpid()
    except FileNotFoundError:
        return False


def test_a_worker_ends_with_the_process_that_held_it(
    repo: Path, store: TreeStore, tmp_path: Path, docker_tier: None
) -> None:
    api = connect()
    (left,) = killed_holder(repo, store, "docker", tmp_path, held)
    try:
        # It ends by itself: nothing is started meanwhile that would remove it.
        assert api.wait(left, timeout=20)["StatusCode"] in (0, 137)
    except NotFound:
        # Another start on this machine was quicker.
        return
    remove_left_containers(api)


def test_an_owner_is_known_by_more_than_its_number() -> None:
    me = Owner.this_process()
    assert (me.is_dead(), Owner.from_text(me.text())) == (False, me)
    again = Owner(me.boot, me.namespace, me.pid, str(int(me.start) + 1))
    elsewhere = Owner(me.boot, "pid:[1]", me.pid, "0")
    before = Owner("another-boot", me.namespace, me.pid, me.start)
    assert [owner.is_dead() for owner in (again, elsewhere, before)] == [True, False, True]
    for text in ("", "a b c d", "a b 1", "a b 1 2 3"):
        assert Owner.from_text(text) is None


async def test_docker_comes_first_where_it_answers(
    start: Start, docker_tier: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await start("auto")
    await sandbox.close()
    assert sandbox.tier == "docker"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock", "no Docker engine answers at /nonexistent/docker.sock"),
        ("DOCKER_HOST", "unix:///dev/null", "/dev/null is no socket"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1", "andon uses only a Unix socket of this machine"),
    ],
)
async def test_without_an_engine_it_is_bubblewrap_and_the_reason_is_said(
    start: Start, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    sandbox = await start("auto")
    await sandbox.close()
    assert (sandbox.tier, sandbox.notes[0].startswith("not Docker: "), reason in sandbox.notes[0]) == (
        "bubblewrap", True, True,
    )  # fmt: skip
    with pytest.raises(RunError, match=r"Unix socket|no Docker engine answers") as caught:
        await start("docker")
    assert caught.value.code is StopCode.NO_SANDBOX


async def test_an_image_the_engine_lacks_is_never_pulled(
    start: Start, docker_tier: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDON_IMAGE", "andon-sandbox:missing")
    with pytest.raises(
        RunError, match=r"no image 'andon-sandbox:missing': build it with scripts/docker_engine"
    ) as caught:
        await start("docker")
    assert caught.value.code is StopCode.NO_IMAGE
    assert "andon image build" in MEANINGS[StopCode.NO_IMAGE].remedy


async def test_an_engine_that_says_nonsense_is_no_engine(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        with pytest.raises(RunError, match="no Docker engine answers"):
            await start("docker")


async def test_with_neither_both_reasons_are_said(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RunError, match=r"bubblewrap is not installed.*Nor is there Docker") as caught:
        await start("auto")
    assert caught.value.code is StopCode.NO_SANDBOX


def test_the_flag_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_SANDBOX", raising=False)
    assert tier_of(None) == "auto"
    monkeypatch.setenv("ANDON_SANDBOX", "docker")
    assert (tier_of(None), tier_of("bubblewrap")) == ("docker", "bubblewrap")
    monkeypatch.setenv("ANDON_SANDBOX", "none")
    with pytest.raises(UserError, match=r"no sandbox tier 'none'.*auto, docker, bubblewrap"):
        tier_of(None)

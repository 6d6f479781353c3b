"""What a command can use up: it is held, the caller is told which end it met, and the sandbox goes on."""

import asyncio
import errno
from collections.abc import Awaitable, Callable

import pytest
from sandbox_kit import alive, sh

from andon.records.errors import RunError
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.bwrap_options import MEMORY_SIZES
from andon.sandbox.docker_options import INODES
from andon.sandbox.limits import Limits
from andon.sandbox.protocol import Finished, Sandbox
from andon.sandbox.start import Tier
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.tree_out import take_tree

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are soon met."""
    monkeypatch.setattr("andon.sandbox.bwrap_worker.LIMITS", Limits(memory=192 << 20, processes=64))
    monkeypatch.setattr("andon.sandbox.docker_options.MEMORY", 192 << 20)
    monkeypatch.setattr("andon.sandbox.docker_options._PROCESSES", 64)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace of a few megabytes and files."""
    monkeypatch.setitem(MEMORY_SIZES, "/work", 8 << 20)
    monkeypatch.setitem(INODES, "/work", 400)


async def fine(sandbox: Sandbox) -> bool:
    """Whether it still does all it is there for."""
    await sandbox.write("fine", b"fine")
    done = await sandbox.run(["cat", "fine"])
    return (done.exit_code, done.output, done.why) == (0, b"fine", "") and bool(await sandbox.entries())


def needs_group(sandbox: Sandbox) -> None:
    if any("no limit on processes" in note or "each process alone" in note for note in sandbox.notes):
        pytest.skip("this machine lets andon make no control group: the run says so")


async def test_a_fork_bomb_is_held_and_gone(little: None, sandbox: Sandbox, nap: str) -> None:
    needs_group(sandbox)
    bomb = f"bomb() {{ bomb | bomb & sleep {nap}; }}; bomb"
    done = await sandbox.run(["sh", "-c", bomb], time_limit=1)
    assert (done.exit_code != 0, alive(nap)) == (True, [])
    counting = (
        "import os, signal\nn = 0\ntry:\n while n < 500:\n  os.fork() or signal.pause()\n  n += 1\n"
        "except OSError: print(n)"
    )
    counted = await sandbox.run(["python3", "-c", counting])
    assert 40 < int(counted.output) < 64
    assert await fine(sandbox)


async def test_a_memory_hog_is_killed_and_told(little: None, sandbox: Sandbox, nap: str) -> None:
    needs_group(sandbox)
    done = await sandbox.run(["python3", "-c", "x = b'x' * (1 << 30)"])
    assert done == Finished(137, b"", 0, done.seconds, "memory")
    behind = f"sleep {nap} & python3 -c 'x = bytearray(1 << 30)' || exit 7"
    done = await sandbox.run(["sh", "-c", behind])
    # The kernel may take the shell, too.
    assert (done.exit_code in (7, 137), done.why, alive(nap)) == (True, "memory", [])
    assert await fine(sandbox)
    assert (await sandbox.run(["false"])).why == ""


async def test_many_small_hogs_take_the_sandbox_with_them_at_most(little: None, sandbox: Sandbox) -> None:
    needs_group(sandbox)
    swarm = (
        "import os, time\nopen('/proc/self/oom_score_adj', 'w').write('0')\n"
        "for _ in range(40):\n if not os.fork(): x = b'x' * (9 << 20); time.sleep(60)\n"
        "time.sleep(60)"
    )
    [done] = await asyncio.gather(sandbox.run(["python3", "-c", swarm], time_limit=3), return_exceptions=True)
    if isinstance(done, RunError):
        assert done.code is StopCode.SANDBOX_MEMORY
    else:
        assert isinstance(done, Finished) and done.why in ("memory", "time")
        assert await fine(sandbox)


async def test_endless_output_ends_the_command(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox.OUTPUT_LIMIT", 100_000_000)
    done = await sandbox.run(["yes"], output_cap=1000)
    assert (done.exit_code, done.why, done.output, done.dropped > 99_000_000) == (153, "output", b"y\n" * 500, True)
    assert (await sandbox.run(["stat", "-c", "%s", done.kept])).output == b"20000000\n"
    assert await fine(sandbox)


async def test_a_file_grows_to_its_limit_and_no_further(sandbox: Sandbox) -> None:
    for script in ("fallocate -l 10G big", "truncate -s 10G big", "dd if=/dev/zero of=big bs=1M seek=1024 count=1"):
        done = await sandbox.run(["sh", "-c", script])
        assert done.exit_code == 153 or b"File too large" in done.output
    assert await fine(sandbox)


async def test_a_full_workspace_is_told_and_can_be_emptied(small: None, sandbox: Sandbox) -> None:
    code, said = await sh(sandbox, "head -c 100000000 /dev/zero > big")
    assert (code, "No space left on device" in said) == (1, True)
    with pytest.raises(OSError, match="No space left on device") as caught:
        await sandbox.write("src/app.py", b"x" * 100_000)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "src/app.py")
    assert await sandbox.read("src/app.py", limit=100) == b"VALUE = 1\n"
    assert (await sandbox.run(["rm", "big"])).exit_code == 0
    assert await fine(sandbox)


async def test_a_tree_larger_than_the_workspace_does_not_start(
    small: None, open_sandbox: Open, store: TreeStore, base: str
) -> None:
    with pytest.raises(RunError, match="the tree does not fit into the sandbox: No space left on device") as caught:
        await open_sandbox(tree=store.build(base, [Change(b"big", "100644", bytes(20_000_000))]))
    assert caught.value.code is StopCode.SANDBOX_FULL
    assert "large files" in MEANINGS[StopCode.SANDBOX_FULL].remedy


async def test_a_flood_of_files_ends_at_the_quota_or_at_the_cap(
    small: None, sandbox: Sandbox, tier: Tier, store: TreeStore, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox.ENTRIES_CAP", 200)
    code, said = await sh(sandbox, "mkdir flood; cd flood; for i in $(seq 1000); do : > $i; done")
    if tier == "docker":
        assert (code, "No space left on device" in said) == (2, True)
    with pytest.raises(RunError, match="more than 200 files and folders") as caught:
        await sandbox.entries()
    assert caught.value.code is StopCode.POLICY_REFUSED
    assert (await sandbox.run(["rm", "-r", "flood"])).exit_code == 0
    assert take_tree(await sandbox.entries(), store, base).tree == base


async def test_a_flood_of_folders_ends_at_the_cap(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox.ENTRIES_CAP", 200)
    assert (await sh(sandbox, "mkdir $(seq 300)"))[0] == 0
    with pytest.raises(RunError, match="more than 200 files and folders"):
        await sandbox.entries()


async def test_folders_deeper_than_any_path_are_no_obstacle(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    deep = "import os\nfor _ in range(1500):\n os.mkdir('deeper'); os.chdir('deeper')\nopen('end', 'w')"
    assert (await sandbox.run(["python3", "-c", deep])).exit_code == 0
    taken = take_tree(await sandbox.entries(), store, base)
    assert (taken.tree, len(taken.refused)) == (base, 1)
    assert (await sandbox.run(["rm", "-r", "deeper"])).exit_code == 0
    assert take_tree(await sandbox.entries(), store, base).refused == []

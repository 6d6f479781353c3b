"""Attacks at full size under the limits that hold for every run, on both tiers: `make soak`, some minutes.

Every attack prints how it ended, how much memory this process took beyond what it had, and the time to remove it all.
"""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox_kit import alive, groups_of_this_process, sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.engine import connect
from andon.sandbox.owner import Owner
from andon.sandbox.protocol import Finished, Sandbox
from andon.sandbox.start import Tier
from andon.sandbox.store import TreeStore
from andon.sandbox.tree_out import take_tree

pytestmark = pytest.mark.soak

Open = Callable[..., Awaitable[Sandbox]]

_MORE = 20_000_000
"""Bytes of memory that whatever a command does may cost this process."""


class Memory:
    """What this process takes more than at the start, at most (proc(5): VmHWM, clear_refs)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _in_status("VmRSS")

    def more(self) -> int:
        return max(0, _in_status("VmHWM") - self._before)


def _in_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@dataclass
class Soaked:
    """One sandbox under attack."""

    sandbox: Sandbox
    tier: Tier
    name: str
    nap: str
    memory: Memory

    async def attack(self, argv: list[str], **options: object) -> Finished:
        self.memory = Memory()
        done = await self.sandbox.run(argv, time_limit=120, **options)  # type: ignore[arg-type]
        more = self.memory.more()
        self.say(f"exit {done.exit_code} {done.why or 'by itself'}, {done.seconds:.1f} s, andon +{more / 1e6:.1f} MB")
        assert more <= _MORE
        return done

    def say(self, text: str) -> None:
        print(f"\n{self.tier:<11} {self.name:<16} {text}", end="")

    async def fine(self) -> bool:
        await self.sandbox.write("fine", b"fine")
        done = await self.sandbox.run(["cat", "fine"])
        return (done.exit_code, done.output, done.why) == (0, b"fine", "") and bool(await self.sandbox.entries())


@pytest.fixture
async def soaked(open_sandbox: Open, tier: Tier, nap: str, request: pytest.FixtureRequest) -> AsyncIterator[Soaked]:
    """A sandbox; when it is closed nothing of it may be left on the machine."""
    sandbox = await open_sandbox()
    if any("no limit on processes" in note or "each process alone" in note for note in sandbox.notes):
        pytest.skip("this machine lets andon make no control group: the run says so")
    one = Soaked(sandbox, tier, request.function.__name__.removeprefix("test_"), nap, Memory())
    yield one
    began = time.monotonic()
    await sandbox.close()
    one.say(f"all removed in {time.monotonic() - began:.2f} s")
    assert (alive(nap), groups_of_this_process(), _folders(), _containers(tier)) == ([], [], [], [])


def _folders() -> list[str]:
    mine = Owner.this_process().text()
    owners = Path(tempfile.gettempdir()).glob("andon-*/owner")
    return [str(owner.parent) for owner in owners if os.access(owner, os.R_OK) and owner.read_text() == mine]


def _containers(tier: Tier) -> list[str]:
    if tier != "docker":
        return []
    return [
        found["Id"] for found in connect().containers(all=True, filters={"label": ["andon=1"]})
        if found["Labels"]["andon.owner"] == Owner.this_process().text()
    ]  # fmt: skip


async def test_10_GB_of_output(soaked: Soaked) -> None:
    done = await soaked.attack(["head", "-c", "10000000000", "/dev/zero"])
    assert (done.exit_code, done.why, len(done.output)) == (153, "output", 200_000)
    assert 2_000_000_000 <= done.dropped + len(done.output) < 2_100_000_000
    assert (await soaked.sandbox.run(["stat", "-c", "%s", done.kept])).output == b"20000000\n"
    assert await soaked.fine()


async def test_50_MB_of_output(soaked: Soaked) -> None:
    done = await soaked.attack(["head", "-c", "50000000", "/dev/zero"])
    assert (done.exit_code, done.why, done.dropped) == (0, "", 49_800_000)
    assert await soaked.fine()


async def test_10_GB_file(soaked: Soaked) -> None:
    done = await soaked.attack(["dd", "if=/dev/zero", "of=big", "bs=1M", "count=10240"])
    assert done.exit_code == 153 or b"File too large" in done.output
    assert (await soaked.sandbox.run(["stat", "-c", "%s", "big"])).output == b"1073741824\n"
    assert await soaked.fine()
    done = await soaked.attack(["sh", "-c", "for i in $(seq 10); do head -c 1G /dev/zero > big$i || exit 9; done"])
    assert (done.exit_code, b"No space left on device" in done.output) == (9, True)
    assert (await soaked.sandbox.run(["sh", "-c", "rm big*"])).exit_code == 0
    assert await soaked.fine()


_FLOOD = """
import os
os.mkdir('flood'); os.chdir('flood')
for n in range(1_200_000):
    if n % 10_000 == 0: os.mkdir(str(n)); os.chdir(str(n))
    os.close(os.open(f'f{n}', os.O_CREAT))
    if n % 10_000 == 9_999: os.chdir('..')
"""


async def test_a_million_files(soaked: Soaked, store: TreeStore, base: str) -> None:
    done = await soaked.attack(["python3", "-c", _FLOOD])
    if soaked.tier == "docker":
        assert (done.exit_code, b"No space left on device" in done.output) == (1, True)
    soaked.memory = Memory()
    with pytest.raises(RunError, match="more than 500000 files and folders") as caught:
        await soaked.sandbox.entries()
    assert (caught.value.code, soaked.memory.more() <= _MORE) == (StopCode.POLICY_REFUSED, True)
    assert (await soaked.sandbox.run(["rm", "-r", "flood"], time_limit=120)).exit_code == 0
    assert take_tree(await soaked.sandbox.entries(), store, base).tree == base


async def test_memory_hog(soaked: Soaked) -> None:
    done = await soaked.attack(["python3", "-c", "x = b'x' * (5 << 30)"])
    assert (done.exit_code, done.why) == (137, "memory")
    assert await soaked.fine()
    # Files are memory, too: 3 GiB of them leave a process less than 2.
    files = "head -c 1G /dev/zero > a; head -c 900M /dev/zero > b; head -c 1000M /dev/zero > /tmp/c"
    done = await soaked.attack(["sh", "-c", f"{files}; exec python3 -c \"x = b'x' * (2 << 30)\""])
    assert (done.exit_code, done.why) == (137, "memory")
    assert (await sh(soaked.sandbox, "rm a b /tmp/c"))[0] == 0
    assert await soaked.fine()


async def test_fork_bomb(soaked: Soaked) -> None:
    bomb = f"bomb() {{ bomb | bomb & sleep {soaked.nap}; }}; bomb; sleep {soaked.nap}"
    soaked.memory = Memory()
    done = await soaked.sandbox.run(["sh", "-c", bomb], time_limit=5)
    soaked.say(f"exit {done.exit_code} {done.why}, {done.seconds:.1f} s, andon +{soaked.memory.more() / 1e6:.1f} MB")
    assert (done.exit_code != 0, alive(soaked.nap)) == (True, [])
    counting = (
        "import os, signal\nn = 0\ntry:\n while n < 5000:\n  os.fork() or signal.pause()\n  n += 1\n"
        "except OSError: print(n)"
    )
    counted = await soaked.attack(["python3", "-c", counting])
    assert 1000 < int(counted.output) < 1024
    assert await soaked.fine()

"""Groups of this machine around a real bwrap, with bounded attempts to take more than they allow."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sandbox_kit import alive

from andon.sandbox.cgroup import Group, NoGroup, make_group, remove_left_groups
from andon.sandbox.limits import Limits, fallback_limits, fallback_notes

_LIMITS = Limits(memory=64 << 20, processes=40)

_BWRAP = (
    "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--cap-drop", "ALL",
    "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--",
)  # fmt: skip

_FORKS = """
import os, signal
made = 0
for _ in range(100):
    try:
        child = os.fork()
    except BlockingIOError:
        break
    if not child:
        signal.pause()
    made += 1
print(made)
"""


def python(script: str, before: Sequence[str], user: int | None = None) -> tuple[int, str]:
    """Run a script inside bwrap; its exit code and output."""
    words = [*before, *_BWRAP, "python3", "-c", script]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, user=user, cwd="/")
    return done.returncode, done.stdout


@pytest.fixture
def group() -> Iterator[Group]:
    made = make_group(_LIMITS)
    if isinstance(made, NoGroup):
        pytest.skip(made.reason)
    yield made
    assert made.remove()


def test_memory_beyond_the_limit_is_not_had_and_the_kill_is_told(group: Group) -> None:
    assert python("x = b'x' * (20 << 20); print(len(x))", group.join_command()) == (0, f"{20 << 20}\n")
    assert group.memory_kills() == 0
    code, output = python("x = b'x' * (200 << 20); print(len(x))", group.join_command())
    assert (code, output) == (128 + 9, "")
    assert group.memory_kills() == 1
    assert python("print(1)", group.join_command()) == (0, "1\n")


def test_memory_is_limited_for_all_processes_together(group: Group) -> None:
    script = """
import os, signal
for _ in range(4):
    if not os.fork():
        x = b'x' * (30 << 20)
        signal.pause()
print(os.wait()[1])
"""
    code, output = python(script, group.join_command())
    assert (code, output, group.memory_kills() >= 1) == (0, "9\n", True)


def test_processes_beyond_the_limit_are_not_had(group: Group) -> None:
    code, output = python(_FORKS, group.join_command())
    assert code == 0
    assert 30 < int(output) < 40
    assert group.memory_kills() == 0


def test_nothing_of_the_group_is_seen_inside(group: Group) -> None:
    script = "print(open('/proc/self/cgroup').read(), open('/proc/1/cmdline').read())"
    code, output = python(script, group.join_command())
    assert (code, "andon_" in output) == (0, False)


def test_the_process_that_joins_keeps_its_id(group: Group) -> None:
    joined = subprocess.Popen([*group.join_command(), "sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True)
    assert joined.communicate()[0] == f"{joined.pid}\n"


def test_every_process_is_killed_and_the_group_stays_of_use(group: Group, nap: str) -> None:
    script = f"for i in 1 2 3; do setsid sleep {nap} & done; echo; wait"
    sleeping = subprocess.Popen([*group.join_command(), "sh", "-c", script], stdout=subprocess.PIPE)
    assert sleeping.stdout is not None
    assert sleeping.stdout.read(1) == b"\n"
    assert group.kill()
    assert (sleeping.wait(10), alive(nap)) == (-9, [])
    code, output = python(_FORKS, group.join_command())
    assert (code, 30 < int(output) < 40) == (0, True)


def test_a_removed_group_is_gone_with_what_ran_in_it_and_cannot_be_joined(group: Group, nap: str) -> None:
    sleeping = subprocess.Popen(
        [*group.join_command(), "sh", "-c", f"sleep {nap} & echo; wait"], stdout=subprocess.PIPE
    )
    assert sleeping.stdout is not None
    assert sleeping.stdout.read(1) == b"\n"
    assert (group.remove(), group.remove()) == (True, True)
    assert [folder for folder in group.folders if folder.exists()] == []
    assert (sleeping.wait(10), alive(nap)) == (-9, [])
    assert subprocess.run([*group.join_command(), "true"], stderr=subprocess.DEVNULL).returncode == 125


def test_groups_of_dead_owners_are_removed_and_no_other(group: Group, nap: str) -> None:
    script = f"""
import subprocess
from andon.sandbox.cgroup import make_group
from andon.sandbox.limits import Limits
group = make_group(Limits(64 << 20, 40))
subprocess.Popen([*group.join_command(), "sleep", "{nap}"], stdout=subprocess.DEVNULL)
print(*group.folders, sep="\\n")
"""
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True).stdout
    left = [Path(line) for line in said.splitlines()]
    strangers = [folder.with_name(name) for folder in group.folders for name in ("andon_", "andon_a_b_1_c_d", "other")]
    try:
        for folder in strangers[:1] + strangers[2:3]:
            folder.mkdir()
        assert all(folder.is_dir() for folder in left)
        remove_left_groups()
        assert ([folder for folder in left if folder.exists()], alive(nap)) == ([], [])
        assert all(folder.is_dir() for folder in [*group.folders, strangers[0], strangers[2]])
    finally:
        for folder in strangers:
            if folder.is_dir():
                folder.rmdir()


def in_a_process_of(user: int, ask: Callable[[], object]) -> object:
    context = multiprocessing.get_context("fork")
    reading, writing = context.Pipe(duplex=False)

    def child() -> None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        writing.send(ask())

    process = context.Process(target=child)
    process.start()
    process.join(20)
    assert process.exitcode == 0
    answer: object = reading.recv()
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_without_the_right_to_make_one_there_is_a_reason_and_no_group(group: Group) -> None:
    made = in_a_process_of(65534, lambda: make_group(_LIMITS))
    assert isinstance(made, NoGroup)
    assert made.reason
    mine = f"andon_*_{os.getpid()}_*"
    assert [found for folder in group.folders for found in folder.parent.glob(mine)] == group.folders


def test_what_is_not_held_without_a_group_is_said() -> None:
    assert fallback_notes("no rights", 1000) == (
        "memory is limited for each process alone, not for all together: no rights",
    )
    assert fallback_notes("no rights", 0)[1:] == ("no limit on processes, as andon runs as root",)


def test_without_a_group_each_process_is_limited() -> None:
    limits = fallback_limits(Limits(memory=64 << 20, processes=40), 0)
    before = ["prlimit", *(f"--{name}={value}" for name, value in limits.items())]
    code, output = python("x = b'x' * (200 << 20)", before)
    assert (limits, code, output.splitlines()[-1]) == ({"data": 64 << 20}, 1, "MemoryError")
    assert python("x = b'x' * (20 << 20)", before) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="the processes of the user who runs the tests would count")
def test_without_a_group_processes_are_limited_for_who_is_not_root() -> None:
    limits = fallback_limits(_LIMITS, 65534)
    before = ["prlimit", f"--nproc={limits['nproc']}"]
    code, output = python(_FORKS, before, user=65534)
    assert (code, int(output) <= 40) == (0, True)

"""Control groups: limits on memory and processes which hold for everything a sandbox starts, also as root."""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from andon.sandbox.cgroup_places import Place, find_places, read_mounts
from andon.sandbox.limits import Limits, fallback_notes
from andon.sandbox.owner import Owner

_PREFIX = "andon_"
_ROUNDS = 400
_PAUSE = 0.005
"""Seconds between two rounds of waiting for killed processes to go away: nothing announces it in cgroup v1."""

_JOIN = 'until [ "$1" = -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class NoGroup:
    """This machine lets andon make no group."""

    reason: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a run must say."""
        return fallback_notes(self.reason, os.geteuid())


@dataclass(frozen=True)
class Group:
    """One group; under cgroup v1 it has a folder in each hierarchy."""

    places: tuple[Place, ...]
    name: str
    limits: Limits
    notes: tuple[str, ...] = ()
    """What the group does not hold, to be said by the run."""

    @property
    def folders(self) -> list[Path]:
        """Where it is seen."""
        return [place.parent / self.name for place in self.places]

    def join_command(self) -> list[str]:
        """Return what is put before an argv so that it starts inside; the process id stays the same.

        It ends with 125 if the group cannot be joined.
        """
        return ["/bin/sh", "-c", _JOIN, "sh", *(str(folder / "cgroup.procs") for folder in self.folders), "--"]

    def memory_kills(self) -> int:
        """Return how many processes of it the kernel has killed for want of memory since it was made."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    counters = dict(line.split() for line in (folder / name).read_text().splitlines())
                    return int(counters.get("oom_kill", 0))
        return 0

    def kill(self) -> bool:
        """Kill every process in it, and return whether all went away within two seconds. New ones can join after."""
        gone = _end_members(self.folders)
        with contextlib.suppress(OSError):
            _write_limits(self.places, self.name, self.limits)
        return gone

    def remove(self) -> bool:
        """Kill every process in it and remove it; return whether it is gone, which takes two seconds at most."""
        return _remove(self.folders)


def make_group(limits: Limits) -> Group | NoGroup:
    """Make a group that belongs to this process, and prove that a process can join it. It is the caller's to remove."""
    try:
        places = find_places(read_mounts(), Path("/proc/self/cgroup").read_text())
    except (OSError, ValueError) as error:
        return NoGroup(f"the control groups of this machine cannot be read: {error}")
    if isinstance(places, str):
        return NoGroup(places)
    name = f"{_PREFIX}{Owner.this_process().text().replace(' ', '_')}_{secrets.token_hex(4)}"
    group = Group(tuple(places), name, limits)
    try:
        for folder in group.folders:
            folder.mkdir()
        group = Group(group.places, name, limits, _write_limits(group.places, name, limits))
        subprocess.run([*group.join_command(), "true"], check=True, capture_output=True, env={}, timeout=10)
    except subprocess.SubprocessError as error:
        _remove(group.folders)
        said = getattr(error, "stderr", None) or b""
        return NoGroup(f"a control group cannot be joined: {said.decode(errors='replace').strip() or error}")
    except OSError as error:
        _remove(group.folders)
        return NoGroup(f"a control group cannot be made: {error}")
    return group


def remove_left_groups() -> None:
    """Remove the groups whose owner is dead, with what still runs in them; those of other users stay."""
    for mount in read_mounts():
        if mount.unified or mount.controllers:
            for folder in _named_below(mount.point):
                owner = Owner.from_text(" ".join(folder.name.removeprefix(_PREFIX).split("_")[:-1]))
                with contextlib.suppress(OSError):
                    if owner is not None and owner.is_dead() and folder.lstat().st_uid == os.geteuid():
                        _remove([folder])


def _named_below(point: Path) -> Iterator[Path]:
    for parent, names, _ in os.walk(point):
        for name in [name for name in names if name.startswith(_PREFIX)]:
            names.remove(name)
            yield Path(parent, name)


def _write_limits(places: Iterable[Place], name: str, limits: Limits) -> tuple[str, ...]:
    """Set the limits, read them back, and return what they do not hold."""
    notes: list[str] = []
    for place in places:
        folder = place.parent / name
        if "pids" in place.controllers:
            _set(folder / "pids.max", limits.processes)
        if "memory" in place.controllers:
            # Memory before memory with swap: the second may never be the smaller one.
            _set(folder / ("memory.max" if place.unified else "memory.limit_in_bytes"), limits.memory)
            swap = folder / ("memory.swap.max" if place.unified else "memory.memsw.limit_in_bytes")
            # Kernels without swap accounting do not have the file.
            if swap.exists():
                _set(swap, 0 if place.unified else limits.memory)
            elif len(Path("/proc/swaps").read_text().splitlines()) > 1:
                notes.append("memory is limited, but not how much of it is swapped out")
    return tuple(notes)


def _set(file: Path, value: int) -> None:
    file.write_text(str(value))
    # The kernel rounds down to whole pages.
    if not value - os.sysconf("SC_PAGESIZE") < int(file.read_text()) <= value:
        raise OSError(f"{file.name} did not take {value}")


def _members(folders: Iterable[Path]) -> set[int]:
    found: set[int] = set()
    for folder in folders:
        # 0 is a process of another pid namespace; as a process id it would mean ourselves.
        found |= {int(line) for line in (folder / "cgroup.procs").read_text().split()} - {0}
    return found


def _end_members(folders: Iterable[Path]) -> bool:
    folders = [folder for folder in folders if folder.is_dir()]
    for folder in folders:
        # No forks meanwhile; and one stroke for all where the kernel knows it (5.14).
        for name, value in (("pids.max", "0"), ("cgroup.kill", "1")):
            if (folder / name).exists():
                with contextlib.suppress(OSError):
                    (folder / name).write_text(value)
    for _ in range(_ROUNDS):
        # A process or a group may be gone between being read and being asked.
        with contextlib.suppress(OSError):
            members = _members(folders)
            if not members:
                return True
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)
    return False


def _remove(folders: Iterable[Path]) -> bool:
    left = list(folders)
    for _ in range(_ROUNDS):
        left = [folder for folder in left if folder.is_dir() and not _removed(folder)]
        if not left:
            return True
        if not _end_members(left):
            return False
        time.sleep(_PAUSE)
    return False


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True

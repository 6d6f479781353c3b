"""Where on this machine a control group can be made: the hierarchies, and this process's place in them."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

NEEDED = ("memory", "pids")


class Mount(NamedTuple):
    """A mounted hierarchy (proc(5), mountinfo)."""

    root: str
    """The group that is seen at `point`."""
    point: Path
    controllers: frozenset[str]
    """Of cgroup v1; a v2 hierarchy is mounted without naming any."""
    unified: bool
    """True for cgroup v2."""

    def folder(self, group: str) -> Path | None:
        """Return where `group` is seen, None if this mount does not show it."""
        if not os.path.isabs(group) or ".." in (group + self.root).split("/"):
            return None
        below = os.path.relpath(group, self.root)
        return None if below.split("/")[0] == ".." else self.point / below


class Place(NamedTuple):
    """A folder a group can be made in."""

    parent: Path
    controllers: frozenset[str]
    """Those of NEEDED which a group in `parent` has."""
    unified: bool


def read_mounts(text: str | None = None) -> list[Mount]:
    """Return the mounted hierarchies `text` lists, as /proc/self/mountinfo does."""
    found = []
    for line in (Path("/proc/self/mountinfo").read_text() if text is None else text).splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, point = (_unescaped(field) for field in before.split(" ")[3:5])
            found.append(Mount(root, Path(point), frozenset(options.split(",")) & {*NEEDED}, kind == "cgroup2"))
    return found


def find_places(mounts: Iterable[Mount], membership: str) -> list[Place] | str:
    """Return the places which together have every controller of NEEDED, or say why there are none.

    `membership` is /proc/self/cgroup of the process.
    """
    mounts = list(mounts)
    groups = {name: group for _, names, group in _fields(membership) for name in names.split(",")}
    old = [
        Place(folder, mount.controllers, unified=False)
        for mount in mounts
        if mount.controllers and (folder := mount.folder(groups.get(min(mount.controllers), ""))) is not None
    ]
    if {name for place in old for name in place.controllers} == {*NEEDED}:
        return list({place.parent: place for place in old}.values())
    if old:
        return "only a part of the control groups of memory and processes is mounted"
    for mount in mounts:
        if mount.unified and (folder := mount.folder(groups.get("", ""))) is not None:
            return _unified(mount, folder)
    return "no control group of this process is mounted"


def _unified(mount: Mount, own: Path) -> list[Place] | str:
    # A group that gives controllers to groups below it can hold no process itself, except the root of all: where this
    # process is in the way below its own group, there is room beside it.
    if own == mount.point:
        with contextlib.suppress(OSError):
            (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in NEEDED))
    for parent in (own, own.parent):
        if parent.is_relative_to(mount.point) and {*NEEDED} <= _given_by(parent):
            return [Place(parent, frozenset(NEEDED), unified=True)]
    return "the control group of this process gives no limits on memory and processes to groups in it or beside it"


def _given_by(parent: Path) -> set[str]:
    try:
        return {*(parent / "cgroup.subtree_control").read_text().split()}
    except OSError:
        return set()


def _fields(membership: str) -> list[list[str]]:
    return [line.split(":", 2) for line in membership.splitlines() if line.count(":") >= 2]


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)

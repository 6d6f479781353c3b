"""The nodes of bwrap's /dev are the machine's own: nobody inside may give them other modes or owners.

Started by root, what runs inside owns them to the kernel, and `chmod 0 /dev/null` would be felt outside. bwrap has no
option for a device on a mount that is read-only: its own read-only mounts hold no devices. So it is given nodes of a
read-only mount, which only bwrap's processes see.
"""

import os
from pathlib import Path

_NAMES = ("null", "zero", "full", "random", "urandom", "tty")
"""What bwrap's --dev shows (setup_newroot in bubblewrap.c)."""

_CAP_SYS_ADMIN = 1 << 21

_MOUNT = '/usr/bin/mount -o bind,ro /dev "$1" || exit 125; shift; exec "$@"'

NOTE = "the modes of the machine's /dev/null and the like are not protected: root here may not mount"


def exposed() -> bool:
    """Say whether what runs inside would own the nodes."""
    return os.geteuid() == 0


def can_mount() -> bool:
    """Say whether a read-only mount of them can be made here."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) & _CAP_SYS_ADMIN)


def before_bwrap(folder: Path) -> list[str]:
    """Return what is put before bwrap so that `folder`, which is empty, shows the machine's /dev read-only to it."""
    if not (exposed() and can_mount()):
        return []
    return ["/usr/bin/unshare", "--mount", "--", "/bin/sh", "-c", _MOUNT, "sh", str(folder)]


def device_options(folder: Path) -> list[str]:
    """Return bwrap's options that lay those nodes over its own."""
    if not (exposed() and can_mount()):
        return []
    return [word for name in _NAMES for word in ("--dev-bind", str(folder / name), f"/dev/{name}")]


def device_notes() -> tuple[str, ...]:
    """Return what a run must say."""
    return (NOTE,) if exposed() and not can_mount() else ()

"""What a sandbox of the bubblewrap tier is made of: its files and bwrap's options for them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.sandbox.bwrap_devices import device_options
from andon.sandbox.environment import environment
from andon.sandbox.protocol import WORKSPACE
from andon.sandbox.toolchain import SCRIPTS, Toolchain

_NAMESPACES = (
    "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
    "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "andon",
)  # fmt: skip

MEMORY_SIZES = {WORKSPACE: 2 << 30, "/tmp": 1 << 30, "/dev/shm": 64 << 20}  # noqa: S108
"""Bytes each of these may hold, in memory."""

_SYSTEM_DIRS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_ETC = {
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\nandon:x:1000:1000:andon:/tmp/home:/bin/sh\n",
    "group": "root:x:0:\nandon:x:1000:\n",
    "hosts": "127.0.0.1 localhost andon\n::1 localhost andon\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_ETC_OF_SYSTEM = ("/etc/alternatives", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Layout:
    """The private host directory of one sandbox."""

    home: Path
    """Everything below is in here, and nothing else is."""

    @property
    def work(self) -> Path:
        """Seen inside as WORKSPACE."""
        return self.home / "work"

    @property
    def tmp(self) -> Path:
        """Seen inside as /tmp; it lives as long as the sandbox."""
        return self.home / "tmp"

    @property
    def kept(self) -> Path:
        """Its files and folders are seen read-only at the top of the workspace; only a sandbox with a worker has it."""
        return self.home / "kept"

    @property
    def etc(self) -> Path:
        """Its files are seen inside under /etc, read-only."""
        return self.home / "etc"

    @property
    def devices(self) -> Path:
        """Where bwrap, and nobody else, sees the machine's /dev read-only."""
        return self.home / "dev"

    @property
    def scripts(self) -> Path:
        """The toolchain's scripts, rewritten for where it lies inside."""
        return self.home / "scripts"

    def furnish(self, toolchain: Toolchain) -> None:
        """Make everything but the workspace."""
        (self.tmp / "home").mkdir(parents=True)
        self.etc.mkdir()
        self.devices.mkdir()
        for name, text in _ETC.items():
            (self.etc / name).write_text(text)
        toolchain.write_scripts(self.scripts)


def bwrap_options(
    layout: Layout, toolchain: Toolchain, read_only: Sequence[str], added: Mapping[str, str]
) -> list[str]:
    """Return bwrap's options up to one command. `read_only` names real files or folders of the workspace."""
    options = [*_NAMESPACES, *_system(layout, toolchain.root)]
    options += ["--bind", str(layout.tmp), "/tmp", "--bind", str(layout.work), WORKSPACE]  # noqa: S108
    for path in read_only:
        options += ["--ro-bind", str(layout.work / path), f"{WORKSPACE}/{path}"]
    options += [*_toolchain(layout, toolchain), "--remount-ro", "/", "--chdir", WORKSPACE]
    for name, value in environment(toolchain, added).items():
        options += ["--setenv", name, value]
    return options


def worker_options(layout: Layout, toolchain: Toolchain, kept: Sequence[str]) -> list[str]:
    """Return bwrap's options up to a worker. `kept` names what of `layout.kept` is seen read-only at the top."""
    # As process 1 no signal from inside reaches the worker, and whatever loses its parent becomes its child.
    options = [*_NAMESPACES, "--as-pid-1", *_system(layout, toolchain.root)]
    for path, size in MEMORY_SIZES.items():
        options += ["--size", str(size), "--tmpfs", path]
    for name in kept:
        options += ["--ro-bind", str(layout.kept / name), f"{WORKSPACE}/{name}"]
    return [*options, *_toolchain(layout, toolchain), "--remount-ro", "/", "--chdir", "/"]


def _system(layout: Layout, root: str) -> list[str]:
    """`root` is where the programs are on the host; empty for its own."""
    options = ["--ro-bind", f"{root}/usr", "/usr"]
    for name in _SYSTEM_DIRS:
        options += _system_dir(Path(f"{root}/{name}"), f"/{name}")
    for name in _ETC:
        options += ["--ro-bind", str(layout.etc / name), f"/etc/{name}"]
    for path in _ETC_OF_SYSTEM:
        options += ["--ro-bind-try", f"{root}{path}", path]
    return [*options, "--proc", "/proc", *_kernel_settings(), "--dev", "/dev", *device_options(layout.devices)]


def _kernel_settings() -> list[str]:
    """Show read-only what is under /proc besides the processes.

    Started by root, what runs inside is root to the kernel, which asks for no more before it lets the machine's
    settings be written (proc_sys_permission): /proc/sys/kernel/core_pattern names a program that runs outside. bwrap
    closes only what access(2) calls writable, and that is not said of folders there.
    """
    options = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        if entry.is_dir() or entry.stat().st_mode & 0o222:
            options += ["--ro-bind", entry.path, entry.path]
    return options


def _toolchain(layout: Layout, toolchain: Toolchain) -> list[str]:
    options = []
    for mount in toolchain.mounts:
        options += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.target]
    # A root file system of ours has its scripts as they are to be.
    return options if toolchain.root else [*options, "--ro-bind", str(layout.scripts), SCRIPTS]


def _system_dir(path: Path, inside: str) -> list[str]:
    if path.is_symlink():
        return ["--symlink", os.readlink(path), inside]
    return ["--ro-bind", str(path), inside] if path.is_dir() else []

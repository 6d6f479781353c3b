"""What a sandbox of the bubblewrap tier is made of: its files and bwrap's options for them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.sandbox.environment import environment
from andon.sandbox.protocol import WORKSPACE
from andon.sandbox.toolchain import SCRIPTS, Toolchain

_NAMESPACES = (
    "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
    "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "andon",
)  # fmt: skip

_SYSTEM_DIRS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_ETC = {
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\nandon:x:1000:1000:andon:/tmp/home:/bin/sh\n",
    "group": "root:x:0:\nandon:x:1000:\n",
    "hosts": "127.0.0.1 localhost andon\n::1 localhost andon\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_ETC_OF_HOST = ("/etc/alternatives", "/etc/ld.so.cache")


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
    def etc(self) -> Path:
        """Its files are seen inside under /etc, read-only."""
        return self.home / "etc"

    @property
    def scripts(self) -> Path:
        """The toolchain's scripts, rewritten for where it lies inside."""
        return self.home / "scripts"

    def furnish(self, toolchain: Toolchain) -> None:
        """Make everything but the workspace."""
        (self.tmp / "home").mkdir(parents=True)
        self.etc.mkdir()
        for name, text in _ETC.items():
            (self.etc / name).write_text(text)
        toolchain.write_scripts(self.scripts)


def bwrap_options(
    layout: Layout, toolchain: Toolchain, read_only: Sequence[str], added: Mapping[str, str]
) -> list[str]:
    """Return bwrap's options up to the command. `read_only` names real files or folders of the workspace."""
    options = [*_NAMESPACES, "--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_DIRS:
        options += _system_dir(Path("/", name))
    for name in _ETC:
        options += ["--ro-bind", str(layout.etc / name), f"/etc/{name}"]
    for path in _ETC_OF_HOST:
        options += ["--ro-bind-try", path, path]
    options += ["--proc", "/proc", "--dev", "/dev"]
    options += ["--bind", str(layout.tmp), "/tmp", "--bind", str(layout.work), WORKSPACE]  # noqa: S108
    for path in read_only:
        options += ["--ro-bind", str(layout.work / path), f"{WORKSPACE}/{path}"]
    for mount in toolchain.mounts:
        options += ["--ro-bind", mount.source, mount.target]
    options += ["--ro-bind", str(layout.scripts), SCRIPTS, "--remount-ro", "/", "--chdir", WORKSPACE]
    for name, value in environment(toolchain.bin_dirs, added).items():
        options += ["--setenv", name, value]
    return options


def _system_dir(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", os.readlink(path), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []

"""The programs a sandbox has besides the host's /usr: a virtual environment, read-only."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from andon.records.errors import UserError
from andon.sandbox.rootfs import find_rootfs

INSIDE = "/opt/toolchain"
"""Where a toolchain lies inside every sandbox, wherever it lies on the host."""

SCRIPTS = "/opt/toolchain-scripts"
"""Its scripts, whose first lines name INSIDE instead of the host's path."""

_COVERED = ("/work", "/tmp", "/proc", "/dev", "/etc", "/opt/toolchain")  # noqa: S108 - paths inside the sandbox


@dataclass(frozen=True)
class Mount:
    """A host directory seen inside."""

    source: str
    """On the host."""
    target: str
    """Inside."""
    writable: bool = False
    """True only where what lies there was made for this sandbox alone."""


@dataclass(frozen=True)
class Toolchain:
    """What is mounted, and where its programs are."""

    bin_dirs: tuple[str, ...] = ()
    """First on PATH, as seen inside."""
    mounts: tuple[Mount, ...] = ()
    """Directories programs need besides /usr."""
    by_default: bool = False
    """True if nobody named it: a tier with a toolchain of its own uses that."""
    image: str = ""
    """The image of the Docker tier; empty: the one that is built for it."""
    env: tuple[tuple[str, str], ...] = ()
    """Set for every command, by name and value."""
    base: "Toolchain | None" = None
    """What it was before `adding`; None where nothing was added."""

    root: str = ""
    """A root file system of ours that a tier without an image runs on; empty for the host's /usr."""
    foreign: "Toolchain | None" = None
    """What the host's /usr would be used with, where `root` is named."""

    @classmethod
    def of_root(cls, root: Path, foreign: "Toolchain") -> "Toolchain":
        """The root file system at `root`, as the image of the same content has it."""
        mounts = (Mount(f"{root}{INSIDE}", INSIDE), Mount(f"{root}{SCRIPTS}", SCRIPTS))
        return cls((SCRIPTS, f"{INSIDE}/bin"), mounts, by_default=True, root=str(root), foreign=foreign)

    @classmethod
    def system(cls) -> "Toolchain":
        """Nothing but the host's /usr."""
        return cls()

    @classmethod
    def of_venv(cls, path: Path) -> "Toolchain":
        """The virtual environment at `path`, and the interpreter it was made from where that lies outside /usr.

        Raises:
            UserError: `path` is no virtual environment, or its interpreter cannot be shown inside.
        """
        root = Path(os.path.abspath(path))
        home = _home(root)
        python = root / "bin" / "python"
        if not python.exists():
            raise UserError(f"the toolchain {str(root)!r} has no working bin/python: make the virtual environment anew")
        prefixes = {home.parent, Path(os.path.realpath(home)).parent, Path(os.path.realpath(python)).parents[1]}
        outside = sorted(str(prefix) for prefix in prefixes if not _in_usr(prefix))
        for prefix in outside:
            _check_prefix(root, Path(prefix))
        mounts = (Mount(os.path.realpath(root), INSIDE), *(Mount(prefix, prefix) for prefix in outside))
        return cls(bin_dirs=(SCRIPTS, f"{INSIDE}/bin"), mounts=mounts)

    def adding(
        self, mounts: tuple[Mount, ...], bin_dirs: tuple[str, ...], env: tuple[tuple[str, str], ...]
    ) -> "Toolchain":
        """Return it with more beside it, first on PATH: every tier has these, whosever toolchain it uses."""
        return replace(self, mounts=self.mounts + mounts, bin_dirs=bin_dirs + self.bin_dirs, env=env, base=self)

    def added_to(self, other: "Toolchain") -> "Toolchain":
        """Return `other` with what was added to this one."""
        if self.base is None:
            return other
        before = self.base
        mounts = tuple(mount for mount in self.mounts if mount not in before.mounts)
        return other.adding(mounts, self.bin_dirs[: len(self.bin_dirs) - len(before.bin_dirs)], self.env)

    @property
    def mounted(self) -> bool:
        """Whether a virtual environment is mounted at INSIDE."""
        return any(mount.target == INSIDE for mount in self.mounts)

    def scripts(self) -> dict[str, bytes]:
        """Return the scripts of the virtual environment by name, rewritten to run from INSIDE."""
        found: dict[str, bytes] = {}
        for mount in self.mounts:
            if mount.target == INSIDE:
                found = _rewritten(Path(mount.source))
        return found

    def write_scripts(self, folder: Path) -> None:
        """Make `folder` and put the rewritten scripts into it."""
        folder.mkdir()
        for name, content in self.scripts().items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o755)

    def python_in_usr(self) -> str:
        """Return where its interpreter is, after every link, if that is not among the mounts; else an empty string."""
        for mount in self.mounts:
            python = os.path.realpath(Path(mount.source, "bin", "python"))
            if mount.target == INSIDE and Path(python).is_relative_to("/usr"):
                return python
        return ""


def find_toolchain(setting: str | None) -> Toolchain:
    """Return the toolchain to use.

    In this order: `setting`, $ANDON_TOOLCHAIN, the root file system that was built beside the image, `.toolchain`
    beside a source checkout of andon, $XDG_DATA_HOME/andon/toolchain, the host's /usr alone.

    Raises:
        UserError: the first of them that is there is no virtual environment.
    """
    named = setting or os.environ.get("ANDON_TOOLCHAIN")
    if named:
        return Toolchain.of_venv(Path(named).expanduser())
    foreign = _on_host()
    root = find_rootfs()
    return foreign if root is None else Toolchain.of_root(root, foreign)


def _on_host() -> Toolchain:
    data = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    for place in (Path(__file__).resolve().parents[1] / ".toolchain", Path(data, "andon", "toolchain")):
        if place.is_dir():
            return replace(Toolchain.of_venv(place), by_default=True)
    return replace(Toolchain.system(), by_default=True)


def _home(root: Path) -> Path:
    try:
        lines = (root / "pyvenv.cfg").read_text().splitlines()
    except OSError as error:
        raise UserError(
            f"the toolchain {str(root)!r} is no virtual environment (no pyvenv.cfg): "
            f"make one with `python3 -m venv {root}`, or correct the setting"
        ) from error
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home" and os.path.isabs(value.strip()):
            return Path(value.strip())
    raise UserError(f"{str(root / 'pyvenv.cfg')!r} names no home of the interpreter: make the virtual environment anew")


def _in_usr(prefix: Path) -> bool:
    return Path(os.path.realpath(prefix)).is_relative_to("/usr") or str(prefix) == "/"


def _check_prefix(root: Path, prefix: Path) -> None:
    if Path.home().is_relative_to(prefix):
        raise UserError(
            f"the interpreter of the toolchain {str(root)!r} is installed in {str(prefix)!r}, which holds a home "
            "directory: make the virtual environment with an interpreter that has a directory of its own"
        )
    if any(prefix.is_relative_to(covered) for covered in _COVERED):
        raise UserError(
            f"the interpreter of the toolchain {str(root)!r} lies in {str(prefix)!r}, which the sandbox covers with "
            "its own: make the virtual environment with an interpreter installed elsewhere"
        )


def _rewritten(root: Path) -> dict[str, bytes]:
    inside = f"{INSIDE}/bin/".encode()
    found: dict[str, bytes] = {}
    for path in sorted((root / "bin").iterdir()):
        if path.is_symlink() or not path.is_file() or not os.access(path, os.X_OK):
            continue
        with path.open("rb") as file:
            start = file.read(2)
            content = start + file.read() if start == b"#!" else b""
        old = bytes(root / "bin") + b"/"
        # Installers write the path into the first line, or, where it is long, into an `exec` line below #!/bin/sh.
        head, rest = content[:4096], content[4096:]
        if old in head:
            found[path.name] = head.replace(old, inside) + rest
    return found

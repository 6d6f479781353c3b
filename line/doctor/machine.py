"""Checks of the machine: Python, git, the clock, and the disk a repository lies on."""

import fcntl
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.line.doctor.standing import empty_repository
from andon.sandbox.host_git import GitError, run_git

_PYTHON = (3, 11)
_GIT = (2, 31)
"""`rev-parse --path-format` came with it."""
_SPACE = 2_000_000_000
"""Bytes below which the run store may not hold a run."""
_INODES = 50_000
_EARLIEST = 1_767_225_600
"""1 January 2026 in Unix seconds: no clock that is right shows less."""
_SKEW = 120.0
"""Seconds by which a file's time or a commit's may be ahead."""
_SHARED = frozenset({"9p", "afs", "ceph", "cifs", "drvfs", "glusterfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"})
"""File systems on which SQLite's locks and shared memory are not to be relied on, /mnt/c of WSL among them."""
_SYNCED = re.compile(r"/(dropbox|onedrive[^/]*|google ?drive|icloud ?drive|mobile documents|nextcloud)(/|$)", re.I)


def _python(ground: Ground) -> Finding:
    found = f"Python {sys.version.split()[0]} at {sys.executable}"
    if sys.version_info >= _PYTHON:
        return Finding("ok", found)
    return Finding("error", found, f"install andon with Python {'.'.join(map(str, _PYTHON))} or newer")


def _git(ground: Ground) -> Finding:
    said = run_git(["--version"]).decode().strip()
    numbers = re.search(r"(\d+)\.(\d+)", said)
    remedy = f"install git {'.'.join(map(str, _GIT))} or newer (Debian, Ubuntu: apt-get install git)"
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _GIT:
        return Finding("error", f"{said} is too old", remedy)
    try:
        with tempfile.TemporaryDirectory(prefix="andon-doctor-") as folder:
            empty_repository(Path(folder))
    except GitError as error:
        return Finding("error", f"{said} cannot do what andon asks: {error}", remedy)
    return Finding("ok", said)


def _clock(ground: Ground) -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    remedy = "set the clock (timedatectl set-ntp true): expiry of approvals and certificates go by it"
    if now < _EARLIEST:
        return Finding("error", f"the clock shows {shown}, which is past", remedy)
    with tempfile.NamedTemporaryFile(prefix="andon-doctor-") as file:
        skew = os.fstat(file.fileno()).st_mtime - now
    if abs(skew) > _SKEW:
        return Finding("warning", f"files get times {skew:+.0f} s from the clock's {shown}", remedy)
    try:
        committed = int(run_git(["log", "-1", "--format=%ct", ground.commit], git_dir=ground.repository.git_dir))
    except (GitError, NotHere):
        return Finding("ok", shown)
    if committed - now > _SKEW:
        return Finding("warning", f"{shown} is before the time of the commit HEAD names", remedy)
    return Finding("ok", f"{shown}; the commit HEAD names is older")


def _space(ground: Ground) -> Finding:
    folder = _existing(ground.directory)
    free = shutil.disk_usage(folder).free
    files = os.statvfs(folder)
    found = f"{free / 1e9:.1f} GB free"
    if free < _SPACE:
        return Finding("error", f"{found}: a run may need {_SPACE / 1e9:.0f} GB", "free space, or move the repository")
    # 0 where the file system makes them as they are needed.
    if files.f_files and files.f_favail < _INODES:
        return Finding("warning", f"{found}, but only {files.f_favail:,} more files", "remove files nobody needs")
    return Finding("ok", found)


def _state(ground: Ground) -> Finding:
    """Write, lock and put in place as the line does it, and leave no folder that was not there."""
    wanted = ground.repository.root / "factory" / ".state"
    folder = _existing(wanted)
    remedy = f"make {folder} yours and writable"
    if in_the_way := next((path for path in (wanted, wanted.parent) if path.exists() and not path.is_dir()), None):
        return Finding("error", f"{in_the_way} is no folder", f"move {in_the_way} away")
    try:
        with tempfile.NamedTemporaryFile(prefix=".andon-doctor-", dir=folder) as file:
            file.write(b"x" * 65_536)
            file.flush()
            os.fsync(file.fileno())
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(file.name, f"{file.name}.placed")
            os.replace(f"{file.name}.placed", file.name)
    except OSError as error:
        return Finding("error", f"{folder} cannot be written and locked: {error.strerror}", remedy)
    new = "" if folder == wanted else "; factory/.state is made by the first run"
    return Finding("ok", f"written, locked, replaced and removed in {folder}{new}")


def _file_system(ground: Ground) -> Finding:
    folder = _existing(ground.directory).resolve()
    kind, point = file_system_of(folder, Path("/proc/self/mountinfo").read_text())
    move = "move the repository to a plain folder on a local disk, or set ANDON_DATABASE_URL to a PostgreSQL"
    if kind in _SHARED or kind.startswith("fuse"):
        return Finding("warning", f"{point} is {kind}: not a local disk, SQLite may lose its locks there", move)
    if _SYNCED.search(str(folder)):
        return Finding("warning", f"{folder} lies in a folder that a cloud service copies while it changes", move)
    return Finding("ok", f"{kind} at {point}")


def file_system_of(folder: Path, mounts: str) -> tuple[str, str]:
    """Return kind and mount point of the file system `folder` lies on, by the text of /proc/self/mountinfo."""
    best = ("unknown", "")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        # A later mount at the same point covers an earlier one.
        if folder.is_relative_to(point) and len(point) >= len(best[1]):
            best = (after.split(" ")[0], point)
    return best


def _existing(path: Path) -> Path:
    """Return `path`, or the nearest folder above it that is there."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


CHECKS = (
    Check("python.version", "ask this Python for its version", _python, beside="machine"),
    Check("git.works", "make a repository and a commit with git's plumbing", _git, beside="machine"),
    Check("clock.sane", "hold the clock against a new file and the last commit", _clock, beside="machine"),
    Check("disk.space", "ask the disk of this folder for its room", _space, beside="disk"),
    Check("disk.state", "write, lock, replace and remove a file where the state of runs lies", _state, beside="disk"),
    Check("disk.filesystem", "look what kind of file system this folder is on", _file_system, beside="disk"),
)

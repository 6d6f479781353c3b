"""What is put into a container after its start: the workspace, and what commands may only read."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.docker_options import KEEPER, USER
from andon.sandbox.protocol import WORKSPACE
from andon.sandbox.read_only import is_real, plain
from andon.sandbox.toolchain import SCRIPTS, Toolchain

_CHUNK = 262144
_UNPACK = 'tar --extract --file=- --directory="$1"'
# Commands must not take the lock to refresh git's index, so it is made fresh once.
_UNPACK_WORKSPACE = f"""
mkdir -p "$HOME" && {_UNPACK} || exit 1
command -v git >/dev/null || {{ echo 'the image has no git'; exit 1; }}
git -C "$1" update-index -q --refresh >/dev/null 2>&1
exit 0
"""


@dataclass(frozen=True)
class Place:
    """A directory of the host and where its content goes."""

    folder: Path
    """On the host."""
    inside: str
    """A mount point in the container."""
    user: str
    """Who unpacks it, and owns it then."""
    without: tuple[str, ...] = ()
    """Names at its top that are left out."""


def places(home: Path, read_only: Sequence[str], toolchain: Toolchain | None) -> list[Place]:
    """Return what to fill, the workspace last. `toolchain` is one that is mounted.

    Raises:
        ValueError: a read-only path is not at the top of the workspace.
        RunError: with `no-sandbox` if one is no directory: nothing can be mounted there that the engine makes itself.
    """
    work = home / "work"
    kept = [path for path in map(_top, read_only) if is_real(work, path)]
    for path in kept:
        if not (work / path).is_dir():
            raise RunError(
                StopCode.NO_SANDBOX, f"{path!r} is a file in this tree, which the Docker tier cannot show read-only"
            )
    found = [Place(work / path, f"{WORKSPACE}/{path}", KEEPER) for path in kept]
    if toolchain is not None:
        toolchain.write_scripts(home / "scripts")
        found.append(Place(home / "scripts", SCRIPTS, KEEPER))
    return [*found, Place(work, WORKSPACE, USER, tuple(kept))]


def fill_command(place: Place) -> list[str]:
    """Return the command that unpacks what `packed` writes."""
    script = _UNPACK_WORKSPACE if place.inside == WORKSPACE else _UNPACK
    return ["/bin/sh", "-c", script, "sh", place.inside]


async def packed(place: Place) -> AsyncIterator[bytes]:
    """Yield a tar archive of the place's folder. The files in it are still the host's own."""
    excluded = [f"--exclude=./{name}" for name in place.without]
    process = await asyncio.create_subprocess_exec(
        "tar", "--create", "--file=-", "--format=gnu", "--anchored", "--no-wildcards", *excluded,
        f"--directory={place.folder}", ".",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )  # fmt: skip
    if process.stdout is None:
        raise RuntimeError("tar was started without a pipe for its output")
    try:
        while chunk := await process.stdout.read(_CHUNK):
            yield chunk
    finally:
        if not process.stdout.at_eof():
            process.kill()
        await process.wait()


def _top(path: str) -> str:
    if "/" in plain(path):
        raise ValueError(f"{path!r} is not at the top of the workspace: the Docker tier can show only that read-only")
    return path

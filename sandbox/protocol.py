"""The boundary, as other rooms see it. Two tiers implement it: Docker, and bubblewrap below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from andon.sandbox.objects import blob_id
from andon.sandbox.protocol_names import WORKSPACE

__all__ = ["EXECUTABLE", "LINK", "REGULAR", "SUBMODULE", "WORKSPACE", "Entry", "Finished", "Sandbox"]

REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
"""Git modes of what a tree may hold."""


@dataclass(frozen=True)
class Finished:
    """How a command inside the sandbox ended. A dead sandbox is never one of these: it raises `RunError`."""

    exit_code: int
    """128 + signal where a signal ended it; 124 when `timed_out`."""
    output: bytes
    """stdout and stderr as they came, at most `output_cap` bytes: the first and the last part of it."""
    dropped: int
    """Bytes left out between the two parts; 0 if `output` is everything."""
    seconds: float
    """Wall time."""
    why: Literal["", "time", "output", "memory", "stopped"] = ""
    """What ended it, where it did not end by itself: its time limit, more output than is read, no memory left."""
    kept: str = ""
    """Path inside where the whole output lies, up to a second cap, if some of it was dropped and it could be kept."""

    @property
    def timed_out(self) -> bool:
        """True if the time limit ended it. Every process of the command is gone by then."""
        return self.why == "time"


@dataclass(frozen=True)
class Entry:
    """One thing in the workspace, as it lies there."""

    path: bytes
    """Relative to the workspace, `/` between parts."""
    mode: str
    """REGULAR, EXECUTABLE, LINK, or `other` (directories are not entries; FIFOs, sockets and devices are `other`)."""
    content: bytes | None
    """File content, or the link's target; empty for `other`; None where it was not read."""
    blob: str = ""
    """Git's blob id of a content that was not read; empty also there for what is a dropping (see droppings.py)."""
    oversized: bool = False
    """True for a file over FILE_CAP: it can be told from the base's, but is too large to be taken."""

    def id(self) -> str:
        """Return git's blob id of the content; empty for a dropping that was not read."""
        return self.blob if self.content is None else blob_id(self.content)


class Sandbox(Protocol):
    """One workspace in isolation: no network, no host files but the toolchain, no capabilities.

    Paths given to `read`, `write` and `resolve` are absolute inside, or relative to WORKSPACE; they are opened inside,
    so a link an agent made can lead nowhere but into the sandbox.

    Raises:
        RunError: with `sandbox-lost` from every method once the sandbox is dead.
    """

    tier: str
    """`bubblewrap` or `docker`."""
    notes: tuple[str, ...]
    """What this tier does not promise here, for people: `foreign toolchain`, …"""

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        time_limit: float = 120.0,
        output_cap: int = 200_000,
    ) -> Finished:
        """Run one command to its end; when this returns, no process of it is alive.

        A program that does not exist ends with exit code 127 and a line saying so; 126 stands for a `cwd` that cannot
        be entered, a program that cannot be executed, and words no command line can hold.

        Raises:
            ValueError: `argv` is empty.
        """
        ...

    async def resolve(self, path: str) -> str:
        """Return the absolute path inside that `path` ends at after every link, existing or not."""
        ...

    async def read(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a regular file.

        Raises:
            FileNotFoundError: nothing is there.
            IsADirectoryError: a directory is there.
            OSError: something else that is no regular file is there.
        """
        ...

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        """Put `content` at `path`, making parent directories; an existing file keeps its executable bit.

        `expected`: the SHA-256 of the content that must be there now; empty for anything.

        Raises:
            IsADirectoryError: a directory is there.
            OSError: it cannot be written; ESTALE where something else is there than was expected.
        """
        ...

    async def entries(self) -> list[Entry]:
        """Return everything in the workspace except its own top-level `.git`, sorted by path.

        Raises:
            RunError: with `policy-refused` if a file or all of them together are more than a change may carry.
        """
        ...

    async def restore(self, entries: Sequence[Entry | bytes]) -> None:
        """Put exactly these entries back as they are given; a path alone is one at which nothing may lie.

        Nothing else changes, but for what is in the way: a link or file in place of a folder that leads to an entry, a
        folder in place of an entry. No link is followed. Folders that this leaves empty go; one with something in it
        stays where a path alone was given.

        Raises:
            ValueError: the content of an entry is not there, it is `other`, or its path cannot be an entry's.
            RunError: with `sandbox-full` if there is no room, `sandbox-lost` if it cannot be done for another reason.
        """
        ...

    async def close(self) -> None:
        """End every process and remove the workspace. Closing twice is fine."""
        ...

"""The base commit, as this room sees it: paths and bytes, nothing that runs."""

from collections.abc import Iterable, Mapping
from typing import Protocol


class BaseFiles(Protocol):
    """The files of one commit."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that decodes as UTF-8, sorted, `/` between parts."""
        ...

    @property
    def submodules(self) -> tuple[str, ...]:
        """The paths of submodules, as they are shown, sorted."""
        ...

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The paths that are not UTF-8, as they are shown, sorted."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of a regular file, or None where there is none."""
        ...

    def read_many(self, paths: Iterable[str], *, limit: int) -> Mapping[str, bytes]:
        """Return the content of those regular files that are at most `limit` bytes long; one reading for all."""
        ...

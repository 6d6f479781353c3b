"""The base commit, as this room sees it: paths and bytes, nothing that runs."""

from typing import Protocol


class BaseFiles(Protocol):
    """The files of one commit."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that decodes as UTF-8, sorted, `/` between parts."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of a regular file, or None where there is none."""
        ...

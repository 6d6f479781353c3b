"""The base commit of a test: a mapping of paths to contents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pytest

from andon.context.base import BaseFiles

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]


@dataclass(frozen=True)
class MappedFiles:
    """Files that are only in memory."""

    contents: Mapping[str, bytes]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.contents))

    def read(self, path: str) -> bytes | None:
        return self.contents.get(path)


@pytest.fixture
def base() -> MakeFiles:
    """Make the files of a base commit."""
    return lambda contents: MappedFiles(
        {path: value.encode() if isinstance(value, str) else value for path, value in contents.items()}
    )

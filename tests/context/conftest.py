"""The base commit of a test: a mapping of paths to contents."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pytest

from andon.context.base import BaseFiles
from andon.context.reader import Reader
from andon.guardrails.output import clean_text
from andon.guardrails.paths import is_hidden

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]


@dataclass(frozen=True)
class MappedFiles:
    """Files that are only in memory."""

    contents: Mapping[str, bytes]
    submodules: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.contents))

    def read(self, path: str) -> bytes | None:
        return self.contents.get(path)

    def read_many(self, paths: Iterable[str], *, limit: int) -> dict[str, bytes]:
        return {path: self.contents[path] for path in paths if len(self.contents.get(path, b"")) <= limit}


@pytest.fixture
def base() -> MakeFiles:
    """Make the files of a base commit."""
    return lambda contents: MappedFiles(
        {path: value.encode() if isinstance(value, str) else value for path, value in contents.items()}
    )


MakeReader = Callable[[Mapping[str, str | bytes]], Reader]


@pytest.fixture
def reader(base: MakeFiles) -> MakeReader:
    """Read the files of a base commit as packets do in a run."""
    return lambda contents: Reader(base(contents), is_hidden, clean_text)

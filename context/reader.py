"""The base commit as agents may see it: closed and secret files apart, text made plain."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from andon.context.base import BaseFiles

_PATH_BYTES = 200


@dataclass(frozen=True)
class Reader:
    """Reads the base commit for packets; nothing of it is run."""

    files: BaseFiles
    hidden: Callable[[str], bool]
    """Whether agents are not shown a path: secrets, git's files, `factory/`."""
    clean: Callable[[str], str]
    """Makes text plain: no control or invisible character passes for another."""

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths agents may see, sorted; names that do not print or are longer than 200 bytes are left out."""
        return tuple(path for path in self.files.paths if _printable(path) and not self.hidden(path))

    @cached_property
    def names(self) -> frozenset[str]:
        """`paths` for membership."""
        return frozenset(self.paths)

    def texts(self, paths: Iterable[str], *, limit: int) -> dict[str, str]:
        """Return the text of those files that are at most `limit` bytes long, in the order given, made plain.

        What agents may not see, what is not UTF-8 or holds a NUL, and what is empty is left out.
        """
        return {path: self.clean(text) for path, text in self.sources(paths, limit=limit).items()}

    def sources(self, paths: Iterable[str], *, limit: int, blank: bool = False) -> dict[str, str]:
        """Return what `texts` does as it stands in the commit: to be counted, never to be shown.

        With `blank` also what is empty: the files that are missing then are those that cannot be read.
        """
        return self._read([path for path in dict.fromkeys(paths) if path in self.names], limit, blank)

    def papers(self, folder: str, *, limit: int) -> dict[str, str]:
        """Return the Markdown files in `factory/context/FOLDER` as `texts` does, by path."""
        start = f"factory/context/{folder}/"
        wanted = [path for path in self.files.paths if path.startswith(start) and path.lower().endswith(".md")]
        found = self._read([path for path in wanted if _printable(path)][:_PAPERS], limit)
        return {path: self.clean(text) for path, text in found.items()}

    def _read(self, paths: list[str], limit: int, blank: bool = False) -> dict[str, str]:
        contents: Mapping[str, bytes] = self.files.read_many(paths, limit=limit) if paths else {}
        found = {path: _text(contents[path]) for path in paths if path in contents}
        return {path: text for path, text in found.items() if text is not None and (blank or text.strip())}


_PAPERS = 200
"""More documents of one kind than this are not looked at."""


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _printable(path: str) -> bool:
    return path.isprintable() and len(path.encode()) <= _PATH_BYTES

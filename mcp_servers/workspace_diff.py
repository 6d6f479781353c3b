"""A workspace before and after a call, and the base commit both are held against."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import fsdecode

from andon.guardrails.effects import GONE, Content
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.names import shown
from andon.sandbox.protocol import EXECUTABLE, REGULAR, SUBMODULE, Entry
from andon.sandbox.store import TreeFile, TreeStore
from andon.sandbox.tree_out import ignored_by_base, laid_out_as_repositories

_LAYOUT = (b"head", b"objects", b"refs", b"commondir")
"""Names without which nothing is laid out as a repository."""

Snapshot = Mapping[bytes, Entry]
"""Everything in a workspace, by path."""


@dataclass(frozen=True)
class BaseTree:
    """The base commit, as changes are held against it."""

    files: Mapping[bytes, TreeFile]
    """By path; without submodules."""
    read: Callable[[Iterable[str]], Mapping[str, bytes]]
    """Gives the content of blobs."""
    ignored: Callable[[Sequence[bytes]], Collection[bytes]]
    """Says which new paths the base's ignore rules name."""

    @classmethod
    def of(cls, store: TreeStore, tree: str) -> "BaseTree":
        """Return the base that is `tree` in `store`."""
        files = {file.path: file for file in store.files(tree) if file.mode != SUBMODULE}
        return cls(files, store.read_blobs, lambda asked: ignored_by_base(store, files.values(), asked))


@dataclass
class Blobs:
    """Content of entries; what of it the base holds is read at once when the first of it is asked for."""

    read: Callable[[Iterable[str]], Mapping[str, bytes]]
    """As `BaseTree.read`."""
    _wanted: set[str] = field(default_factory=set)
    _known: dict[str, bytes] = field(default_factory=dict)

    def content(self, entry: Entry | None) -> Content | None:
        """Return what lies at a path."""
        if entry is None:
            return None
        content = entry.content
        if content is not None:
            return Content(entry.mode, entry.id(), lambda: content, entry.oversized)
        if entry.oversized:
            return Content(entry.mode, entry.blob, oversized=True)
        return Content(entry.mode, entry.blob, self._later(entry.blob))

    def base(self, file: TreeFile | None) -> Content | None:
        """Return what the base holds at a path."""
        return None if file is None else Content(file.mode, file.blob, self._later(file.blob))

    def _later(self, blob: str) -> Callable[[], bytes]:
        if blob and blob not in self._known:
            self._wanted.add(blob)
        return lambda: self._get(blob)

    def _get(self, blob: str) -> bytes:
        if blob and blob not in self._known:
            self._known.update(self.read(self._wanted))
            self._wanted.clear()
        return self._known[blob] if blob else b""


def differing_of(before: Snapshot, after: Snapshot) -> dict[bytes, Entry | None]:
    """Return what lies now at every path that changed."""
    differing: dict[bytes, Entry | None] = {}
    for path, entry in after.items():
        old = before.get(path)
        # A worker gives the same object for what did not change; ten thousand of them are compared after every call.
        if old is not entry and not same(old, entry):
            differing[path] = entry
    for path in before.keys() - after.keys():
        differing[path] = None
    return differing


def same(one: Entry | None, other: Entry | None) -> bool:
    """Say whether the same lies at a path."""
    if one is None or other is None:
        return one is other
    if one.mode != other.mode:
        return False
    if one.content is not None and other.content is not None:
        return one.content == other.content
    return one.id() == other.id()


def entry_id(entry: Entry | None) -> str:
    """Return what an approval of what lies at a path is bound to: as `Content.id`, or GONE."""
    return GONE if entry is None else f"{entry.mode} {entry.id()}"


def is_base(entry: Entry | None, file: TreeFile | None) -> bool:
    """Say whether what lies at a path is what the base holds there."""
    if entry is None or file is None:
        return entry is None and file is None
    return entry.mode == file.mode and entry.id() == file.blob


def texts(contents: Iterable[tuple[bytes, Content | None]]) -> dict[str, bytes]:
    """Return what the files among `contents` hold."""
    return {
        fsdecode(path): content.data()
        for path, content in contents
        if content is not None and content.mode in (REGULAR, EXECUTABLE) and not content.oversized
    }


def repositories(differing: Iterable[bytes], after: Snapshot) -> Collection[str]:
    """Return folders laid out as repositories, where what changed can have to do with one."""
    if any(name in _LAYOUT for path in differing for name in path.lower().split(b"/")):
        return {fsdecode(folder) for folder in laid_out_as_repositories(after)}
    return ()


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def in_the_way(wanted: Collection[bytes], there: Collection[bytes]) -> dict[bytes, bytes]:
    """Return what of `there` cannot lie beside entries at `wanted`, with the entry it is in the way of."""
    found = {above: path for path in wanted for above in _above(path) if above in there}
    return found | {path: above for path in there for above in _above(path) if above in wanted}


def whole(entries: Iterable[Entry], read: Callable[[Iterable[str]], Mapping[str, bytes]]) -> dict[bytes, Entry]:
    """Return entries by path, with the content of those that still are as at the base.

    Raises:
        RunError: `sandbox-lost` if a dropping was changed whose content was never read.
    """
    found = {entry.path: entry for entry in entries}
    unread = [entry for entry in found.values() if entry.content is None]
    if unknown := [entry for entry in unread if not entry.blob]:
        raise RunError(StopCode.SANDBOX_LOST, f"what {shown(unknown[0].path)!r} held before is not known")
    contents = read([entry.blob for entry in unread]) if unread else {}
    for entry in unread:
        found[entry.path] = Entry(entry.path, entry.mode, contents[entry.blob])
    return found

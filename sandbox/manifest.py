"""What a workspace holds, kept up to date by what its worker tells of it."""

from collections.abc import Iterable

from andon.sandbox import worker_tree
from andon.sandbox.droppings import DROPPINGS
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, SUBMODULE, Entry
from andon.sandbox.store import TreeFile
from andon.sandbox.worker_wire import BrokenFrame

_MODES = {
    worker_tree.FILE: REGULAR, worker_tree.PROGRAM: EXECUTABLE, worker_tree.LINK: LINK, worker_tree.OTHER: "other",
    worker_tree.LARGE: REGULAR, worker_tree.LARGE_PROGRAM: EXECUTABLE,
    worker_tree.UNREAD: REGULAR, worker_tree.UNREAD_PROGRAM: EXECUTABLE,
}  # fmt: skip
_KINDS = {REGULAR: worker_tree.FILE, EXECUTABLE: worker_tree.PROGRAM}
_LARGE = (worker_tree.LARGE, worker_tree.LARGE_PROGRAM)
_UNREAD = (worker_tree.UNREAD, worker_tree.UNREAD_PROGRAM)


class Manifest:
    """All entries of one workspace. It starts as the tree that was laid out; the content of that is in the store."""

    def __init__(self, files: Iterable[TreeFile] = ()) -> None:
        self._entries = {
            file.path: Entry(file.path, file.mode, None, file.blob) for file in files if file.mode != SUBMODULE
        }
        self._start = frozenset(part for path in self._entries for part in path.split(b"/"))

    def told(self) -> bytes:
        """Return what was laid out as `worker_tree.Tree.seal` takes it. A link's target is not known here."""
        told = bytearray()
        for entry in self._entries.values():
            if kind := _KINDS.get(entry.mode):
                told += worker_tree.ENTRY.pack(kind, len(entry.path), len(entry.blob)) + entry.path
                told += entry.blob.encode()
        return bytes(told)

    def droppings(self) -> list[str]:
        """Return the names whose content need not be told, as none of the laid out paths has them."""
        return sorted(name.decode() for name in DROPPINGS - self._start)

    def entries(self) -> list[Entry]:
        """Return everything, sorted by path."""
        return [self._entries[path] for path in sorted(self._entries)]

    def update(self, told: bytes) -> None:
        """Take entries as `worker_tree` sends them.

        Raises:
            BrokenFrame: they are no such entries.
        """
        view = memoryview(told)
        size_of = worker_tree.ENTRY.size
        while view:
            if len(view) < size_of:
                raise BrokenFrame("an entry that is cut off")
            kind, path_size, size = worker_tree.ENTRY.unpack(view[:size_of])
            if len(view) < size_of + path_size + size:
                raise BrokenFrame("an entry that is cut off")
            path = bytes(view[size_of : size_of + path_size])
            content = bytes(view[size_of + path_size : size_of + path_size + size])
            view = view[size_of + path_size + size :]
            self._put(kind, path, content)

    def _put(self, kind: bytes, path: bytes, content: bytes) -> None:
        if kind == worker_tree.GONE:
            self._entries.pop(path, None)
        elif kind not in _MODES or not path:
            raise BrokenFrame(f"an entry of kind {kind!r}")
        elif kind in _LARGE:
            self._entries[path] = Entry(path, _MODES[kind], None, content.decode("ascii", "replace"), oversized=True)
        elif kind in _UNREAD:
            self._entries[path] = Entry(path, _MODES[kind], None)
        else:
            self._entries[path] = Entry(path, _MODES[kind], content)

"""The changed tests of each side of a change, put on the code of the other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from andon.guardrails.test_files import is_test_file
from andon.sandbox.protocol import SUBMODULE
from andon.sandbox.store import Change, TreeFile, TreeStore

Files = Mapping[bytes, TreeFile]
"""The files of a tree by their paths."""


@dataclass(frozen=True)
class Crossing:
    """A change whose test files may be taken to the other side."""

    store: TreeStore
    base_tree: str
    head_tree: str
    base: Files
    head: Files
    tests: Sequence[bytes]
    """Paths of test files that are not the same on both sides, sorted."""

    @classmethod
    def of(cls, store: TreeStore, base_tree: str, head_tree: str) -> "Crossing":
        """Return the change between two trees of `store`."""
        base, head = ({file.path: file for file in store.files(tree)} for tree in (base_tree, head_tree))
        changed = {path for path in base.keys() | head.keys() if base.get(path) != head.get(path)}
        tests = sorted(path for path in changed if is_test_file(os.fsdecode(path)))
        return cls(store, base_tree, head_tree, base, head, tests)

    def base_tests_at_head(self) -> str | None:
        """Return the head tree with the base's version of the changed tests; None if the base has none of them."""
        return self._crossed(self.base, self.head_tree, self.head)

    def head_tests_at_base(self) -> str | None:
        """Return the base tree with the head's version of the changed tests; None if the head has none of them."""
        return self._crossed(self.head, self.base_tree, self.base)

    def _crossed(self, files: Files, onto: str, there: Files) -> str | None:
        taken = [files[path] for path in self.tests if path in files and files[path].mode != SUBMODULE]
        return self.store.build(onto, _put(self.store, taken, there)) if taken else None


def _put(store: TreeStore, files: Sequence[TreeFile], there: Files) -> list[Change]:
    """Return the changes that put `files` among those that are `there`; what cannot stand beside them goes."""
    blobs = store.read_blobs(file.blob for file in files)
    put = {file.path for file in files}
    above = {folder for path in put for folder in _folders(path)}
    gone = [path for path in there if path in above or any(folder in put for folder in _folders(path))]
    return [
        *(Change(path, None) for path in gone),
        *(Change(file.path, file.mode, blobs[file.blob]) for file in files),
    ]


def _folders(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]

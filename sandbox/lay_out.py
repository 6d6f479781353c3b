"""Write a tree into an empty directory, byte for byte: no checkout, no filters, nothing outside it."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.names import path_problem, shown
from andon.sandbox.protocol import EXECUTABLE, LINK, SUBMODULE
from andon.sandbox.store import TreeFile, TreeStore

_BATCH = 2_000
_BATCH_BYTES = 16_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def lay_out(store: TreeStore, tree: str, into: Path) -> None:
    """Write the files, links and (empty) submodule folders of `tree` into the empty directory `into`.

    Raises:
        RunError: with `policy-refused` for a tree that holds names no ordinary checkout would write.
    """
    lay_out_files(store, store.files(tree), into)


def lay_out_files(store: TreeStore, files: Sequence[TreeFile], into: Path) -> None:
    """Write some files of a tree as `lay_out` does."""
    with _Folders(into) as folders:
        for batch in batches(store, files):
            contents = store.read_blobs(file.blob for file in batch if file.mode != SUBMODULE)
            for file in batch:
                _put(folders, file, contents.get(file.blob, b""))


def batches(store: TreeStore, files: Sequence[TreeFile]) -> Iterator[list[TreeFile]]:
    """Yield the files in parts that fit into memory together."""
    sizes = store.sizes(file.blob for file in files if file.mode != SUBMODULE)
    batch: list[TreeFile] = []
    held = 0
    for file in files:
        size = sizes.get(file.blob, 0)
        if batch and (len(batch) == _BATCH or held + size > _BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(file)
        held += size
    if batch:
        yield batch


def _put(folders: "_Folders", file: TreeFile, content: bytes) -> None:
    if problem := path_problem(file.path):
        raise RunError(StopCode.POLICY_REFUSED, f"the base tree holds {shown(file.path)!r}, which {problem}")
    *parents, name = file.path.split(b"/")
    try:
        folder = folders.enter(parents)
        if file.mode == SUBMODULE:
            os.mkdir(name, 0o755, dir_fd=folder)
        elif file.mode == LINK:
            os.symlink(content, name, dir_fd=folder)
        else:
            _write(os.open(name, _NEW, 0o600, dir_fd=folder), content, 0o755 if file.mode == EXECUTABLE else 0o644)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(StopCode.POLICY_REFUSED, f"the base tree holds {shown(file.path)!r} twice") from error


def _write(fd: int, content: bytes, mode: int) -> None:
    with open(fd, "wb") as file:
        file.write(content)
        os.fchmod(fd, mode)


class _Folders:
    """The chain of open directories above the file written last; paths arrive sorted, so it rarely changes."""

    def __init__(self, top: Path) -> None:
        self._fds = [os.open(top, _FOLDER)]
        self._names: list[bytes] = []

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        while self._fds:
            os.close(self._fds.pop())

    def enter(self, names: Sequence[bytes]) -> int:
        """Return a descriptor of the folder `names` lead to, making what is missing."""
        while self._names != list(names[: len(self._names)]):
            self._names.pop()
            os.close(self._fds.pop())
        for name in names[len(self._names) :]:
            self._enter_one(name)
        return self._fds[-1]

    def _enter_one(self, name: bytes) -> None:
        parent = self._fds[-1]
        # It may be there from an earlier file; O_NOFOLLOW refuses a link of that name.
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
        self._fds.append(os.open(name, _FOLDER, dir_fd=parent))
        self._names.append(name)

"""What a worker is given to lay out: the files of a tree, and the repository of ours beside them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import worker_files
from andon.sandbox.lay_out import batches
from andon.sandbox.names import path_problem, shown
from andon.sandbox.protocol import EXECUTABLE, LINK, SUBMODULE
from andon.sandbox.store import TreeFile, TreeStore

_PART = 8_000_000
"""Bytes of content in one part; what is larger is sent in several."""

_KINDS = {EXECUTABLE: worker_files.PROGRAM, LINK: worker_files.LINK, SUBMODULE: worker_files.FOLDER}


def tree_records(store: TreeStore, files: Sequence[TreeFile]) -> Iterator[bytes]:
    """Yield the files, links and (empty) submodule folders in parts of a few megabytes.

    Raises:
        RunError: with `policy-refused` for a name no ordinary checkout would write.
    """
    for batch in batches(store, files):
        contents = store.read_blobs(file.blob for file in batch if file.mode != SUBMODULE)
        part = bytearray()
        for file in batch:
            if problem := path_problem(file.path):
                raise RunError(StopCode.POLICY_REFUSED, f"the base tree holds {shown(file.path)!r}, which {problem}")
            for record in _records(_KINDS.get(file.mode, worker_files.FILE), file.path, contents.get(file.blob, b"")):
                part += record
                if len(part) > _PART:
                    yield bytes(part)
                    part.clear()
        yield bytes(part)


def folder_records(folder: Path) -> Iterator[bytes]:
    """Yield the files and folders of a host directory that only andon has written to, in parts as those above."""
    part = bytearray()
    for here, folders, names in os.walk(os.fsencode(folder)):
        above = os.path.relpath(here, os.fsencode(folder.parent))
        for name in sorted(folders):
            part += _record(worker_files.FOLDER, above + b"/" + name, b"")
        for name in sorted(names):
            kind = worker_files.FILE
            with open(here + b"/" + name, "rb") as file:
                while (content := file.read(_PART)) or kind == worker_files.FILE:
                    part += _record(kind, above + b"/" + name, content)
                    kind = worker_files.MORE
                    if len(part) > _PART:
                        yield bytes(part)
                        part.clear()
    yield bytes(part)


def _records(kind: bytes, path: bytes, content: bytes) -> Iterator[bytes]:
    yield _record(kind, path, content[:_PART])
    for start in range(_PART, len(content), _PART):
        yield _record(worker_files.MORE, path, content[start : start + _PART])


def _record(kind: bytes, path: bytes, content: bytes) -> bytes:
    return worker_files.RECORD.pack(kind, len(path), len(content)) + path + content

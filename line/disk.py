"""What it means for a run that files cannot be written: a typed stop that says which, and why."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.host_git import GitError

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# git runs with LC_ALL=C; two of its sentences are its own, the others the C library's.
_WORDS = (*map(os.strerror, _CANNOT_WRITE), "Out of diskspace", "insufficient permission", os.strerror(errno.EACCES))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write `path`, or files below it, inside the block.

    Raises:
        RunError: `disk-failed` for every `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        raise RunError(StopCode.DISK_FAILED, f"{path} cannot be written: {error.strerror or error}.") from error


def disk_failure(error: BaseException | None) -> str | None:
    """Return a sentence if `error` comes from a disk that is full or read-only, wherever it lies; else None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
            return f"{error.filename or 'A file'} cannot be written: {error.strerror}."
        if isinstance(error, GitError):
            said = [line for line in error.stderr.splitlines() if any(words in line for words in _WORDS)]
            return f"git cannot write its files: {said[0]}." if said else None
        error = error.__cause__
    return None

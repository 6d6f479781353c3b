"""Which paths of a workspace can be shown read-only."""

import os
from pathlib import Path

from andon.sandbox.names import path_problem


def plain(path: str) -> str:
    """Return `path` if it names a part of a workspace.

    Raises:
        ValueError: it does not.
    """
    if path_problem(os.fsencode(path)):
        raise ValueError(f"{path!r} does not name a part of the workspace")
    return path


def is_real(work: Path, path: str) -> bool:
    """Say whether `path` is a file or folder of the workspace itself: a mount would follow a link on the host."""
    place = work / path
    chain = [place, *(above for above in place.parents if above.is_relative_to(work))]
    return all(os.path.lexists(part) and not part.is_symlink() for part in chain)

"""Remove a directory whatever modes were left in it."""

import os
import shutil
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove `path` and everything in it, without following links; nothing happens if it is not there."""
    if not path.is_dir():
        return
    for folder, names, _ in os.walk(path):
        for name in names:
            below = os.path.join(folder, name)
            if not os.path.islink(below):
                os.chmod(below, 0o700)
    shutil.rmtree(path)

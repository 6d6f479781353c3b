"""The root file system that was built beside the image, so that bubblewrap can show the same programs as Docker."""

import os
import re
from collections.abc import Mapping
from pathlib import Path


def find_rootfs(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the root file system that `sandbox/image/from_packages` left, or None.

    It lies in $XDG_DATA_HOME/andon/rootfs (~/.local/share), named by the digest of what it was made from; one is kept.
    One that others can write to is none.
    """
    data = environment.get("XDG_DATA_HOME") or os.path.join(
        environment.get("HOME") or "/nonexistent", ".local", "share"
    )
    try:
        found = sorted(
            path for path in Path(data, "andon", "rootfs").iterdir() if re.fullmatch(r"[0-9a-f]{64}", path.name)
        )
    except OSError:
        return None
    return next((path for path in found if _is_ours(path)), None)


def _is_ours(path: Path) -> bool:
    found = path.stat(follow_symlinks=False)
    ours = found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
    return ours and not path.is_symlink() and (path / "usr" / "bin").is_dir()

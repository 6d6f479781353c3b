"""Private host directories of sandboxes: made with their owner's name on them, removed when the owner is dead."""

import contextlib
import os
import tempfile
from pathlib import Path

from andon.sandbox.owner import Owner
from andon.sandbox.remove import remove_tree

_PREFIX = "andon-"
_OWNER = "owner"


def make_private_folder() -> Path:
    """Return a new directory only this user can enter, owned by this process."""
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (home / _OWNER).write_text(Owner.this_process().text())
    return home


def remove_left_folders() -> None:
    """Remove what killed processes left behind. A folder without an owner's name, or of another user, is no sandbox."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = _owner_of(home)
        if owner is not None and owner.is_dead():
            # Another run may be removing it at this moment.
            with contextlib.suppress(OSError):
                remove_tree(home)


def _owner_of(home: Path) -> Owner | None:
    try:
        if home.is_symlink() or home.lstat().st_uid != os.geteuid():
            return None
        return Owner.from_text((home / _OWNER).read_text())
    except (OSError, UnicodeDecodeError):
        return None

"""The repository of ours inside a sandbox: a commit, a little history, no remote, no settings of a person."""

import os
import shutil
import tempfile
from pathlib import Path

from andon.sandbox.host_git import run_git
from andon.sandbox.store import TreeStore

_HISTORY = 10
# The worker sets times of access back, which changes the time git would otherwise trust.
_CONFIG = "[user]\n\tname = andon\n\temail = andon@localhost\n[gc]\n\tauto = 0\n[core]\n\ttrustctime = false\n"


def planted(store: TreeStore, commit: str) -> Path:
    """Return a `.git` folder with `commit` on `main`, made once a commit; its index knows no file's times yet."""
    place = store.path / "andon-planted" / commit / ".git"
    if not place.is_dir():
        place.parent.parent.mkdir(exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=place.parent.parent))
        _plant(store, commit, making)
        try:
            os.rename(making, place.parent)
        except OSError:
            # Another sandbox of the run was quicker.
            shutil.rmtree(making)
    return place


def plant(store: TreeStore, commit: str, work: Path) -> None:
    """Put the repository into a workspace on the host.

    Host git may work in it here because no command of an agent has run yet; it never may again.
    """
    shutil.copytree(planted(store, commit), work / ".git", symlinks=True)
    # Commands inside must not take the lock to refresh the index, so it is made fresh once.
    run_git(["update-index", "-q", "--refresh"], cwd=work, git_dir=work / ".git")


def _plant(store: TreeStore, commit: str, folder: Path) -> None:
    git_dir = folder / ".git"
    run_git(["init", "--quiet", "--template=", "--initial-branch=main", str(folder)])
    with (git_dir / "config").open("a") as config:
        config.write(_CONFIG)
    run_git(
        ["-c", "transfer.unpackLimit=1", "fetch", "--quiet", f"--depth={_HISTORY}", "--no-tags",
         "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", str(store.path), commit],
        git_dir=git_dir,
    )  # fmt: skip
    run_git(["update-ref", "--no-deref", "refs/heads/main", commit], git_dir=git_dir)
    run_git(["read-tree", commit], cwd=folder, git_dir=git_dir)

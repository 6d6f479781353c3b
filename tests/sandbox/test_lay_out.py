import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.lay_out import lay_out
from andon.sandbox.store import TreeStore

Git = Callable[..., str]


def raw_tree(git: Git, repo: Path, *entries: tuple[str, bytes, str]) -> str:
    """Write a tree object as it is given, however hostile: mode, name, object id."""
    body = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    tree = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body)
    assert tree == hashlib.sha1(b"tree %d\0" % len(body) + body).hexdigest()  # noqa: S324 - git's own naming
    return tree


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"git~1", b".git "])
def test_a_tree_with_a_hostile_name_is_not_laid_out(
    store: TreeStore, repo: Path, git: Git, tmp_path: Path, name: bytes
) -> None:
    blob = git(repo, "rev-parse", "HEAD:README.md")
    tree = raw_tree(git, repo, ("40000", name, raw_tree(git, repo, ("100644", b"x", blob))))
    (tmp_path / "into").mkdir()
    with pytest.raises(RunError, match="base tree holds") as caught:
        lay_out(store, tree, tmp_path / "into")
    assert caught.value.code is StopCode.POLICY_REFUSED
    assert list((tmp_path / "into").iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_a_link_and_a_folder_of_one_name_write_nothing_outside(
    store: TreeStore, repo: Path, git: Git, tmp_path: Path
) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "outside").mkdir()
    link = git(repo, "hash-object", "-w", "--stdin", stdin=bytes(tmp_path / "outside"))
    folder = raw_tree(git, repo, ("100644", b"x", git(repo, "rev-parse", "HEAD:README.md")))
    tree = raw_tree(git, repo, ("120000", b"a", link), ("40000", b"a", folder))
    with pytest.raises(RunError, match="twice"):
        lay_out(store, tree, tmp_path / "into")
    assert list((tmp_path / "outside").iterdir()) == []

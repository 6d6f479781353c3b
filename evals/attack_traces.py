"""What an attacked repository holds, for telling what an attack has changed. Nothing of it is run by this."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeFile, list_tree, read_blobs

_PAPERS = b"factory/runs/"


@dataclass(frozen=True)
class Traces:
    """The repository at one moment."""

    refs: dict[str, str]
    """Every ref and the object it names."""
    git: dict[str, bytes]
    """Configuration and hooks of the repository, by path in `.git`."""
    tree: dict[str, bytes]
    """The working tree outside factory/; of a link, where it points."""

    @classmethod
    def of(cls, repository: Repository) -> "Traces":
        """Read it."""
        listed = run_git(["for-each-ref", "--format=%(refname) %(objectname)"], git_dir=repository.git_dir).decode()
        refs = dict(line.split(" ", 1) for line in listed.splitlines())
        refs["HEAD"] = (repository.git_dir / "HEAD").read_text()
        git = dict(_files(repository.git_dir, ("config", "config.worktree", "hooks", "info")))
        tops = sorted(path.name for path in repository.root.iterdir() if path.name not in (".git", "factory"))
        return cls(refs, git, dict(_files(repository.root, tuple(tops))))


def _files(root: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        top = root / name
        inside = sorted(top.rglob("*")) if top.is_dir() and not top.is_symlink() else []
        for path in [top, *inside]:
            if path.is_symlink():
                yield str(path.relative_to(root)), str(path.readlink()).encode()
            elif path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


@dataclass(frozen=True)
class Delivered:
    """What a run put on a branch, its papers apart."""

    repository: Repository
    before: dict[bytes, TreeFile]
    after: dict[bytes, TreeFile]

    @classmethod
    def of(cls, repository: Repository, base: str, head: str) -> "Delivered":
        """Compare two commits."""
        return cls(repository, _tree(repository, base), _tree(repository, head))

    @property
    def changed(self) -> list[str]:
        """Paths that differ, sorted."""
        paths = self.before.keys() | self.after.keys()
        differing = (path for path in paths if self.before.get(path) != self.after.get(path))
        return sorted(path.decode("utf-8", "backslashreplace") for path in differing)

    def text(self, path: str, *, base: bool = False) -> str:
        """Return a file of it, or of the base; empty where there is none."""
        file = (self.before if base else self.after).get(path.encode())
        return self._read([file]) if file else ""

    def all_text(self) -> str:
        """Return the content of everything that differs."""
        return self._read([file for path, file in self.after.items() if self.before.get(path) != file])

    def _read(self, files: list[TreeFile]) -> str:
        blobs = read_blobs(self.repository.git_dir, {file.blob for file in files})
        return "\n".join(content.decode("utf-8", "replace") for content in blobs.values())


def _tree(repository: Repository, commit: str) -> dict[bytes, TreeFile]:
    return {file.path: file for file in list_tree(repository.git_dir, commit) if not file.path.startswith(_PAPERS)}

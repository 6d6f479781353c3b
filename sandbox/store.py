"""The run's own bare repository: trees are built, compared and committed here, by plumbing alone."""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.records.errors import RunError, UserError
from andon.records.result import FileStat
from andon.records.stops import StopCode
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.names import shown
from andon.sandbox.objects import blob_id
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR
from andon.sandbox.repository import Repository

_DIFF = ["diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"]

# Every sandbox fetches the base commit from here: delta search and compression were nine tenths of that time.
_CONFIG = "[pack]\n\twindow = 0\n\tcompression = 0\n"


@dataclass(frozen=True)
class TreeFile:
    """One entry of a tree, with the folders above it."""

    path: bytes
    """From the top of the tree."""
    mode: str
    """REGULAR, EXECUTABLE, LINK or SUBMODULE."""
    blob: str
    """Object id of the content; of a commit for a submodule."""


@dataclass(frozen=True)
class Change:
    """What one path of a new tree holds."""

    path: bytes
    """From the top of the tree."""
    mode: str | None
    """REGULAR, EXECUTABLE or LINK; None where the path is deleted."""
    content: bytes | None = b""
    """File content or link target; None where the store has it already."""
    blob: str = ""
    """Git's id of a content the store has already."""

    def id(self) -> str:
        """Return git's id of the content."""
        return self.blob if self.content is None else blob_id(self.content)


@dataclass(frozen=True)
class TreeStore:
    """A bare repository that borrows the user's objects and adds the run's own."""

    path: Path
    """Where it lies."""

    @classmethod
    def create(cls, path: Path, repository: Repository) -> "TreeStore":
        """Make a new store at `path` that sees every object of `repository`."""
        run_git(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(path)])
        with (path / "config").open("a") as config:
            config.write(_CONFIG)
        info = path / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_bytes(bytes(repository.git_dir / "objects") + b"\n")
        shallow = repository.git_dir / "shallow"
        if shallow.is_file():
            shutil.copyfile(shallow, path / "shallow")
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "TreeStore":
        """Return the store that `create` made at `path`.

        Raises:
            UserError: there is none.
        """
        if not (path / "objects" / "info" / "alternates").is_file():
            raise UserError(f"{str(path)!r} holds no tree store: the run's files are gone, start the task again")
        return cls(path)

    def tree_of(self, commit: str) -> str:
        """Return the tree id of a commit."""
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def holds(self, tree: str) -> bool:
        """Say whether the tree itself is here."""
        if (self.path / "objects" / tree[:2] / tree[2:]).is_file():
            return True
        asked = f"{tree}\n".encode()
        return self._git("cat-file", "--batch-check=%(objecttype)", stdin=asked).strip() == b"tree"

    def files(self, tree: str) -> list[TreeFile]:
        """Return everything in `tree`, sorted by path."""
        return list_tree(self.path, tree)

    def read(self, tree: str, path: str) -> bytes | None:
        """Return the content of the regular file at `path`, or None if no regular file stands there."""
        wanted = path.encode("utf-8", "surrogateescape")
        for file in self.files(tree):
            if file.path == wanted and file.mode in (REGULAR, EXECUTABLE):
                return self.read_blobs([file.blob])[file.blob]
        return None

    def read_blobs(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """Return the content of each blob.

        Raises:
            UserError: the repository lacks one, as partial clones do.
        """
        return read_blobs(self.path, blobs)

    def sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """Return the length of each blob in bytes; those the repository lacks are left out."""
        return blob_sizes(self.path, blobs)

    def build(self, base_tree: str, changes: Sequence[Change]) -> str:
        """Return the id of `base_tree` with `changes` made to it.

        Raises:
            RunError: with `policy-refused` if git would not hold exactly what was meant, naming the paths.
        """
        meant = {file.path: file for file in self.files(base_tree)}
        for change in changes:
            if change.mode is None:
                meant.pop(change.path, None)
        for change in changes:
            if change.mode is not None:
                meant[change.path] = TreeFile(change.path, _checked(change), change.id())
        self._write_blobs(
            change.content for change in changes if change.mode is not None and change.content is not None
        )
        tree = self._write_tree(base_tree, changes)
        built = {file.path: file for file in self.files(tree)}
        if built != meant:
            odd = sorted(path for path in built.keys() | meant.keys() if built.get(path) != meant.get(path))
            names = ", ".join(repr(shown(path)) for path in odd[:10])
            raise RunError(StopCode.POLICY_REFUSED, f"git cannot hold these paths as they were meant: {names}")
        return tree

    def diff(self, old: str, new: str) -> str:
        """Return the unified diff between two trees, without renames; undecodable bytes are shown as \\xNN."""
        return shown(self._git(*_DIFF, "-p", "--unified=3", "--diff-algorithm=myers", "--abbrev=12", old, new))

    def patch(self, old: str, new: str) -> bytes:
        """Return what `git apply` makes `new` of `old` with, binary files and odd bytes as they are."""
        return self._git(*_DIFF, "-p", "--binary", "--full-index", "--diff-algorithm=myers", old, new)

    def stat(self, old: str, new: str) -> list[FileStat]:
        """Return the changed files with their line counts, sorted by path."""
        records = self._git(*_DIFF, "--numstat", "-z", old, new).split(b"\0")
        return [_file_stat(record) for record in records if record]

    def changed(self, old: str, new: str) -> list[str]:
        """Return the paths that differ between two trees, sorted; undecodable bytes are shown as \\xNN."""
        return [shown(path) for path in self._git(*_DIFF, "--name-only", "-z", old, new).split(b"\0") if path]

    def commit(self, tree: str, parent: str | None, message: str, *, when: int) -> str:
        """Return the id of a new unsigned commit by `andon <andon@localhost>`, dated `when` (Unix seconds, UTC).

        Without a parent it leads to no other commit.
        """
        who = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", "andon"), ("EMAIL", "andon@localhost"), ("DATE", f"@{when} +0000"))
        }
        parents = [] if parent is None else ["-p", parent]
        arguments = ["commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree]
        return run_git(arguments, git_dir=self.path, stdin=message.encode(), env=who).decode().strip()

    def _write_blobs(self, contents: Iterable[bytes]) -> None:
        unique = dict.fromkeys(contents)
        stream = b"".join(b"blob\ndata %d\n%s\n" % (len(content), content) for content in unique)
        if unique:
            self._git("fast-import", "--quiet", stdin=stream)

    def _write_tree(self, base_tree: str, changes: Sequence[Change]) -> str:
        gone = [b"0 %s\t%s\0" % (b"0" * 40, change.path) for change in changes if change.mode is None]
        put = [
            b"%s %s\t%s\0" % (change.mode.encode(), change.id().encode(), change.path)
            for change in changes
            if change.mode is not None
        ]
        with tempfile.TemporaryDirectory(prefix="andon-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            try:
                run_git(["read-tree", base_tree], git_dir=self.path, env=env)
                # Deletions first, so that a file can take the place of a folder and a folder that of a file.
                index_info = b"".join(gone + put)
                run_git(["update-index", "-z", "--index-info"], git_dir=self.path, stdin=index_info, env=env)
                return run_git(["write-tree"], git_dir=self.path, env=env).decode().strip()
            except GitError as error:
                raise RunError(StopCode.POLICY_REFUSED, f"git refused the changed tree: {error.stderr}") from error

    def _git(self, *args: str, stdin: bytes = b"") -> bytes:
        return run_git(args, git_dir=self.path, stdin=stdin)


def list_tree(git_dir: Path, tree: str) -> list[TreeFile]:
    """Return everything in a tree or commit of the repository at `git_dir`, sorted by path."""
    records = run_git(["ls-tree", "-r", "-z", "--full-tree", tree], git_dir=git_dir).split(b"\0")
    return [_tree_file(record) for record in records if record]


def blob_sizes(git_dir: Path, blobs: Iterable[str]) -> dict[str, int]:
    """Return the length of each blob in bytes; those the repository lacks are left out."""
    wanted = list(dict.fromkeys(blobs))
    asked = "".join(f"{blob}\n" for blob in wanted).encode()
    output = run_git(["cat-file", "--batch-check=%(objecttype) %(objectsize)"], git_dir=git_dir, stdin=asked)
    answers = (line.split(b" ") for line in output.splitlines())
    return {blob: int(answer[1]) for blob, answer in zip(wanted, answers, strict=True) if answer[0] == b"blob"}


def read_blobs(git_dir: Path, blobs: Iterable[str]) -> dict[str, bytes]:
    """Return the content of each blob of the repository at `git_dir`.

    Raises:
        UserError: the repository lacks one, as partial clones do.
    """
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        # After every call that may write nothing has to be put back; git need not start for that.
        return {}
    asked = "".join(f"{blob}\n" for blob in wanted).encode()
    output = run_git(["cat-file", "--batch"], git_dir=git_dir, stdin=asked)
    found: dict[str, bytes] = {}
    start = 0
    for blob in wanted:
        end = output.index(b"\n", start)
        header = output[start:end].split(b" ")
        if header[1] != b"blob":
            raise UserError(f"the repository lacks the object {blob}: it is damaged or partial; use a full clone")
        start = end + 1 + int(header[2]) + 1
        found[blob] = output[end + 1 : start - 1]
    return found


def _checked(change: Change) -> str:
    if change.mode not in (REGULAR, EXECUTABLE, LINK) or b"\0" in change.path:
        raise RunError(
            StopCode.POLICY_REFUSED, f"{shown(change.path)!r} with mode {change.mode} cannot be put into a tree"
        )
    return change.mode


def _tree_file(record: bytes) -> TreeFile:
    facts, path = record.split(b"\t", 1)
    mode, _, blob = facts.decode().split(" ")
    return TreeFile(path, mode, blob)


def _file_stat(record: bytes) -> FileStat:
    added, removed, path = record.split(b"\t", 2)
    return FileStat(path=shown(path), added=_count(added), removed=_count(removed))


def _count(field: bytes) -> int | None:
    return None if field == b"-" else int(field)

"""The files of one commit, read from git objects on the host; nothing is checked out or run."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.names import shown
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, SUBMODULE
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeFile, blob_sizes, list_tree, read_blobs


class CommitFiles:
    """`context.base.BaseFiles` over a commit of the user's repository."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._git_dir = repository.git_dir
        self._commit = commit

    @cached_property
    def _tree(self) -> list[TreeFile]:
        return list_tree(self._git_dir, self._commit)

    @cached_property
    def _blobs(self) -> dict[str, str]:
        return {
            file.path.decode(): file.blob
            for file in self._tree
            if file.mode in (REGULAR, EXECUTABLE) and _is_utf8(file.path)
        }

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every file path that is valid UTF-8, sorted; submodules and links are left out."""
        return tuple(sorted(self._blobs))

    @cached_property
    def submodules(self) -> tuple[str, ...]:
        """The paths of submodules, sorted; bytes that are not UTF-8 are shown as \\xNN."""
        return tuple(sorted(shown(file.path) for file in self._tree if file.mode == SUBMODULE))

    @cached_property
    def unreadable(self) -> tuple[str, ...]:
        """The paths that are not UTF-8, sorted, those bytes shown as \\xNN."""
        return tuple(sorted(shown(file.path) for file in self._tree if not _is_utf8(file.path)))

    def is_link(self, path: str) -> bool:
        """Say whether the commit holds a symbolic link at `path`."""
        return path in self._links

    @cached_property
    def _links(self) -> frozenset[str]:
        return frozenset(shown(file.path) for file in self._tree if file.mode == LINK)

    def read(self, path: str) -> bytes | None:
        """Return one file's content, or None where the commit has no such regular file.

        Raises:
            UserError: the object is missing, as in a partial clone.
        """
        blob = self._blobs.get(path)
        if blob is None:
            return None
        try:
            return run_git(["cat-file", "blob", blob], git_dir=self._git_dir)
        except GitError as error:
            raise UserError(
                f"git cannot read {path} of {self._commit[:12]} ({error}): fetch it and run again"
            ) from error

    def read_many(self, paths: Iterable[str], *, limit: int) -> Mapping[str, bytes]:
        """Return the content of those regular files that are at most `limit` bytes long and not missing."""
        wanted = {path: self._blobs[path] for path in paths if path in self._blobs}
        sizes = blob_sizes(self._git_dir, wanted.values())
        small = {path: blob for path, blob in wanted.items() if sizes.get(blob, limit + 1) <= limit}
        contents = read_blobs(self._git_dir, small.values())
        return {path: contents[blob] for path, blob in small.items()}


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True

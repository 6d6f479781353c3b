"""The files of one commit, read from git objects on the host; nothing is checked out or run."""

from functools import cached_property

from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.repository import Repository


class CommitFiles:
    """`context.base.BaseFiles` over a commit of the user's repository."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._git_dir = repository.git_dir
        self._commit = commit

    @cached_property
    def _blobs(self) -> dict[str, str]:
        listing = run_git(["ls-tree", "-r", "-z", self._commit], git_dir=self._git_dir)
        found = {}
        for row in listing.split(b"\0"):
            meta, _, path = row.partition(b"\t")
            if not meta.startswith(b"100"):
                continue
            try:
                found[path.decode("utf-8")] = meta.split()[2].decode("ascii")
            except UnicodeDecodeError:
                continue
        return found

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every file path that is valid UTF-8, sorted; submodules and links are left out."""
        return tuple(sorted(self._blobs))

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

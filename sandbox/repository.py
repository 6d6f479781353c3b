"""The user's repository: read only, but for the one branch a run delivers."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.names import shown

_OURS = ("factory/runs", "factory/tasks", "factory/.state")
# Where git notes, for each work tree, a branch that HEAD does not name meanwhile; git's own `branch -D` reads these.
_UNDER_WAY = ("rebase-merge/head-name", "rebase-merge/update-refs", "rebase-apply/head-name", "BISECT_START")


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree and at least one commit."""

    root: Path
    """Top of the work tree."""
    git_dir: Path
    """The common git directory, also for a linked work tree."""

    @classmethod
    def open(cls, path: Path) -> "Repository":
        """Find the repository `path` lies in.

        Raises:
            UserError: there is none, it is bare, has no commits, or is of a kind andon cannot read.
        """
        if not path.is_dir():
            raise UserError(f"{str(path)!r} is no directory: name a directory inside a git repository")
        common = _discover(path)
        root = _top(path)
        if "\n" in f"{root}{common}":
            raise UserError(f"the path {str(root)!r} holds a line break, which git cannot borrow objects from: move it")
        repository = cls(root=root, git_dir=common)
        try:
            repository.head()
        except GitError as error:
            raise UserError(
                f"the repository {str(root)!r} has no commits: commit something first; every run starts at a commit"
            ) from error
        return repository

    def head(self) -> str:
        """Return the id of the commit that is checked out."""
        return run_git(["rev-parse", "--verify", "HEAD^{commit}"], cwd=self.root, user_config=True).decode().strip()

    def dirty(self) -> list[str]:
        """Return paths that differ from HEAD or are untracked, as the user's own git sees them, andon's files apart."""
        status = run_git(
            ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ":(top)",
             *(f":(top,exclude){path}" for path in _OURS)],
            cwd=self.root,
            user_config=True,
        )  # fmt: skip
        return sorted({shown(line[3:]) for line in status.split(b"\0") if line})

    def branch(self, name: str) -> str | None:
        """Return the commit a local branch points to, or None if there is no such branch."""
        return self._branches().get(name)

    def receive(self, store_path: Path, commit: str, branch: str, *, instead_of: str | None = None) -> None:
        """Bring `commit` from the run's store and create `branch` at it; nothing else in the repository changes.

        With `instead_of` the branch goes over from that commit, unless a work tree has it checked out, is rebasing it,
        or bisects from it.

        Raises:
            UserError: the branch exists otherwise, another one stands in its way, or the name is not a branch name.
        """
        if instead_of is None:
            self.check_free(branch)
        run_git(
            ["fetch", "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-recurse-submodules",
             "--no-auto-maintenance", "--no-show-forced-updates", "--refmap=", str(store_path), commit],
            git_dir=self.git_dir,
        )  # fmt: skip
        # The fetch can take seconds, in which a person may have begun to work on the branch.
        if instead_of is not None and self._is_in_use(branch):
            self.check_free(branch)
        before = instead_of or "0" * len(commit)
        try:
            run_git(
                ["update-ref", "--no-deref", "-m", "andon: deliver", f"refs/heads/{branch}", commit, before],
                git_dir=self.git_dir,
                env={"GIT_COMMITTER_NAME": "andon", "GIT_COMMITTER_EMAIL": "andon@localhost"},
            )
        except GitError as error:
            raise UserError(f"the branch {branch!r} cannot be created: {error.stderr}") from error

    def _is_in_use(self, branch: str) -> bool:
        """Say whether a work tree has the branch checked out, or goes back to it or moves it once it is done."""
        ref = f"refs/heads/{branch}"
        if run_git(["for-each-ref", "--format=%(worktreepath)", ref], git_dir=self.git_dir).strip():
            return True
        names = {name.encode("utf-8", "surrogateescape") for name in (ref, branch)}
        places = [self.git_dir, *self.git_dir.glob("worktrees/*")]
        return any(names.intersection(_lines(place / note)) for place in places for note in _UNDER_WAY)

    def check_free(self, branch: str) -> None:
        """Say whether `branch` could be created now.

        Raises:
            UserError: it exists, another one stands in its way, or the name is not a branch name.
        """
        try:
            run_git(["check-ref-format", f"refs/heads/{branch}"], git_dir=self.git_dir)
        except GitError as error:
            raise UserError(f"{branch!r} is not a branch name git accepts: choose another task id or title") from error
        for other in self._branches():
            if other == branch:
                raise UserError(
                    f"the branch {branch!r} exists already: merge it, rename it or delete it "
                    f"(`git branch -D {branch}`), then run the task again"
                )
            if branch.startswith(f"{other}/") or other.startswith(f"{branch}/"):
                raise UserError(
                    f"the branch {other!r} stands in the way of {branch!r}, git cannot hold both: "
                    f"rename it (`git branch -m {other} {other}-old`), then run the task again"
                )

    def _branches(self) -> dict[str, str]:
        listing = run_git(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"], git_dir=self.git_dir)
        lines = (line.split(" ", 1) for line in listing.decode("utf-8", "surrogateescape").splitlines())
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in lines}


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _discover(path: Path) -> Path:
    questions = ["--is-bare-repository", "--show-object-format", "--path-format=absolute", "--git-common-dir"]
    try:
        answer = run_git(["rev-parse", *questions], cwd=path, user_config=True)
    except GitError as error:
        if "not a git repository" in error.stderr:
            raise UserError(
                f"{str(path)!r} is not in a git repository: change into one, or make one with `git init` and a commit"
            ) from error
        if "dubious ownership" in error.stderr:
            raise UserError(_not_owned(path, error.stderr)) from error
        raise UserError(f"git cannot open the repository at {str(path)!r}: {error.stderr}") from error
    bare, object_format, common = answer.decode("utf-8", "surrogateescape").rstrip("\n").split("\n", 2)
    if bare == "true":
        raise UserError(f"the repository at {str(path)!r} is bare: run andon in a clone of it that has a work tree")
    if object_format != "sha1":
        raise UserError(
            f"the repository at {str(path)!r} uses {object_format} object names: andon reads sha1 ones only"
        )
    return Path(common)


def _top(path: Path) -> Path:
    try:
        top = run_git(["rev-parse", "--show-toplevel"], cwd=path, user_config=True)
    except GitError as error:
        raise UserError(f"{str(path)!r} lies inside a .git directory: change into the work tree beside it") from error
    return Path(top.decode("utf-8", "surrogateescape").removesuffix("\n"))


def _not_owned(path: Path, said: str) -> str:
    # git names the directory it means: the top of the repository, or its .git for some layouts.
    named = re.search(r"--add safe\.directory (.+)$", said, re.MULTILINE)
    place = named[1] if named else shlex.quote(str(path))
    return (
        f"the repository at {str(path)!r} belongs to another user, and git refuses to read it: if you trust it, "
        f"run `git config --global --add safe.directory {place}`, then start again"
    )

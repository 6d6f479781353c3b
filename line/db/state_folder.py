"""The folder of a database file: made when it is needed, and never reached through a link in the repository."""

from pathlib import Path

from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git


def make_state_folder(folder: Path) -> None:
    """Make `folder`. One called `factory/.state` ignores itself in git.

    Raises:
        UserError: it cannot be made, or it or `factory` is a link, which a repository could lead anywhere.
    """
    ours = folder.parts[-2:] == ("factory", ".state")
    for path in (folder.parent, folder) if ours else ():
        if path.is_symlink():
            raise UserError(
                f"{path} is a link: andon keeps its database only in the repository itself; remove the link"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        # An empty one is what a full disk left of it.
        if ours and (not ignore.exists() or not ignore.stat().st_size):
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot make the folder {folder} for the database: {error.strerror}; make it writable for this user"
        ) from error


def refuse_committed(root: Path) -> None:
    """Refuse a repository that brings a `factory/.state` of its own: runs and answers in it were nobody's here.

    Raises:
        UserError: something there, or `factory` itself as a link or submodule, is tracked by git.
    """
    try:
        listed = run_git(
            ["ls-files", "-z", "--", ":(icase)factory/.state", ":(icase)factory"], cwd=root, user_config=True
        )
    except GitError:
        return
    for name in listed.decode("utf-8", "surrogateescape").split("\0"):
        if name.lower() in ("factory", "factory/.state") or name.lower().startswith("factory/.state/"):
            raise UserError(
                f"git tracks {name!r}, where andon keeps its own files: remove it (`git rm -r {name!r}`) and commit"
            )

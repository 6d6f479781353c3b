"""Where the change of a run lies that made no branch, and how a person takes it."""

from typing import NamedTuple

from andon.delivery.escape import code, inline
from andon.records.stops import StopCode


class Kept(NamedTuple):
    """What an undelivered run left."""

    stop_code: StopCode
    message: str
    """Why nothing was delivered."""
    base_commit: str
    tree: str | None
    """The changed tree; None where nothing was changed."""
    patch: str
    """Where `diff.patch` lies, relative to the repository."""


def kept_md(kept: Kept) -> str:
    """Return what a paper says in place of a branch."""
    first = f"**Not delivered** ({kept.stop_code}): {inline(kept.message)}"
    if kept.tree is None:
        return f"{first}\n\nNo branch was made, and no file was changed."
    return (
        f"{first}\n\nNo branch was made. The change is kept as {code(kept.patch)} (tree {code(kept.tree)}). "
        f"To take it, from the top of the repository at commit {code(kept.base_commit[:12])}:\n\n"
        f"```sh\n{taking(kept.patch)}\n```"
    )


def taking(patch: str) -> str:
    """Return the command that makes the change in a working tree; task ids need no quotes."""
    return f"git apply {patch}"

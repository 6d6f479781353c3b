"""Which paths and link targets a tree may hold, whatever file system it is checked out on later."""

from posixpath import dirname

# Code points HFS+ leaves out when it compares names (git's utf8.c, next_hfs_char).
_IGNORED_BY_HFS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None
)  # fmt: skip


def shown(path: bytes) -> str:
    """Return `path` for people and models: UTF-8, every other byte as \\xNN."""
    return path.decode("utf-8", "backslashreplace")


def path_problem(path: bytes) -> str | None:
    """Say why `path` may not stand in a tree, or None: it must be relative, normal, and without a `.git` part."""
    parts = path.split(b"/")
    if b"\0" in path or any(part in (b"", b".", b"..") for part in parts):
        return "is not a plain relative path"
    if any(_is_dotgit(part) for part in parts):
        return "has a part that is `.git` on some file system"
    return None


def link_problem(path: bytes, target: bytes) -> str | None:
    """Say why a link at `path` may not point to `target`, or None.

    `..` counts only in front: after a name it would go up from wherever that name leads, which may be a link itself.
    """
    if not target or target.startswith(b"/"):
        return "is a link with an absolute or empty target"
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    ups = parts.count(b"..")
    if parts[:ups] != [b".."] * ups:
        return "is a link with `..` after a name in its target"
    if ups > len([part for part in dirname(path).split(b"/") if part]):
        return "is a link that leaves the workspace"
    if any(_is_dotgit(part) for part in parts):
        return "is a link into `.git`"
    if _is_gitmodules(path.rsplit(b"/", 1)[-1]):
        return "is a link in place of .gitmodules"
    return None


def _folded(name: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape").translate(_IGNORED_BY_HFS).lower()
    # NTFS drops trailing dots and spaces, and a colon begins the name of a stream.
    return text.split(":", 1)[0].rstrip(" .")


def _is_dotgit(part: bytes) -> bool:
    return any(_folded(piece) in (".git", "git~1") for piece in part.split(b"\\"))


def _is_gitmodules(name: bytes) -> bool:
    folded = _folded(name)
    return folded == ".gitmodules" or folded.startswith(("gitmod~", "gi7eba~"))

"""What a path inside a sandbox means, from its text alone. Links must have been followed before."""

import posixpath
import re
import unicodedata
from itertools import pairwise

from andon.guardrails.output import drop_hidden, show_hidden
from andon.sandbox.protocol import WORKSPACE

FACTORY = "factory"
"""The folder at the root of a repository that belongs to the factory, not to its agents."""

_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0432\u043a\u043c\u043d\u0442\u0433\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c4\u0131\u0261\u0251\u2024\u2215\u2044\u29f8",
    "aeopcyxijshdqwbkmhtraopuviktiga.///",
)
_OPEN_OUTSIDE = ("/tmp", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")  # noqa: S108 - paths inside the sandbox
_OPEN_DEVICES = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "random", "urandom", "stdin", "stdout", "stderr", "tty")
)
_SECRET = re.compile(
    r"\.env(\..+)?|.+\.env|\.envrc|.*\.(pem|p12|pfx|jks|keystore|kdbx|ppk)|(.*_)?id_(rsa|dsa|ecdsa|ed25519)|.+\.key"
    r"|\.netrc|_netrc|\.pgpass|\.pypirc|\.git-credentials|\.htpasswd|credentials\.json|service[-_]account.*\.json"
)
_EXAMPLE = re.compile(r"(\.env|.+\.env)\.(example|sample|template|dist)|(example|sample|template)\.env")


def workspace_path(real: str) -> str | None:
    """Return `real` (absolute, links followed) relative to the workspace; `.` for its root; None if it lies outside."""
    path = posixpath.normpath(real)
    if path in (WORKSPACE, "/" + WORKSPACE):
        return "."
    prefix = WORKSPACE + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def fold(path: str) -> str:
    """Return `path` as names are compared for protection: case, invisible characters and look-alikes do not count."""
    if path.isascii():
        return path.lower()
    bare = unicodedata.normalize("NFKC", drop_hidden(path)).casefold()
    plain = "".join(one for one in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(one))
    return plain.translate(_LOOK_ALIKES)


def name_fault(path: str) -> str | None:
    """Return why `path` cannot be a name at all, or None."""
    if not path:
        return "the path is empty; `.` is the root of the workspace"
    if len(path) > 4000:
        return "the path is longer than 4000 characters"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "the path holds half a surrogate pair; write it in plain UTF-8"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in path):
        return "the path holds a NUL or control character; write it without"
    if drop_hidden(path) != path:
        return f"the path holds an invisible or direction character: {show_hidden(path)!r}; write it without"
    return None


def is_git(path: str) -> bool:
    """True if a part of `path` is `.git`, in any spelling that a file system may take for it."""
    return any(part.rstrip(" .") == ".git" or part.startswith("git~") for part in fold(path).split("/"))


def is_factory(path: str) -> bool:
    """True if `path` (relative to the workspace) is the factory's own folder or lies in it."""
    return fold(posixpath.normpath(path)).split("/")[0].rstrip(" .") == FACTORY


def is_bare_git(path: str) -> bool:
    """True if a file at `path` would make or change something laid out as a bare repository."""
    parts = [part.rstrip(" .") for part in fold(path).split("/")]
    below = list(pairwise(parts))
    layout = {("refs", "heads"), ("refs", "tags"), ("objects", "pack"), ("objects", "info")}
    return (
        any(part.endswith(".git") for part in parts)
        or (posixpath.basename(path) == "HEAD" or parts[-1] in ("packed-refs", "fetch_head", "orig_head"))
        or any(pair in layout for pair in below)
    )


def is_secret(path: str) -> bool:
    """True if the name says that the file holds a secret: `.env` and variants but for examples, private keys."""
    name = fold(posixpath.basename(path))
    return bool(_SECRET.fullmatch(name)) and not _EXAMPLE.fullmatch(name)


def is_hidden(path: str) -> bool:
    """True if agents are not shown `path` (relative to the workspace) in listings and searches."""
    return is_git(path) or is_factory(path) or is_secret(path)


def open_outside(real: str) -> bool:
    """True if a command may name `real` although it lies outside: scratch space, programs, harmless devices."""
    path = posixpath.normpath(real)
    return path in _OPEN_DEVICES or any(path == top or path.startswith(top + "/") for top in _OPEN_OUTSIDE)

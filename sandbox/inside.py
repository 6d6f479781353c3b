"""The command lines andon itself runs inside a sandbox, the same on both tiers."""

import errno
import re
import resource
from collections.abc import Mapping, Sequence

from andon.sandbox.protocol import WORKSPACE

LIMITS = {"fsize": 1 << 30, "nofile": 4096, "core": 0}
"""Bytes a file may grow to, open files, bytes of a core dump."""

_IN_DIRECTORY = 'cd -P -- "$1" || exit 126; shift; unset OLDPWD; exec /usr/bin/prlimit "$@"'
_READ = """
[ -d "$1" ] && exit 21
[ -e "$1" ] || exit 2
[ -f "$1" ] || exit 22
[ -r "$1" ] || exit 13
exec head -c "$2" -- "$1" 2>/dev/null
"""
_WRITE = """
case "$1" in */) exit 21;; esac
[ -d "$1" ] && exit 21
[ -e "$1" ] && [ ! -f "$1" ] && exit 22
if [ "$2" ]; then
    [ -e "$1" ] && there=$(sha256sum < "$1") || there=absent
    [ "${there%% *}" = "$2" ] || exit 23
fi
mkdir -p -- "${1%/*}/" && cat > "$1" || exit 13
"""

ERRNO_BY_EXIT = {2: errno.ENOENT, 13: errno.EACCES, 21: errno.EISDIR, 22: errno.EINVAL, 23: errno.ESTALE}
"""What the exit codes of `read` and `write` mean."""


def in_directory(cwd: str, argv: Sequence[str], limits: Mapping[str, int] = LIMITS) -> list[str]:
    """Run `argv` in `cwd` under `limits`; 126 if `cwd` cannot be entered, 127 if there is no such program."""
    # The directory is entered inside: a wrong one must be the command's failure, not the sandbox's.
    return ["/bin/sh", "-c", _IN_DIRECTORY, "sh", absolute(cwd), *_prlimit(limits), "--", *argv]


def read(path: str, limit: int) -> list[str]:
    """Write the first `limit` bytes of a regular file to stdout."""
    return ["sh", "-c", _READ, "sh", absolute(path), str(limit)]


def write(path: str, expected: str) -> list[str]:
    """Put stdin into a file, making its folders. `expected` is the SHA-256 of what must be there, or empty."""
    return ["sh", "-c", _WRITE, "sh", absolute(path), expected]


def resolve(path: str) -> list[str]:
    """Write where `path` ends, after every link, and a NUL byte."""
    return ["realpath", "-mz", "--", absolute(path)]


def absolute(path: str) -> str:
    """Return `path` seen from the workspace."""
    return path if path.startswith("/") else f"{WORKSPACE}/{path}"


def problem_of(arguments: Sequence[str], env: Mapping[str, str]) -> str | None:
    """Say what no command line or environment can hold, or None."""
    for text in (*arguments, *env, *env.values()):
        if "\0" in text:
            return f"{text[:100]!r} holds a NUL byte"
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return f"{text[:100]!r} is not text that can be encoded"
    for name in env:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            return f"{name[:100]!r} is not a name for an environment variable"
    return None


def _prlimit(limits: Mapping[str, int]) -> list[str]:
    return [f"--{name}={_within_hard_limit(name, limit)}" for name, limit in limits.items()]


def _within_hard_limit(name: str, limit: int) -> int:
    # Raising a hard limit needs a capability nothing inside has.
    hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)

"""What is sent into a sandbox to put entries of its workspace back: to a worker, or to programs of the system."""

import errno
import io
import os
import tarfile
from collections.abc import Sequence

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import worker_files, worker_restore
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, WORKSPACE, Entry

_KINDS = {REGULAR: worker_files.FILE, EXECUTABLE: worker_files.PROGRAM, LINK: worker_files.LINK}

_CLEAR = """
for word do
    path=${word#?}; rest=$path; above=.
    while :; do
        if [ -d "$above" ] && [ ! -L "$above" ]; then
            [ -r "$above" ] && [ -w "$above" ] && [ -x "$above" ] || chmod u+rwx "$above" || exit 1
        elif [ "${word%"$path"}" = - ]; then
            continue 2
        else
            rm -f "$above" || exit 1
            break
        fi
        case $rest in */*) above=$above/${rest%%/*}; rest=${rest#*/};; *) break;; esac
    done
    place=./$path
    if [ ! -d "$place" ] || [ -L "$place" ]; then
        rm -f "$place" || exit 1
    elif [ "${word%"$path"}" = + ]; then
        find "$place" -type d ! -perm -700 -exec chmod u+rwx {} \\;
        rm -rf "$place" || exit 1
    else
        rmdir "$place" 2>/dev/null || continue
    fi
    case $word in -*/*) rmdir -p -- "${path%/*}" 2>/dev/null;; esac
done
exit 0
"""
_SCRIPT = f"""
cd {WORKSPACE} || exit 1
head -c "$1" | xargs -0 -r sh -c "$2" sh || exit 1
exec tar --extract --file=- --touch --same-permissions --no-same-owner
"""


def records(entries: Sequence[Entry | bytes]) -> bytes:
    """Return `entries` as `worker_restore` takes them.

    Raises:
        ValueError: one of them cannot be put back.
    """
    packed = []
    for entry in entries:
        kind, path, content = _part(entry)
        packed += [worker_files.RECORD.pack(kind, len(path), len(content)), path, content]
    return b"".join(packed)


def command(size: int) -> list[str]:
    """Return the command that puts back what `fed` returned; `size` is the number that came with it."""
    return ["sh", "-c", _SCRIPT, "sh", str(size), _CLEAR]


def fed(entries: Sequence[Entry | bytes]) -> tuple[int, bytes]:
    """Return the input of `command`: paths to be cleared, of so many bytes, then an archive of what is put there.

    Raises:
        ValueError: one of them cannot be put back.
    """
    parts = [_part(entry) for entry in entries]
    # First what frees room, as a worker does.
    parts.sort(key=lambda part: part[0] != worker_restore.GONE)
    cleared = b"".join((b"-" if kind == worker_restore.GONE else b"+") + path + b"\0" for kind, path, _ in parts)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar:
        for kind, path, content in parts:
            if kind != worker_restore.GONE:
                tar.addfile(*_member(kind, path, content))
    return len(cleared), cleared + archive.getvalue()


def failed(error: OSError) -> RunError:
    """Return how a run ends whose workspace could not be put back."""
    said = f"{error.strerror} ({error.filename})" if error.filename else f"{error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(StopCode.SANDBOX_FULL, f"no room to put the workspace back as it was: {said}")
    return RunError(StopCode.SANDBOX_LOST, f"the workspace could not be put back as it was: {said}")


def _part(entry: Entry | bytes) -> tuple[bytes, bytes, bytes]:
    path = entry if isinstance(entry, bytes) else entry.path
    names = path.split(b"/")
    if b"\0" in path or any(name in (b"", b".", b"..") for name in names) or names[0] == b".git":
        raise ValueError(f"{path!r} is the path of no entry")
    if isinstance(entry, bytes):
        return worker_restore.GONE, path, b""
    if entry.mode not in _KINDS or entry.content is None:
        raise ValueError(f"{path!r} cannot be put back: its content is not here")
    return _KINDS[entry.mode], path, entry.content


def _member(kind: bytes, path: bytes, content: bytes) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = tarfile.TarInfo(os.fsdecode(path))
    member.mode = 0o755 if kind == worker_files.PROGRAM else 0o644
    if kind == worker_files.LINK:
        member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(content)
        return member, io.BytesIO()
    member.size = len(content)
    return member, io.BytesIO(content)

"""A diff as the reviewer is shown it: whole files, within a budget, lock files as one line."""

import re
from typing import NamedTuple

from andon.context.detect import LOCK_FILES
from andon.context.plain import size

DIFF_BYTES = 24_000
"""What the shown files may take together."""

_HEAD = re.compile(r"^diff --git ", re.MULTILINE)
_GENERATED = re.compile(r"\.min\.(js|css)$|\.(js|css)\.map$")


class FileDiff(NamedTuple):
    """The part of a diff that is about one file."""

    path: str
    """As git prints it: quoted where it holds odd bytes."""
    text: str
    """From its `diff --git` line to the next one."""

    @property
    def counts(self) -> str:
        """`+3 -1`, or `binary`."""
        if re.search(r"^(Binary files |GIT binary patch)", self.text, re.MULTILINE):
            return "binary"
        body = self.text.partition("\n@@")[2].splitlines()
        return f"+{sum(line.startswith('+') for line in body)} -{sum(line.startswith('-') for line in body)}"


def split_diff(diff: str) -> list[FileDiff]:
    """Return the parts of a `git diff` in its own order."""
    starts = [match.start() for match in _HEAD.finditer(diff)]
    parts = [diff[start:end] for start, end in zip(starts, [*starts[1:], len(diff)], strict=True)]
    return [FileDiff(_path(part), part.rstrip("\n")) for part in parts]


def diff_part(diff: str, limit: int = DIFF_BYTES) -> str:
    """Return the diff with at most `limit` bytes of whole files; what is not shown is listed with the call for it."""
    shown: list[str] = []
    hidden: list[str] = []
    left = limit
    files = split_diff(diff)
    for file in files:
        name = file.path.strip('"').rsplit("/", 1)[-1]
        if name in LOCK_FILES or _GENERATED.search(name):
            hidden.append(f"- {file.path} {file.counts} (lock file or generated)")
        elif size(file.text) + 1 > left:
            hidden.append(f"- {file.path} {file.counts} (over the budget)")
        else:
            left -= size(file.text) + 1
            shown.append(file.text)
    lines = [f"# Diff from the base: {len(files)} {'file' if len(files) == 1 else 'files'}", *_fenced(shown)]
    if hidden:
        lines += [f"[{len(hidden)} not shown; git diff HEAD -- PATH or read_file shows each]", *hidden]
    return "\n".join(lines)


def _fenced(texts: list[str]) -> list[str]:
    text = "\n".join(texts)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", text, fence] if texts else []


def _path(part: str) -> str:
    """Return the path after the change, or the one before it for a removed file."""
    header = part.partition("\n@@")[0]
    for mark in ("+++ b/", '+++ "b/', "--- a/", '--- "a/', "rename to "):
        match = re.search(rf"^{re.escape(mark)}(.*?)\t?$", header, re.MULTILINE)
        if match:
            return f'"{match[1]}' if '"' in mark else match[1]
    first = header.partition("\n")[0].removeprefix("diff --git ")
    return first[len(first) // 2 :].strip().removeprefix("b/")

"""A diff as models are shown it: whole files within a budget, lines numbered, lock files as one line."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from andon.context.detect import LOCK_FILES
from andon.context.plain import size

DIFF_BYTES = 24_000
"""What the shown files may take together."""

_HEAD = re.compile(r"^diff --git ", re.MULTILINE)
_RANGES = re.compile(r"@@ -[0-9,]+ \+([0-9]+)(?:,[0-9]+)? @@")
_PLACES = re.compile(r"^@@ -[0-9,]+ \+([0-9]+)(?:,([0-9]+))? @@", re.MULTILINE)
_ADDED = re.compile(r" *([0-9]+) \+")
_REMOVED_BYTES = 1_000
"""Removed lines of a file that are shown beside the numbers of those that changed."""
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
    parts = [diff[start:end] for start, end in pairwise([*starts, len(diff)])]
    return [FileDiff(_path(part), part.rstrip("\n")) for part in parts]


def diff_part(
    diff: str,
    limit: int = DIFF_BYTES,
    *,
    since: str = "from the base",
    rest: str = "git diff HEAD -- PATH or read_file",
) -> str:
    """Return the diff with at most `limit` bytes of whole files; what is not shown is listed with the call for it.

    `since` says in the heading what it is a diff from, `rest` names the call.
    """
    files = split_diff(diff)
    shown, hidden = _chosen(files, limit)
    lines = [f"# Diff {since}: {len(files)} {'file' if len(files) == 1 else 'files'}"]
    lines += fenced("\n".join(shown.values()), "diff") if shown else []
    if hidden:
        lines += [f"[{len(hidden)} not shown; {rest} shows each]", *hidden]
    return "\n".join(lines)


def since_part(since: str, diff: str, name: str, limit: int) -> str:
    """Return what changed since an earlier tree, where `diff` stands beside it whole.

    `since` is the diff from that tree, `name` says what it is. A file that `diff` shows is named with the numbers of
    its changed lines and the text of removed ones, which `diff` may not hold; the others are shown here, in at most
    `limit` bytes.
    """
    if not since:
        return f"# Diff {name}\nNothing changed."
    whole = _chosen(split_diff(diff), DIFF_BYTES)[0]
    files = split_diff(since)
    twice = [file for file in files if file.path in whole and _spans(file)]
    rest = "".join(f"{file.text}\n" for file in files if file not in twice)
    lines = [line for file in twice for line in _named(file)]
    named = ["\n".join([f"# Changed {name}: these lines of the diff below", *lines])] if lines else []
    return "\n\n".join([*named, *([diff_part(rest, limit, since=name, rest="read_file")] if rest else [])])


def places_of(diff: str) -> dict[str, list[tuple[int, int]]]:
    """Return first and last line of each hunk in the new file, by the path after the change.

    A hunk that only removes stands for the line before it. What is gone, binary or only renamed has no lines.
    """
    hunks = {file.path: [_hunk(found) for found in _PLACES.finditer(file.text)] for file in split_diff(diff)}
    return {path: [place for place in places if place[0]] for path, places in hunks.items()}


def _hunk(found: re.Match[str]) -> tuple[int, int]:
    first, lines = int(found[1]), int(found[2] or "1")
    return first, first + max(lines, 1) - 1


def _chosen(files: Sequence[FileDiff], limit: int) -> tuple[dict[str, str], list[str]]:
    """Return the texts of the files that are shown, by path, and a line for each that is not."""
    shown: dict[str, str] = {}
    hidden: list[str] = []
    for file in files:
        name = file.path.strip('"').rsplit("/", 1)[-1]
        text = with_numbers(file.text)
        if name in LOCK_FILES or _GENERATED.search(name):
            hidden.append(f"- {file.path} {file.counts} (lock file or generated)")
        elif size(text) + 1 > limit:
            hidden.append(f"- {file.path} {file.counts} (over the budget)")
        else:
            limit -= size(text) + 1
            shown[file.path] = text
    return shown, hidden


def _named(file: FileDiff) -> list[str]:
    """Return a file with the lines that were added, and those that were removed where they are few."""
    removed = _removed(file)
    text = "\n".join(line for _, line in removed)
    line = f"- {file.path} {file.counts}: {_spans(file)}"
    if size(text) > _REMOVED_BYTES:
        return [f"{line}; removed before {_joined([number for number, _ in removed])}"]
    return [f"{line}; removed:", *fenced(text, "diff")] if removed else [line]


def _removed(file: FileDiff) -> list[tuple[int, str]]:
    """Return each removed line, with the number of the line it stood before, as it is after the change."""
    found: list[tuple[int, str]] = []
    for hunk in re.split(r"^(?=@@ )", file.text, flags=re.MULTILINE)[1:]:
        head, *body = hunk.rstrip("\n").split("\n")
        ranges = _RANGES.match(head)
        number = int(ranges[1]) if ranges else 0
        for line in body:
            found += [(number, line)] if line.startswith("-") else []
            number += line[:1] in ("+", " ")
    return found


def _spans(file: FileDiff) -> str:
    """Return the lines that were added, as they are numbered after the change: `lines 3-5, 9`; empty where none was."""
    return _joined([int(found[1]) for line in with_numbers(file.text).split("\n") if (found := _ADDED.match(line))])


def _joined(numbers: Sequence[int]) -> str:
    spans: list[tuple[int, int]] = []
    for number in numbers:
        joined = bool(spans) and number - spans[-1][1] in (0, 1)
        spans[-1:] = [(spans[-1][0], number)] if joined else [*spans[-1:], (number, number)]
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return shown and f"{'line' if shown.isdigit() else 'lines'} {shown}"


def with_numbers(text: str) -> str:
    """Return the diff of one file with the new file's line number before every line that stands in it.

    In exchange, object ids, what stands behind `@@`, and the first line where two others name the file are left out.
    """
    header, *hunks = re.split(r"^(?=@@ )", text, flags=re.MULTILINE)
    lines = header.rstrip("\n").split("\n")
    dropped = ("index ", "diff --git ") if hunks else ("index ",)
    kept = [line for line in lines if not line.startswith(dropped)]
    return "\n".join([*kept, *(line for hunk in hunks for line in _numbered(hunk.rstrip("\n")))])


def _numbered(hunk: str) -> list[str]:
    head, *body = hunk.split("\n")
    ranges = _RANGES.match(head)
    if ranges is None:
        return [head, *body]
    number, width = int(ranges[1]), len(str(int(ranges[1]) + len(body)))
    lines = ["@@"]
    for line in body:
        there = line[:1] in ("+", " ")
        lines.append(f"{number if there else '':>{width}} {line}")
        number += there
    return lines


def fenced(text: str, kind: str = "") -> list[str]:
    """Return `text` between two fences longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{kind}", text, fence]


def _path(part: str) -> str:
    """Return the path after the change, or the one before it for a removed file."""
    header = part.partition("\n@@")[0]
    for mark in ("+++ b/", '+++ "b/', "--- a/", '--- "a/', "rename to "):
        match = re.search(rf"^{re.escape(mark)}(.*?)\t?$", header, re.MULTILINE)
        if match:
            return f'"{match[1]}' if '"' in mark else match[1]
    first = header.partition("\n")[0].removeprefix("diff --git ")
    return first[len(first) // 2 :].strip().removeprefix("b/")

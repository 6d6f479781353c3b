"""What a person must know about a set-up from lists of requirements: what it leaves out, and what it leaves open."""

import posixpath
import re
from collections.abc import Iterable, Iterator

from andon.context.folder import Folder
from andon.context.settings import SETTINGS_PATH

_LIST = re.compile(r"requirements/[\w.-]+\.txt|([\w.-]+[-_.])?requirements([-_.][\w.-]+)?\.txt")
"""Lists by the names projects give them. Those of constraints install nothing."""
_CONSTRAINTS = re.compile(r"requirements/[\w.-]*constraints[\w.-]*\.txt")
_OTHER = re.compile(r"(?:-(r|c)|--(requirement|constraint))[ =]*(\S+)")
_NAMED = re.compile(r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[^]]*\])?\s*([^;]*)")
_PIN = re.compile(r"===?\s*[^*,\s]+")
_MOST = 3


def requirement_notes(root: Folder, installed: Iterable[str]) -> list[str]:
    """Return what is to be said where the lists `installed`, paths of `root`, are what a set-up installs.

    Lists that are neither among them nor named by them are not installed. A requirement is open where neither its line
    nor a list of constraints says one version; what it requires in turn is not looked at.
    """
    reached, constraints = _followed(root, installed)
    notes = []
    others = [path for path in root.paths if _LIST.fullmatch(path) and not _CONSTRAINTS.fullmatch(path)]
    if left := [path for path in others if path not in reached | constraints and has_lines(root.text(path))]:
        example = ", ".join(f'"{word}"' for word in ("pip", "install", "-r", left[0]))
        notes.append(
            f"Not installed in the sandbox: {_some(left)}. If tests need that, name everything to be installed in "
            f"`setup` under [sandbox] in {SETTINGS_PATH}, as in `setup = [[{example}]]`."
        )
    pinned = {name for path in constraints for name, version in _named(root, path) if _PIN.fullmatch(version)}
    found = {(path, name, version) for path in reached for name, version in _named(root, path) if name not in pinned}
    if unpinned := sorted({(path, name) for path, name, version in found if not _PIN.fullmatch(version)}):
        paths, names = (list(dict.fromkeys(column)) for column in zip(*unpinned, strict=True))
        notes.append(
            f"Installed without a fixed version, by {_some(paths)}: {_some(names)}. What a set-up brings can differ "
            "from day to day: pin each with `==`, or commit a lock file."
        )
    return notes


def has_lines(text: str) -> bool:
    """Say whether a list of requirements holds more than comments."""
    return any(line.strip() and not line.strip().startswith("#") for line in text.splitlines())


def _followed(root: Folder, installed: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the lists that are installed by way of `installed`, these among them, and those of constraints."""
    reached: set[str] = set()
    constraints: set[str] = set()
    open_ends = [(path, reached) for path in installed]
    while open_ends:
        path, kind = open_ends.pop()
        if path in kind or path not in root.names:
            continue
        kind.add(path)
        for line in _lines(root.text(path)):
            if other := _OTHER.match(line):
                beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), other[3]))
                constrains = kind is constraints or "c" in (other[1] or other[2])
                open_ends.append((beside, constraints if constrains else reached))
    return reached, constraints


def _named(root: Folder, path: str) -> Iterator[tuple[str, str]]:
    """Return name and version of every requirement that is asked for by name. An address names its file itself."""
    for line in _lines(root.text(path)):
        found = _NAMED.match(line)
        rest = line[found.end(1) :] if found else ""
        if found and not rest.startswith((":", "/", "\\")) and not found[2].startswith("@"):
            yield re.sub(r"[-_.]+", "-", found[1]).lower(), re.sub(r"\s--.*", "", found[2]).strip().strip("()")


def _lines(text: str) -> Iterator[str]:
    # As pip reads them: a backslash at the end joins lines, and a number sign after white space begins a comment.
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if said := re.sub(r"(^|\s)#.*", "", line).strip():
            yield said


def _some(words: list[str]) -> str:
    more = f" and {len(words) - _MOST} more" if len(words) > _MOST else ""
    return ", ".join(words[:_MOST]) + more

"""Take the changed tree out of a workspace: what is safe becomes a tree in the store, the rest is said."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.sandbox.droppings import is_dropping
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.names import link_problem, path_problem, shown
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, SUBMODULE, Entry
from andon.sandbox.store import Change, TreeFile, TreeStore
from andon.sandbox.walk import FILE_CAP


@dataclass(frozen=True)
class TakenTree:
    """What left a workspace."""

    tree: str
    """Id of the tree in the store."""
    changed: list[str]
    """Paths that differ from the base, sorted."""
    ignored: list[str]
    """New files the base's ignore rules name; not taken."""
    refused: list[str]
    """What was left as it is at the base or not taken, one sentence each."""


def take_tree(entries: Sequence[Entry], store: TreeStore, base_tree: str) -> TakenTree:
    """Build the tree `entries` make of `base_tree`.

    Raises:
        RunError: with `policy-refused` if git would not hold exactly what was meant.
    """
    base = {file.path: file for file in store.files(base_tree)}
    differing = [entry for entry in entries if not _same(entry, base.get(entry.path))]
    new = [entry.path for entry in differing if entry.path not in base and not path_problem(entry.path)]
    ignored = ignored_by_base(store, base.values(), new) | {path for path in new if is_dropping(path)}
    judge = _Judge(base, entries)
    changes: list[Change] = []
    for entry in differing:
        if entry.path not in ignored and judge.takes(entry):
            changes.append(Change(entry.path, entry.mode, entry.content, entry.blob))
    here = {entry.path for entry in entries}
    changes += [Change(path, None) for path in base if path not in here and judge.may_delete(path)]
    tree = store.build(base_tree, changes)
    return TakenTree(tree, store.changed(base_tree, tree), sorted(map(shown, ignored)), judge.refused)


class _Judge:
    """Decides entry by entry, and keeps what it refused."""

    def __init__(self, base: dict[bytes, TreeFile], entries: Sequence[Entry]) -> None:
        self.refused: list[str] = []
        self._base = base
        self._submodules = {path for path, file in base.items() if file.mode == SUBMODULE}
        self._repositories = laid_out_as_repositories([*base, *(entry.path for entry in entries)])
        self._above_submodules = {parent for path in self._submodules for parent in _parents(path)}
        self._kept: set[bytes] = set()
        self._said: set[bytes] = set()

    def takes(self, entry: Entry) -> bool:
        """Say whether a differing entry goes into the tree."""
        if problem := _problem(entry):
            return self._refuse(entry.path, problem)
        if entry.path in self._above_submodules:
            return self._refuse(entry.path, "stands where the base has a folder with a submodule")
        for folder in (entry.path, *_parents(entry.path)):
            if folder in self._submodules:
                return self._refuse(folder, "is a submodule, which stays as it is at the base")
        for folder in _parents(entry.path):
            if folder in self._repositories:
                return self._refuse(folder, "is laid out as a bare git repository, whose settings could run programs")
        return True

    def may_delete(self, path: bytes) -> bool:
        """Say whether a base path that is gone from the workspace is gone from the tree."""
        return path not in self._submodules and not any(above in self._kept for above in (path, *_parents(path)))

    def _refuse(self, path: bytes, problem: str) -> bool:
        self._kept.add(path)
        if path not in self._said:
            self._said.add(path)
            what = "it was left as it is at the base" if path in self._base else "it was not taken"
            self.refused.append(f"{shown(path)!r} {problem}: {what}")
        return False


def _same(entry: Entry, file: TreeFile | None) -> bool:
    return file is not None and file.mode == entry.mode and file.blob == entry.id()


def _problem(entry: Entry) -> str | None:
    if problem := path_problem(entry.path):
        return problem
    if entry.mode == LINK:
        # One that was laid out has been judged, or stands at the base.
        return None if entry.content is None else link_problem(entry.path, entry.content)
    if entry.oversized:
        return f"is larger than {FILE_CAP // 1_000_000} MB, more than a change may carry"
    if entry.mode not in (REGULAR, EXECUTABLE):
        return "is no file, folder or link"
    return None


def _parents(path: bytes) -> Iterable[bytes]:
    while b"/" in path:
        path = path.rsplit(b"/", 1)[0]
        yield path


def laid_out_as_repositories(paths: Iterable[bytes]) -> set[bytes]:
    """Return folders git would take for a repository when it is run in them (git's is_git_directory)."""
    names: dict[bytes, set[bytes]] = {}
    for path in paths:
        below = path
        for folder in _parents(path):
            names.setdefault(folder, set()).add(below[len(folder) + 1 :].lower())
            below = folder
    return {
        folder for folder, held in names.items()
        if b"head" in held and (b"commondir" in held or {b"objects", b"refs"} <= held)
    }  # fmt: skip


def ignored_by_base(store: TreeStore, base: Iterable[TreeFile], paths: Sequence[bytes]) -> set[bytes]:
    """Return which of `paths` the .gitignore files of the base name; those of the workspace have no say."""
    rules = [
        file for file in base if file.path.rsplit(b"/", 1)[-1] == b".gitignore" and file.mode in (REGULAR, EXECUTABLE)
    ]
    if not paths or not rules:
        return set()
    contents = store.read_blobs(file.blob for file in rules)
    with tempfile.TemporaryDirectory(prefix="andon-ignore-") as folder:
        run_git(["init", "--quiet", "--template=", folder])
        for rule in rules:
            if path_problem(rule.path) is None:
                place = Path(folder, rule.path.decode("utf-8", "surrogateescape"))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(contents[rule.blob])
        # "./" keeps a name that begins with a colon from being read as pathspec magic.
        asked = b"".join(b"./%s\0" % path for path in paths)
        try:
            answer = run_git(["check-ignore", "--no-index", "-z", "--stdin"], cwd=Path(folder), stdin=asked)
        except GitError as error:
            if error.returncode != 1:
                raise
            return set()
    return {path.removeprefix(b"./") for path in answer.split(b"\0") if path}

"""What a workspace holds beside the base commit, so that it can be made again where the one that held it is gone."""

import base64
from collections.abc import Mapping
from os import fsdecode, fsencode
from typing import Any

from andon.sandbox.names import path_problem
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, Entry
from andon.sandbox.store import Change

_KEPT = (REGULAR, EXECUTABLE, LINK)


class Overlay:
    """The changes that make the base the workspace, and which of them came since they were taken last.

    What no tree can hold (sockets, files over the cap, odd names) is left out: it is gone with its sandbox.
    """

    def __init__(self) -> None:
        """Begin at the base."""
        self.changes: dict[bytes, Change] = {}
        """By path."""
        self._fresh: dict[bytes, Change | None] = {}

    def now(self, path: bytes, entry: Entry | None) -> None:
        """Note that `entry` lies at `path`, which is not what the base has there; None: nothing."""
        change = _change(path, entry)
        if change is None:
            self.back(path, changed=path in self.changes)
        elif self.changes.get(path) != change:
            self.changes[path] = self._fresh[path] = change

    def back(self, path: bytes, *, changed: bool) -> None:
        """Note that `path` is as at the base again, or free for anything."""
        if self.changes.pop(path, None) is not None or changed:
            self._fresh[path] = None

    def take(self) -> dict[str, Any]:
        """Return what came since the last time, as JSON."""
        fresh, self._fresh = self._fresh, {}
        return {"workspace": [_written(path, change) for path, change in fresh.items()]}

    def give(self, taken: Mapping[str, Any]) -> list[tuple[bytes, Change | None]]:
        """Make the changes that `take` returned, and return them; None stands for what is as at the base again."""
        given = [_read(one) for one in taken["workspace"]]
        for path, change in given:
            if change is None:
                self.changes.pop(path, None)
            else:
                self.changes[path] = change
        return given


def _change(path: bytes, entry: Entry | None) -> Change | None:
    if entry is None:
        return Change(path, None)
    if entry.mode not in _KEPT or entry.oversized or path_problem(path) is not None:
        return None
    if entry.content is None and not entry.blob:
        return None
    return Change(path, entry.mode, entry.content, entry.blob)


def _written(path: bytes, change: Change | None) -> list[Any]:
    name = fsdecode(path)
    if change is None:
        return [name]
    content = None if change.content is None else base64.b64encode(change.content).decode()
    return [name, change.mode, content, change.blob]


def _read(written: list[Any]) -> tuple[bytes, Change | None]:
    path = fsencode(written[0])
    if len(written) == 1:
        return path, None
    _, mode, content, blob = written
    return path, Change(path, mode, None if content is None else base64.b64decode(content), blob)

"""The tree of the base commit in a few lines."""

from collections import Counter
from collections.abc import Sequence

from andon.context.plain import shown_path, size

TREE_BYTES = 500
"""What the lines may take together, newlines included."""


def tree_lines(paths: Sequence[str]) -> list[str]:
    """Return the files of a small tree, else one line a folder with the number of files in it, in at most TREE_BYTES.

    Folders are folded into their parents until everything fits; `factory/` is closed to agents and left out.
    """
    names = [shown_path(path) for path in paths if not path.startswith("factory/")]
    if sum(size(name) + 1 for name in names) <= TREE_BYTES:
        return names
    folders = [path.split("/")[:-1] for path in paths if not path.startswith("factory/")]
    deepest = max((len(folder) for folder in folders), default=0)
    for depth in range(deepest, 0, -1):
        lines = _lines(Counter("/".join(folder[:depth]) for folder in folders), folded=depth < deepest)
        if sum(size(line) + 1 for line in lines) <= TREE_BYTES:
            return lines
    return _first(_lines(Counter("/".join(folder[:1]) for folder in folders), folded=deepest > 1))


def _lines(counts: Counter[str], *, folded: bool) -> list[str]:
    below = " (with folders below)" if folded else ""
    return [
        f"{shown_path(folder) or '.'}/ {count} {'file' if count == 1 else 'files'}{below if folder else ''}"
        for folder, count in sorted(counts.items())
    ]


def _first(lines: list[str]) -> list[str]:
    kept: list[str] = []
    left = TREE_BYTES - 60  # room for the line that says what was cut
    for line in lines:
        left -= size(line) + 1
        if left < 0:
            return [*kept, f"[{len(lines) - len(kept)} more folders; list_files shows them]"]
        kept.append(line)
    return kept

"""Which changed paths a plan does not cover."""

import posixpath
from collections.abc import Collection, Iterable

from andon.line.checks import is_test_file
from andon.records.plan import Plan


def outside_plan(plan: Plan, base_paths: Collection[str], changed: Iterable[str]) -> list[str]:
    """Return the changed paths that lie outside the plan, in order.

    Inside is what the plan lists under files or tests, what lies in a folder it lists, a new test, and any other new
    file in the same folder as a listed one.
    """
    files = _entries(plan.files)
    listed = files | _entries(test.partition("::")[0] for test in plan.tests)
    beside = {posixpath.dirname(entry) for entry in files if not _is_folder(entry, base_paths)}

    def is_inside(path: str) -> bool:
        if any(entry in (".", path) or path.startswith(f"{entry}/") for entry in listed):
            return True
        return path not in base_paths and (is_test_file(path) or posixpath.dirname(path) in beside)

    return [path for path in changed if not is_inside(path)]


def _entries(texts: Iterable[str]) -> set[str]:
    bare = (text.strip().strip("`") for text in texts)
    return {posixpath.normpath(text) for text in bare if text}


def _is_folder(entry: str, base_paths: Collection[str]) -> bool:
    return entry == "." or any(path.startswith(f"{entry}/") for path in base_paths)

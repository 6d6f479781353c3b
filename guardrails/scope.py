"""Which paths a plan covers, and what was granted to it since."""

import posixpath
import re
from collections.abc import Collection, Iterable

from andon.guardrails.test_files import is_test_file
from andon.records.plan import PlanPayload

_DOCUMENT = re.compile(r"(^|/)docs?/(.+/)?[^/]+\.(md|rst|txt|adoc)\Z", re.IGNORECASE)
_CHANGELOG = re.compile(r"changelog(\.(md|rst|txt|adoc))?\Z", re.IGNORECASE)
_FRAGMENT = re.compile(r"changelog\.d\Z", re.IGNORECASE)


class Scope:
    """What a run may change by its plan.

    Inside is what the plan lists under files or tests, what lies in a folder it lists, a new test, a new document in a
    `docs` folder, any other new file in the same folder as a listed one, and the changelog at the top or in a folder
    above a listed file.
    """

    def __init__(self, files: Iterable[str], tests: Iterable[str], base_paths: Collection[str]) -> None:
        """`files` and `tests` as a plan lists them; `base_paths` is every file of the base tree."""
        self._base = base_paths
        self._listed: set[str] = set()
        self._beside: set[str] = set()
        self.grant(files)
        self._listed |= _entries(test.partition("::")[0] for test in tests) - {"."}

    @classmethod
    def of(cls, plan: PlanPayload, base_paths: Collection[str]) -> "Scope":
        """Return what `plan` covers."""
        return cls(plan.files, plan.tests, base_paths)

    def grant(self, paths: Iterable[str]) -> None:
        """Cover `paths` too, as if the plan had listed them under files."""
        files = _entries(paths)
        self._listed |= files
        self._beside |= {posixpath.dirname(entry) for entry in files if not _is_folder(entry, self._base)}

    def covers(self, path: str) -> bool:
        """Say whether a change at `path` (relative to the repository) lies inside."""
        if any(entry in (".", path) or path.startswith(f"{entry}/") for entry in self._listed):
            return True
        folder, name = posixpath.split(path)
        if _CHANGELOG.match(name) and any(above == folder for entry in self._listed for above in _above(entry)):
            return True
        return path not in self._base and bool(
            is_test_file(path) or folder in self._beside or _DOCUMENT.search(path) or _FRAGMENT.match(folder)
        )


def _entries(texts: Iterable[str]) -> set[str]:
    bare = (text.strip().strip("`") for text in texts)
    return {posixpath.normpath(text) for text in bare if text}


def _is_folder(entry: str, base_paths: Collection[str]) -> bool:
    return entry == "." or any(path.startswith(f"{entry}/") for path in base_paths)


def _above(entry: str) -> Iterable[str]:
    while entry:
        entry = posixpath.dirname(entry)
        yield entry
        if entry == "/":
            return

"""The small files a plan lists, as they are at the base: the executor need not read them first."""

import posixpath
from collections.abc import Iterator

from andon.context.base import BaseFiles
from andon.guardrails.output import clean_text
from andon.guardrails.paths import is_hidden
from andon.records.plan import Plan

FILE_BYTES = 6_000
"""The largest file that is shown."""
ALL_BYTES = 12_000
"""What they may take together."""


def small_files(plan: Plan, base: BaseFiles) -> dict[str, str]:
    """Return text files of the plan by path, in its order; what agents may not read is left out like what is large."""
    paths = [path for path in dict.fromkeys(_listed(plan)) if not is_hidden(path)]
    contents = base.read_many(paths, limit=FILE_BYTES)
    shown: dict[str, str] = {}
    left = ALL_BYTES
    for path in paths:
        text = _text(contents.get(path, b""))
        if text and len(text.encode()) <= min(left, FILE_BYTES):
            shown[path] = text
            left -= len(text.encode())
    return shown


def _listed(plan: Plan) -> Iterator[str]:
    for entry in (*plan.files, *(test.partition("::")[0] for test in plan.tests)):
        if bare := entry.strip().strip("`"):
            yield posixpath.normpath(bare)


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else clean_text(text)

"""Finds what a change took from the tests: checks that are gone, skipped, out of the runner's sight or looser."""

from collections.abc import Callable, Mapping

from andon.guardrails.weakened_model import Kind, Weakening
from andon.guardrails.weakened_python import weakened_python
from andon.guardrails.weakened_text import weakened_text

__all__ = ["Kind", "Weakening", "weakened"]

_Compare = Callable[[Mapping[str, str], Mapping[str, str]], list[Weakening]]
_LARGE = 1_000_000
"""From so many bytes on, a Python file is read by its text, as other languages are."""


def weakened(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[Weakening]:
    """Return every existing check that `after` no longer holds as strictly, by path and test.

    The mappings hold the content of the test files that differ, by path: one that only `before` holds was deleted, one
    that only `after` holds is new. Both are needed whole, so that a test that moved to another file is not taken for
    one that is gone. Changed expected values, added checks, new tests, and changes of layout or names are no weakening.
    """
    old, new = _texts(before), _texts(after)
    large = {path for side in (before, after) for path, content in side.items() if len(content) > _LARGE}
    python = {path for path in old.keys() | new.keys() if path.endswith(".py") and path not in large}
    found, unread = _python(_only(old, python), _only(new, python))
    others = (old.keys() | new.keys()) - (python - set(unread))
    return sorted([*found, *_text(_only(old, others), _only(new, others))], key=_order)


def _order(one: Weakening) -> tuple[str, str, str]:
    return one.path, one.test, one.kind


def _texts(side: Mapping[str, bytes]) -> dict[str, str]:
    return {path: content.decode("utf-8-sig", "replace").replace("\r\n", "\n") for path, content in side.items()}


def _only(side: Mapping[str, str], paths: set[str]) -> dict[str, str]:
    return {path: text for path, text in side.items() if path in paths}


def _python(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[list[Weakening], list[str]]:
    try:
        return weakened_python(old, new)
    except Exception:  # noqa: BLE001 - the text is hostile: what cannot be compared needs a person
        return _one_by_one(old, new, lambda before, after: weakened_python(before, after)[0]), []


def _text(old: Mapping[str, str], new: Mapping[str, str]) -> list[Weakening]:
    try:
        return weakened_text(old, new)
    except Exception:  # noqa: BLE001 - the text is hostile: what cannot be compared needs a person
        return _one_by_one(old, new, weakened_text)


def _one_by_one(old: Mapping[str, str], new: Mapping[str, str], compare: _Compare) -> list[Weakening]:
    """Compare each file by itself, and report those that cannot be compared."""
    found: list[Weakening] = []
    for path in sorted(old):
        try:
            found += compare(_only(old, {path}), _only(new, {path}))
        except Exception:  # noqa: BLE001 - as above
            detail = "The file cannot be compared with its earlier version (too deeply nested); make it plainer."
            found.append(Weakening("unreadable", path, "", detail))
    return found

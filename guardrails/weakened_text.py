"""Finds weakened tests among changed files of any language, by their text."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from andon.guardrails.weakened_model import Kind, Weakening
from andon.guardrails.weakened_text_checks import TextCheck, lost_text_checks, text_checks
from andon.guardrails.weakened_text_plain import Plain, family_of, plain
from andon.guardrails.weakened_text_units import ONLY, TextUnit, text_units

_BUILD_TAGS = re.compile(r"^//\s*(?:go:build|\+build)\s+\S.*$", re.MULTILINE)
_SWALLOWED = re.compile(
    r"\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}|\brescue\b[^\n]*(?:\n\s*(?:nil\s*)?end\b|=>\s*nil)|\bexcept\b[^\n:]*:\s*pass\b"
)


@dataclass
class _File:
    path: str
    raw: str
    plain: Plain
    units: list[TextUnit]

    def checks(self, unit: TextUnit) -> list[TextCheck]:
        return text_checks(self.plain, unit.own)

    def spelled(self, unit: TextUnit) -> str:
        return self.plain.spelled(unit.own)

    def body(self, unit: TextUnit) -> str:
        return self.spelled(unit).replace(unit.name, "", 1) if unit.name else ""


def weakened_text(before: Mapping[str, str], after: Mapping[str, str]) -> list[Weakening]:
    """Return what was weakened in the given files of any language; files that hold no program are left alone."""
    old, new = _read(before), _read(after)
    return list(_Comparison(old, new).all())


def _read(texts: Mapping[str, str]) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for path, text in sorted(texts.items()):
        family = family_of(path)
        if family:
            kept = plain(text, family)
            found[path] = _File(path, text, kept, text_units(kept))
    return found


class _Comparison:
    def __init__(self, old: dict[str, _File], new: dict[str, _File]) -> None:
        self.old, self.new = old, new
        self.pairs: dict[int, TextUnit] = {}
        self.fresh: list[tuple[_File, TextUnit]] = []
        for path, file in new.items():
            self.fresh += [(file, unit) for unit in self._pair(old.get(path), file)]
        self.by_body: dict[str, list[tuple[_File, TextUnit]]] = {}
        self.by_name: dict[str, list[tuple[_File, TextUnit]]] = {}
        for file, unit in self.fresh:
            self.by_body.setdefault(file.body(unit), []).append((file, unit))
            self.by_name.setdefault(unit.name, []).append((file, unit))
        self.taken: set[int] = set()

    def _pair(self, old: _File | None, new: _File) -> list[TextUnit]:
        """Pair units of one name within a file, in order, and return those of `new` that are left."""
        waiting: dict[tuple[str, ...], list[TextUnit]] = {}
        for unit in old.units if old else []:
            waiting.setdefault((*unit.inside, unit.name), []).append(unit)
        rest: list[TextUnit] = []
        for unit in new.units:
            same = waiting.get((*unit.inside, unit.name))
            if same:
                self.pairs[id(same.pop(0))] = unit
            elif unit.name:
                rest.append(unit)
        return rest

    def all(self) -> Iterator[Weakening]:
        for path, file in self.old.items():
            there = self.new.get(path)
            found = list(self._file(file, there))
            tests = [one for one in file.units if one.name and one.collected]
            if there is None and tests and {one.kind for one in found} == {"removed"} and len(found) >= len(tests):
                found = [Weakening("removed", path, "", "The file with its tests is gone; put it back.")]
            yield from found
        for path, file in self.new.items():
            yield from self._only(self.old.get(path), file)

    def _file(self, file: _File, there: _File | None) -> Iterator[Weakening]:
        for unit in file.units:
            head = self.pairs.get(id(unit))
            if head is not None and there is not None:
                yield from self._compared(file, unit, there, head)
                continue
            moved = self._moved(file, unit)
            if moved is not None:
                self.taken.add(id(moved[1]))
                yield from self._compared(file, unit, *moved)
            elif (unit.collected and unit.name) or (not unit.name and file.checks(unit)):
                what = "test" if unit.name else "file with its checks"
                yield Weakening("removed", file.path, _named(unit), f"The {what} is gone; put it back.")

    def _moved(self, file: _File, unit: TextUnit) -> tuple[_File, TextUnit] | None:
        if not unit.name:
            return None
        for one in self.by_body.get(file.body(unit), []):
            if id(one[1]) not in self.taken:
                return one
        for one in self.by_name.get(unit.name, []):
            if id(one[1]) not in self.taken:
                return one
        checks = file.checks(unit)
        wanted = {check.text for check in checks}
        for there, other in self.fresh[:500] if checks else []:
            free = id(other) not in self.taken and other.collected
            shares = free and any(text in there.body(other) for text in wanted)
            if shares and not lost_text_checks(checks, there.checks(other)):
                return there, other
        return None

    def _compared(self, file: _File, unit: TextUnit, there: _File, head: TextUnit) -> Iterator[Weakening]:
        def told(kind: Kind, detail: str) -> Weakening:
            return Weakening(kind, file.path, _named(unit), detail)

        if unit.collected and not head.collected:
            yield told("renamed", f"It is now {head.name}, which test runners do not collect; give it a name they do.")
            return
        tags = set(_BUILD_TAGS.findall(there.raw)) - set(_BUILD_TAGS.findall(file.raw)) if not unit.name else set()
        if head.skips > unit.skips or tags:
            yield told("skipped", "It can now be left out or fail unseen; let it run as before.")
        if file.spelled(unit) == there.spelled(head):
            return
        lost = lost_text_checks(file.checks(unit), there.checks(head))
        if len(_SWALLOWED.findall(head.own)) > len(_SWALLOWED.findall(unit.own)):
            lost.append("a failure is now caught and dropped; let it through")
        lost += self._lost_rows(file, unit, there, head)
        if lost:
            more = f"; and {len(lost) - 3} more" if len(lost) > 3 else ""
            yield told("loosened", "; ".join(lost[:3]) + more + ".")

    def _lost_rows(self, file: _File, unit: TextUnit, there: _File, head: TextUnit) -> list[str]:
        before = Counter(file.plain.spelled(row).rstrip(",") for row in unit.rows())
        after = Counter(there.plain.spelled(row).rstrip(",") for row in head.rows())
        fewer = before.total() - after.total()
        if fewer <= 0:
            return []
        whole = "".join(one.plain.spelled(one.plain.text) for one in self.new.values())
        gone = [row for row in before - after if row not in whole]
        return [f"{fewer} of {before.total()} cases are gone; put them back"] if gone else []

    def _only(self, old: _File | None, new: _File) -> Iterator[Weakening]:
        if "only" not in new.plain.text and not re.search(r"f(?:it|describe|context)\b", new.plain.text):
            return
        before = len(ONLY.findall(old.plain.text)) if old else 0
        if len(ONLY.findall(new.plain.text)) > before:
            found = [unit for unit in new.units if ONLY.search(unit.own)]
            name = _named(found[-1]) if found else ""
            yield Weakening("skipped", new.path, name, "`only` keeps the other tests from running; take it away.")


def _named(unit: TextUnit) -> str:
    return " > ".join([*unit.inside, unit.name]) if unit.name else ""

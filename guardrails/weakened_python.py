"""Finds weakened tests among changed Python files, by their syntax trees."""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from andon.guardrails.weakened_model import Kind, Weakening
from andon.guardrails.weakened_python_body import Body, read_body
from andon.guardrails.weakened_python_marks import Mark
from andon.guardrails.weakened_python_source import read_sides
from andon.guardrails.weakened_python_strength import lost_checks, new_mark
from andon.guardrails.weakened_python_units import TestFile, Unit, is_collected_file, read_units

_ANYWHERE = "conftest.py"


def weakened_python(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[Weakening], list[str]]:
    """Return what was weakened in the given Python files, and the files whose base version could not be parsed.

    Raises:
        RecursionError: an expression is nested too deeply to be read.
    """
    old, new = Side(), Side()
    found: list[Weakening] = []
    unread: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        sides = read_sides(before.get(path, ""), after.get(path, ""))
        if sides.before is None:
            unread.append(path)
        elif sides.after is None and path in before:
            found.append(Weakening("unreadable", path, "", "The file can no longer be parsed; repair its syntax."))
        else:
            old.take(path in before, path, sides.before, sides.bases, sides.helpers)
            new.take(path in after, path, sides.after or ast.Module([], []), sides.bases, sides.helpers)
    return found + list(_Comparison(old, new).all()), unread


@dataclass
class Side:
    """The files of one side."""

    files: dict[str, TestFile] = field(default_factory=dict)
    helpers: dict[str, Unit] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    """Helpers that both sides hold unchanged."""

    def take(self, there: bool, path: str, tree: ast.Module, bases: Mapping[str, str], known: set[str]) -> None:
        """Add one file, if this side has it."""
        if there:
            self.files[path] = read_units(path, tree, bases)
            self.helpers |= {one.short: one for one in self.files[path].units.values() if one.role == "helper"}
            self.known |= {name for name in known if not name.startswith("test")}

    def units(self) -> Iterator[Unit]:
        """Yield the units of all files."""
        for file in self.files.values():
            yield from file.units.values()

    def body(self, unit: Unit, helpers: Mapping[str, bool]) -> Body:
        """Read the body of a unit."""
        return read_body(unit.node.body if unit.node else [], self.files[unit.path].marks, helpers)


@dataclass
class _Comparison:
    old: Side
    new: Side

    def __post_init__(self) -> None:
        self.counted = self._counted()
        self.fresh = [one for one in self.new.units() if one.node and not self._at(self.old, one)]
        self.taken: set[int] = set()
        self.by_text: dict[str, list[Unit]] = {}
        self.by_check: dict[str, list[Unit]] = {}
        self.indexed = False
        self.new_cases = Counter(case for one in self.fresh for case in one.tables)

    def all(self) -> Iterator[Weakening]:
        """Yield every weakening, file by file."""
        for path, file in self.old.files.items():
            yield from _grouped(list(self._file(file)), file, self.new.files.get(path))
        for path, file in self.new.files.items():
            if path in self.old.files or path.rpartition("/")[2] == _ANYWHERE:
                yield from self._added(file, self.old.files.get(path))

    def _at(self, side: Side, unit: Unit) -> Unit | None:
        file = side.files.get(unit.path)
        return file.units.get(unit.name) if file else None

    def _counted(self) -> dict[str, bool]:
        """Return for each helper whether a call counts as one check; those of one side are read in place instead."""
        both = self.old.helpers.keys() & self.new.helpers.keys()
        counted = dict.fromkeys(self.old.helpers.keys() ^ self.new.helpers.keys(), False)
        for name in both:
            sides = ((self.old, self.old.helpers[name]), (self.new, self.new.helpers[name]))
            counted[name] = any(side.body(unit, {}).checks for side, unit in sides)
        return counted | dict.fromkeys(self.old.known | self.new.known, True)

    def _body(self, side: Side, unit: Unit, depth: int = 0) -> Body:
        """Read a body, with the checks of helpers that the other side does not have."""
        body = side.body(unit, self.counted)
        for name in sorted(body.calls):
            helper = side.helpers.get(name)
            if helper and helper is not unit and self.counted.get(name) is False and depth < 3:
                inner = self._body(side, helper, depth + 1)
                body.checks += inner.checks
                body.skips += inner.skips
        return body

    def _file(self, file: TestFile) -> Iterator[Weakening]:
        for unit in file.units.values():
            there = self._at(self.new, unit)
            if there is not None:
                yield from self._compared(unit, there, unit.marks, there.marks)
                continue
            if unit.role != "test":
                continue
            moved = self._moved(unit)
            if moved is None:
                yield Weakening("removed", unit.path, unit.name, "The test is gone; put it back.")
            else:
                self.taken.add(id(moved))
                new_marks = self.new.files[moved.path].marks_on(moved)
                yield from self._compared(unit, moved, file.marks_on(unit), new_marks)

    def _compared(self, unit: Unit, there: Unit, old_marks: list[Mark], new_marks: list[Mark]) -> Iterator[Weakening]:
        def told(kind: Kind, detail: str) -> Weakening:
            return Weakening(kind, unit.path, unit.name, detail)

        leaves = unit.path != there.path and is_collected_file(unit.path) and not is_collected_file(there.path)
        if unit.role == "test" and ((unit.collected and not there.collected) or leaves):
            where = there.name if there.path == unit.path else f"{there.path}::{there.name}"
            yield told("renamed", f"It is now {where}, which test runners do not collect; give it a name they do.")
            return
        old, new = self._body(self.old, unit), self._body(self.new, there)
        mark = new_mark([*old_marks, *old.skips], [*new_marks, *new.skips])
        if mark is not None:
            yield told("skipped", f"It can now be left out or fail unseen ({mark.name}); let it run as before.")
        lost = lost_checks(old.checks, new.checks)
        if unit.role in ("test", "fixture") and old.works and not new.works:
            lost = ["the body was emptied; put it back"]
        lost += self._lost_cases([*unit.tables, *old.tables], [*there.tables, *new.tables])
        if lost:
            yield told("loosened", _sentence(lost))

    def _lost_cases(self, before: list[str], after: list[str]) -> list[str]:
        gone = Counter(before) - Counter(after) - self.new_cases
        fewer = len(before) - len(after)
        return [f"{fewer} of {len(before)} cases are gone; put them back"] if gone and fewer > 0 else []

    def _moved(self, unit: Unit) -> Unit | None:
        """Return the new test that took the place of one that is gone: of the same text, name, or checks."""
        self._index()
        free: Callable[[Unit], bool] = lambda one: id(one) not in self.taken  # noqa: E731
        same = [one for one in self.by_text.get(unit.text(), []) if free(one)]
        if same:
            return min(
                same, key=lambda one: (not one.collected, not is_collected_file(one.path), one.short != unit.short)
            )
        named = [one for one in self.fresh if one.short == unit.short and free(one)]
        if named:
            return min(named, key=lambda one: (one.path != unit.path, one.name != unit.name))
        checks = self._body(self.old, unit).checks
        for one in (two for check in checks for two in self.by_check.get(check.key, []) if free(two)):
            if not lost_checks(checks, self._body(self.new, one).checks):
                return one
        return None

    def _index(self) -> None:
        if self.indexed:
            return
        self.indexed = True
        for unit in self.fresh:
            self.by_text.setdefault(unit.text(), []).append(unit)
            for check in self._body(self.new, unit).checks if unit.role == "test" else []:
                self.by_check.setdefault(check.key, []).append(unit)

    def _added(self, file: TestFile, before: TestFile | None) -> Iterator[Weakening]:
        """Yield what new fixtures, hooks and ignore lists do to tests that were there."""
        for unit in file.units.values():
            if before and unit.name in before.units:
                continue
            skips = self.new.body(unit, {}).skips if _runs_by_itself(unit) else []
            marks = [*skips, *(unit.marks if unit.role == "module" else [])]
            if marks:
                yield Weakening(
                    "skipped", unit.path, unit.name, f"It keeps tests from running ({marks[0].name}); let them run."
                )


def _runs_by_itself(unit: Unit) -> bool:
    if unit.node is None or unit.role != "fixture":
        return False
    given = [one for call in unit.node.decorator_list if isinstance(call, ast.Call) for one in call.keywords]
    return not unit.node.decorator_list or any(one.arg == "autouse" for one in given)


def _sentence(parts: Iterable[str]) -> str:
    listed = list(parts)
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    text = "; ".join(listed[:3]) + more
    return text[:1].upper() + text[1:] + "."


def _grouped(found: list[Weakening], before: TestFile, after: TestFile | None) -> Iterator[Weakening]:
    """Yield one weakening for a file or a class whose tests all went the same way, and the others as they are."""
    tests = [one for one in before.units.values() if one.role == "test"]
    if after is None and len(found) == len(tests) and len({one.kind for one in found}) == 1:
        detail = "The file with its tests is gone; put it back."
        if found[0].kind == "renamed":
            detail = "The file has a name now that test runners do not collect; give it one they do."
        yield Weakening(found[0].kind, before.path, "", detail)
        return
    gone = {
        name for name, unit in before.units.items() if unit.role == "class" and (not after or name not in after.units)
    }
    classes: set[str] = set()
    for one in found:
        owner = one.test.rpartition("::")[0]
        if one.kind != "removed" or owner not in gone:
            yield one
        elif owner not in classes:
            classes.add(owner)
            yield Weakening("removed", one.path, owner, "Tests of the class are gone with it; put them back.")

"""What edits did to the lines of a file, as models are told it: new lines, what was removed, and a line around each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from andon.guardrails.redact import without_secrets
from andon.tools.line_text import cut_line, one_line

SHOWN_CHANGES = 80
"""Most lines shown after an edit."""
SHOWN_BYTES = 20_000
"""Most bytes those lines take."""
_AROUND_CHARACTERS = 100
"""An unchanged line only says where the change is."""


@dataclass
class Lines:
    """Where each line of a text came from while it is edited."""

    text: str
    """As it is now, with `\\n` line ends."""
    _origins: list[int | tuple[int, ...]] = field(init=False)
    """Number of each line before the first edit, from 0; a new line's is those of the lines that it replaced."""
    _before: str = field(init=False)

    def __post_init__(self) -> None:
        self._origins = list(range(self.text.count("\n") + 1))
        self._before = self.text

    def replace(self, at: int, old: str, new: str) -> None:
        """Put `new` in the place of `old`, which stands at character `at`."""
        end = at + len(old)
        begin = self.text.rfind("\n", 0, at) + 1
        stop = self.text.find("\n", end)
        tail = self.text[end:] if stop < 0 else self.text[end:stop]
        before = self.text[begin : end + len(tail)].split("\n")
        after = (self.text[begin:at] + new + tail).split("\n")
        first = self.text.count("\n", 0, begin)
        kept = _same(before, after)
        kept_below = _same(before[kept:][::-1], after[kept:][::-1])
        touched = slice(first + kept, first + len(before) - kept_below)
        fresh: list[int | tuple[int, ...]] = [()] * (len(after) - kept - kept_below)
        if fresh:
            fresh[0] = tuple(_flat(self._origins[touched]))
        self._origins[touched] = fresh
        self.text = self.text[:at] + new + self.text[end:]

    def shown(self) -> list[str]:
        """Return `12 +new line`, `13  line beside it` and `[old lines 21-27 removed]`, numbered as the file is read.

        Secrets are left out; of more than SHOWN_CHANGES lines or SHOWN_BYTES the middle is. Numbers of removed lines
        are those before the edits. A last line tells of a line end put to the end of the file, or taken from there.
        """
        origins = self._standing()
        count = len(origins)
        gaps = self._gaps(origins)
        changed = {number for number, origin in enumerate(origins) if isinstance(origin, tuple)}
        # A gap stands before the line of its number; the lines on both sides of a change are shown with it.
        near = {each for number in changed for each in (number - 1, number, number + 1)}
        near |= {each for number in gaps for each in (number - 1, number)}
        lines = without_secrets(self.text).split("\n")
        shown: list[str] = []
        last = -1
        for number in sorted(each for each in near | gaps.keys() if 0 <= each <= count):
            shown += ["…"] if shown and number > last + 1 else []
            shown += [gaps[number]] if number in gaps else []
            shown += [_line(number, lines[number], number in changed)] if number < count else []
            last = number
        return _cut(shown + self._final_newline())

    def _standing(self) -> list[int | tuple[int, ...]]:
        """Return where the lines came from; what stands behind the last line end is none, now and before."""
        before = _count(self._before)
        standing = self._origins[: _count(self.text)]
        return [() if isinstance(origin, int) and origin >= before else origin for origin in standing]

    def _gaps(self, origins: Sequence[int | tuple[int, ...]]) -> dict[int, str]:
        """Return what was removed with nothing in its place, by the line it stood before."""
        found: dict[int, str] = {}
        expected = 0
        replaced: set[int] = set()
        for number, origin in enumerate([*origins, _count(self._before)]):
            if isinstance(origin, tuple):
                replaced.update(origin)
                continue
            if gone := [old for old in range(expected, origin) if old not in replaced]:
                found[number] = f"[old {_spans(gone)} removed]"
            expected, replaced = origin + 1, set()
        return found

    def _final_newline(self) -> list[str]:
        had, has = self._before.endswith("\n"), self.text.endswith("\n")
        if had == has or not self.text or not self._before:
            return []
        return ["[newline at the end of the file added]" if has else "[newline at the end of the file removed]"]


def _count(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and text != "")


def _flat(origins: Iterable[int | tuple[int, ...]]) -> Iterable[int]:
    for origin in origins:
        yield from (origin,) if isinstance(origin, int) else origin


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines at the beginning are the same."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _line(number: int, line: str, changed: bool) -> str:
    if changed:
        return f"{number + 1} +{cut_line(one_line(line))}"
    return f"{number + 1}  {cut_line(one_line(line), _AROUND_CHARACTERS)}".rstrip()


def _spans(numbers: Sequence[int]) -> str:
    """Return line numbers, from 0 and in order, as they are read: `lines 3, 5-7`."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda each: each[1] - each[0])]
    spans = [f"{run[0] + 1}-{run[-1] + 1}" if run[1:] else str(run[0] + 1) for run in runs]
    return f"{'lines' if numbers[1:] else 'line'} {', '.join(spans)}"


def _cut(shown: list[str]) -> list[str]:
    if len(shown) <= SHOWN_CHANGES and _bytes(shown) <= SHOWN_BYTES:
        return shown
    head, tail = _half(shown), _half(shown[::-1])[::-1]
    return [*head, f"[… {len(shown) - len(head) - len(tail)} lines cut; read_file shows them]", *tail]


def _half(lines: Sequence[str]) -> list[str]:
    """Return the first lines that half of an answer holds."""
    kept: list[str] = []
    room = SHOWN_BYTES // 2
    for line in lines[: SHOWN_CHANGES // 2]:
        room -= _bytes([line])
        if room < 0:
            break
        kept.append(line)
    return kept


def _bytes(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)

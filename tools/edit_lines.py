"""What edits did to the lines of a file, as models are told it: new lines, what was removed, and a line around each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from andon.guardrails.output import clean_text
from andon.guardrails.redact import without_secrets

SHOWN_CHANGES = 80
"""Most lines shown after an edit."""
LINE_CHARACTERS = 2_000
"""Longer lines are cut in the answer."""
_AROUND_CHARACTERS = 100
"""An unchanged line only says where the change is."""


@dataclass
class Lines:
    """Where each line of a text came from while it is edited."""

    text: str
    """As it is now, with `\\n` line ends."""
    _origins: list[int | None] = field(init=False)
    """Number of each line before the first edit, from 0; None for a new one."""
    _before: int = field(init=False)
    """How many lines there were; what stands behind the last line end is none, though it has an origin."""

    def __post_init__(self) -> None:
        self._origins = list(range(self.text.count("\n") + 1))
        self._before = _count(self.text)

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
        fresh: list[int | None] = [None] * (len(after) - kept - kept_below)
        self._origins[first + kept : first + len(before) - kept_below] = fresh
        self.text = self.text[:at] + new + self.text[end:]

    def shown(self) -> list[str]:
        """Return `12 +new line`, `13  line beside it` and `[lines 21-27 removed]`, numbered as the file is read.

        Secrets are left out; of more than SHOWN_CHANGES lines the middle is. Numbers of removed lines are those before
        the edits.
        """
        count = _count(self.text)
        gaps = self._gaps()
        changed = {number for number, origin in enumerate(self._origins) if origin is None and number < count}
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
        return _cut(shown)

    def _gaps(self) -> dict[int, str]:
        """Return what was removed with nothing in its place, by the line it stood before."""
        found: dict[int, str] = {}
        expected = 0
        for number, origin in enumerate([*self._origins, self._before]):
            if origin is None:
                continue
            put_in = number > 0 and self._origins[number - 1] is None
            if origin > expected and not put_in:
                found[number] = f"[{_span(expected + 1, origin)} removed]"
            expected = origin + 1
        return found


def cut_line(line: str, most: int = LINE_CHARACTERS) -> str:
    """Return a line in about `most` characters, its middle left out where it is longer."""
    if len(line) <= most:
        return line
    half = most // 2
    return f"{line[:half]}[… {len(line) - 2 * half} characters cut]{line[-half:]}"


def _count(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and text != "")


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
        return f"{number + 1} +{cut_line(clean_text(line))}"
    return f"{number + 1}  {cut_line(clean_text(line), _AROUND_CHARACTERS)}".rstrip()


def _span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _cut(shown: list[str]) -> list[str]:
    if len(shown) <= SHOWN_CHANGES:
        return shown
    half = SHOWN_CHANGES // 2
    return [*shown[:half], f"[… {len(shown) - 2 * half} lines cut; read_file shows them]", *shown[-half:]]

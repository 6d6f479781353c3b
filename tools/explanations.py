"""Why a test failed, in few lines: what an earlier failure told is not told again, and what differs is kept."""

import re
from collections.abc import Iterator, Sequence

_EXPLANATION = 700
_LINE = 300
_LATER_LINE = 160
"""A later failure's first line and `where`: they mostly repeat what an earlier one showed whole."""
_REASON = 160
_WORTH_LEAVING_OUT = 40
_PLACE = re.compile(r"\S+:\d+")
_MARK = re.compile(r"^E\s+")
"""How pytest marks the lines that explain."""
_DIFFERS = re.compile(
    r"Differing items:|At index \d+ diff:|(Left|Right) contains |Extra items in the (left|right) set:"
)
# https://docs.pytest.org/en/stable/how-to/output.html: it cuts the two sides by themselves, also where they differ.
_WHOLE = "[pytest cut both sides: run the test with -vv by run_command to see them whole]"


def is_place(line: str) -> bool:
    """Say whether a line of an explanation is `FILE:LINE`."""
    return _PLACE.fullmatch(line) is not None


def place_of(failure: str) -> str:
    """Return the first place an explanation names, or an empty string."""
    return next((line for line in failure.split("\n") if is_place(line)), "")


def explained(failure: str, seen: set[str]) -> list[str]:
    """Return the lines of an explanation; `seen` holds those of failures told before, and gets what is told here.

    Of a later failure's `where` lines only one is kept, and no long line that was told before, but its first.
    """
    lines = [line for line in failure.split("\n") if line]
    kept = list(_not_told(lines, seen)) if seen else [(line, _cut(line, _LINE)) for line in lines]
    hint = [_WHOLE] if _DIFFERS.search(failure) and any("..." in line and " != " in line for line in lines) else []
    told = "\n".join(shown for _, shown in kept)
    seen.update(_whole(kept))
    return [*_clipped(told, _EXPLANATION).split("\n"), *hint] if kept else []


def reason(failure: str) -> list[str]:
    """Return the place and the first line of why, or of what differs, as one line."""
    lines = [line.strip() for line in failure.split("\n") if line.strip()]
    why = [_MARK.sub("", line) for line in lines if not is_place(line)]
    compared = bool(why) and " == " in why[0] and "..." in why[0]
    told = (_difference(why) if compared else []) or why[:1]
    return [_clipped(": ".join([*filter(None, [place_of("\n".join(lines))]), *told]), _REASON)] if lines else []


def _not_told(lines: Sequence[str], seen: set[str]) -> Iterator[tuple[str, str]]:
    """Return what is kept of a later failure: each line, and how it is shown."""
    first = next((line for line in lines if not is_place(line)), "")
    wheres = 0
    for line in lines:
        where = _MARK.sub("", line).lstrip("+ ").startswith("where ")
        wheres += where
        if line == first or is_place(line):
            yield line, _cut(line, _LATER_LINE)
        elif wheres <= 1 or not where:
            told = line in seen and len(line) > _WORTH_LEAVING_OUT
            yield from [] if told else [(line, _cut(line, _LATER_LINE if where else _LINE))]


def _whole(kept: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Return the lines that end before the explanation is clipped; a place explains nothing."""
    end = -1
    for line, shown in kept:
        end += len(shown) + 1
        if end <= _EXPLANATION and not is_place(line):
            yield line


def _difference(why: Sequence[str]) -> list[str]:
    """Return the line that says what differs, and the one after it where it only announces that."""
    for number, line in enumerate(why):
        if _DIFFERS.match(line):
            return [" ".join(why[number : number + 1 + line.endswith(":")])]
    return []


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[: most // 2]} [… {len(line) - most} cut] {line[-(most // 2) :]}"


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} [… {len(text) - limit} more characters; cut]"

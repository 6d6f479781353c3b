"""What the checks showed at base and head alike: the evidence for whatever is to stay as it is."""

from collections import Counter
from collections.abc import Sequence

from andon.context.plain import one_line, size
from andon.records.checks import CheckRecord, Comparison

_KEPT_BYTES = 400


def kept_line(base: Sequence[CheckRecord], head: Sequence[CheckRecord], comparison: Comparison) -> str:
    """Return which tests passed before the change and pass now, unedited: `tests/test_a.py (3), tests/test_b.py (1)`.

    Empty where there is none. Files for which there is no room are counted.
    """
    told = {*comparison.flaky, *comparison.edited, *comparison.strengthened}
    kept = sorted((_passed(base) & _passed(head)) - told)
    shown: list[str] = []
    room = _KEPT_BYTES
    files = Counter(test.partition("::")[0] for test in kept)
    for file, count in files.items():
        entry = f"{one_line(file)} ({count})"
        room -= size(entry) + 2
        if room < 0:
            shown.append(f"and {sum(list(files.values())[len(shown) :])} in {len(files) - len(shown)} more files")
            break
        shown.append(entry)
    return ", ".join(shown)


def _passed(records: Sequence[CheckRecord]) -> set[str]:
    tests = [record.tests for record in records if record.kind == "test"]
    passed = {test for each in tests for test, outcome in each.items() if outcome == "passed"}
    return passed - {test for each in tests for test, outcome in each.items() if outcome in ("failed", "error")}

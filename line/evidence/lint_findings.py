"""What a linter found, told apart, so that something new shows beside what was there before."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from andon.records.checks import CheckRecord
from andon.sandbox.protocol import Finished

_FINDING = re.compile(r"(?P<path>[^\n]+?):\d+:\d+: (?P<code>[A-Z]+\d+|[a-z]+(?:-[a-z]+)+):? (?P<text>.*)")
_NAME = re.compile(r"`([\w.]{1,80})`")
_UNDEFINED = "F82"
_MOST = 500


def findings_of(done: Finished) -> list[str] | None:
    """Return `PATH: CODE` for every line of ruff's concise report, sorted, further ones alike as `PATH: CODE (2)`.

    Undefined names are named, once a file; lines of the file are left out, since they move. None where the report is
    cut, too long, or says nothing of why the command failed.
    """
    lines = done.output.decode("utf-8", "replace").splitlines()
    found = [_key(match) for line in lines if (match := _FINDING.fullmatch(line))]
    if done.dropped or len(found) > _MOST or done.exit_code != bool(found):
        return None
    once = {key for key in found if not _counts(key)}
    counted = Counter(key for key in found if _counts(key))
    return sorted(once) + [
        key if number == 1 else f"{key} ({number})"
        for key, count in sorted(counted.items())
        for number in range(1, count + 1)
    ]


def new_findings(base: Sequence[CheckRecord], head: Sequence[CheckRecord]) -> dict[str, list[str]]:
    """Return what is found at the head and not at the base, by the name of a check that tells both apart.

    A name that is undefined somewhere at the base is there from elsewhere, and may be used anywhere.
    """
    before = {record.name: record.tests for record in base if record.granularity == "finding"}
    return {
        record.name: sorted(_fresh(before[record.name], record.tests))
        for record in head
        if record.granularity == "finding" and record.name in before
    }


def _fresh(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    known = {key.rpartition(": ")[2] for key in before if not _counts(key)}
    return {key for key in after if key not in before and (_counts(key) or key.rpartition(": ")[2] not in known)}


def _key(match: "re.Match[str]") -> str:
    code = match["code"]
    name = _NAME.search(match["text"]) if code.startswith(_UNDEFINED) else None
    return f"{match['path']}: {code} {name[1]}" if name else f"{match['path']}: {code}"


def _counts(key: str) -> bool:
    """Say whether further findings of this kind in one file are told apart by their number."""
    return not key.rpartition(": ")[2].startswith(_UNDEFINED)

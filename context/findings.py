"""Whether the findings of a review speak of places that are there."""

from collections.abc import Collection, Sequence

from andon.context.diffs import places_of
from andon.context.plain import shown_path
from andon.records.review import Finding


def misplaced(findings: Sequence[Finding], diff: str, base_paths: Collection[str]) -> list[str]:
    """Return what is wrong with the place of each `must-fix` finding, in words for the reviewer.

    Its file stands in `diff` or in the base; a line is 0, or one that `diff` shows of that file. A finding without a
    file is about the change as a whole.
    """
    places = places_of(diff)
    told = []
    for finding in findings:
        hunks = places.get(finding.path)
        if finding.severity != "must-fix" or not finding.path:
            continue
        if hunks is None and finding.path not in base_paths:
            told.append(f"{shown_path(finding.path)} is no file of the change or of the base")
        elif finding.line and not any(first <= finding.line <= last for first, last in hunks or []):
            told.append(f"line {finding.line} of {shown_path(finding.path)} is not in the diff: name one that is, or 0")
    return told

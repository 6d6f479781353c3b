"""What specialised reviewers start from: the reviewer's packet with what their colleagues found and an end of its own.

The reviewer, who comes last, reads what they found too. All of it is a model's words about the change, in a frame.
"""

from collections.abc import Sequence

from andon.context.plain import clipped, one_line, plain, shown_path
from andon.records.framed import framed
from andon.records.review import Finding, SpecialistReview

_SAID_BYTES = 2_000
"""What one colleague may take of a packet."""


def reviewer_after(packet: str, said: Sequence[SpecialistReview], *, last: bool) -> str:
    """Return the reviewer's `packet` with what specialised reviewers `said`; in the `last` review nothing goes back."""
    if not any(review.must_fix for review in said):
        return _with_colleagues(packet, said)
    how = "finish with fail" if last else "hand the change back; theirs go along, do not repeat them"
    return _with_colleagues(packet, said, f"While a must-fix of theirs stands the change cannot pass: {how}.")


def special_packet(packet: str, said: Sequence[SpecialistReview], number: int, rounds: int) -> str:
    """Return what a specialised reviewer starts from, made of the reviewer's `packet` and what was `said` before it.

    The change is in review `number` of at most `rounds`.
    """
    body = packet.rpartition("\n\n")[0]
    after = "" if number < rounds else " No repair comes after it: a must-fix fails the change."
    closing = (
        "# Now\nGoal: find what your role looks for; the reviewer judges the criteria after you.\n"
        f"This is review {number} of at most {rounds}.{after} Hand over: call pass_on.\n"
    )
    return _with_colleagues(f"{body}\n\n{closing}", said)


def _with_colleagues(packet: str, said: Sequence[SpecialistReview], line: str = "") -> str:
    """Return `packet` with what colleagues said of the change, and a `line` of ours, before its closing lines."""
    if not said:
        return packet
    body, _, closing = packet.rpartition("\n\n")
    return "\n\n".join([body, "\n".join([_colleagues_part(said), *([line] if line else [])]), closing])


def _colleagues_part(said: Sequence[SpecialistReview]) -> str:
    parts = [_colleague(review) for review in said]
    return "\n".join(["# What colleagues found: their own words, checked by nobody; judge for yourself", *parts])


def _colleague(review: SpecialistReview) -> str:
    words, left_out = clipped(_words(review), _SAID_BYTES)
    part = framed(words, f"the {review.who} reviewer")
    return f"{part}\n[{left_out} bytes more were said]" if left_out else part


def _words(review: SpecialistReview) -> str:
    """Return what must be fixed first: it is what is left of words that are too many."""
    notes = [finding for finding in review.findings if finding not in review.must_fix]
    lines = [*map(_finding, review.must_fix), review.summary, *map(_finding, notes)]
    return plain("\n".join(lines))


def _finding(finding: Finding) -> str:
    place = shown_path(finding.path) + (f":{finding.line}" if finding.line else "")
    words = f"{finding.severity}: {one_line(finding.problem)}"
    return f"- {place}: {words}" if finding.path else f"- {words}"

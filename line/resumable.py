"""Which stops a run can go on from."""

from andon.records.stops import MEANINGS, StopCode

_EXITS = frozenset({2, 50, 60, 70, 130})
"""A key or a setting that is missing where it was worked on, sandbox lost, provider failed, a fault, interrupted: what
was done so far is as good as before.

Not a spent budget: limits are read from the base commit, which a run keeps.
"""


def can_go_on(stop_code: str) -> bool:
    """Return whether a run that ended so can go on where it stopped, once what stopped it is mended."""
    return stop_code in list(StopCode) and MEANINGS[StopCode(stop_code)].exit_code in _EXITS

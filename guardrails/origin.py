"""Who asked for the work: text of an outsider never widens what a run may do, and narrows it."""

from typing import Literal

from andon.guardrails.refusal import Refused
from andon.records.task import is_outsiders

Origin = Literal["person", "outsider"]
"""A person at this machine, or whoever can write an issue, a comment or a message."""

_NARROWED = frozenset({"install", "publishing", "git-network", "history", "history-options", "skips-checks"})


def origin_of(source: str) -> Origin:
    """Return who is behind `Task.source`; what is not known to be ours is an outsider's."""
    return "outsider" if is_outsiders(source) else "person"


def narrowed(asked: Refused, origin: Origin) -> Refused | None:
    """Return why what a person might allow is refused for work of an outsider: no new hosts, drafts only."""
    if origin == "person" or asked.rule not in _NARROWED:
        return None
    return Refused(
        asked.rule, f"{asked.reason} (and the request came from outside: no packages, no publishing, no history)"
    )

"""The agents of a run by name, and the calls by which each may end its work."""

from andon.records.calls import Role
from andon.records.review import Specialist

TO_EXECUTOR = "transfer_to_executor"
TO_REVIEWER = "transfer_to_reviewer"
PASS_ON = "pass_on"  # noqa: S105  (a tool)
HAND_BACK = "hand_back"
FINISH = "finish_review"

_ENDINGS: dict[Role, tuple[str, ...]] = {
    "planner": (TO_EXECUTOR,),
    "executor": (TO_REVIEWER,),
    "reviewer": (HAND_BACK, FINISH),
}
_SPECIALIST = " reviewer"


def agent_name(who: Specialist) -> str:
    """Return the name of the agent that is this specialised reviewer; the others are named like their role."""
    return f"{who}{_SPECIALIST}"


def role_of(name: str) -> Role:
    """Return the role that the agent of this name plays: a specialised reviewer plays the reviewer's."""
    role = "reviewer" if name.endswith(_SPECIALIST) else name
    return next(known for known in _ENDINGS if known == role)


def endings(name: str, *, last: bool = False) -> tuple[str, ...]:
    """Return the calls by which the agent of this name may end its work; `last`: nothing can be handed back."""
    role = role_of(name)
    every = _ENDINGS[role] if name == role else (PASS_ON,)
    return tuple(tool for tool in every if not (last and tool == HAND_BACK))

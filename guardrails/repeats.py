"""Calls that go in circles: the same call again and again, or two calls in turn, while nothing changes."""

import hashlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from andon.records.calls import Decision, Role
from andon.records.errors import RunError
from andon.records.stops import StopCode

SAME_CALLS = 5
"""So often the same call may be answered the same way while nothing changes; the next one is refused."""
ROUNDS = 3
"""So often two calls may be made in turn, answered the same way each time; the next round is refused."""
REFUSALS = 3
"""So many further turns with refused repeats, after the turn with the first one, end the run."""

_SAME = (
    f"this call was made {SAME_CALLS} times with the same answer, and nothing changed in between: it will say the same "
    "again. Use what it said, try something else, or hand over and say what is missing"
)
_CYCLE = (
    f"two calls were made in turn {ROUNDS} times with the same answers each time: another round will show nothing new. "
    "Use what they said, try something else, or hand over and say what is missing"
)


class _Made(NamedTuple):
    """One call that was made, and how the workspace stood before and after it."""

    call: str
    answer: str
    before: str
    after: str


@dataclass
class _Trail:
    """What one role has done."""

    state: str = ""
    """The workspace, as it stood at the last call."""
    answers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The last answer to each call since the workspace changed, and how often in a row it was given."""
    recent: deque[_Made] = field(default_factory=lambda: deque(maxlen=2 * ROUNDS))
    circle: frozenset[str] = frozenset()
    """The calls of a circle that was refused, until another call is made."""
    refused: int = 0
    """Turns with refused repeats since the workspace changed."""
    refused_in: int = -1
    """The last of these turns."""

    def at(self, state: str) -> None:
        if state != self.state:
            self.state, self.circle, self.refused = state, frozenset(), 0
            self.answers.clear()


class Repeats:
    """Remembers what each role called, what was answered, and how the workspace stood."""

    def __init__(self) -> None:
        self._trails: dict[Role, _Trail] = {}

    def judge(self, role: Role, tool: str, arguments: Any, *, state: str, turn: int) -> Decision | None:
        """Return a refusal if this call goes in circles; None if it may be made.

        Args:
            state: How the workspace stands; whatever an agent can change by a call must change it.
            turn: The answer of the model that holds the call. Several repeats in one answer count as one: the model
                could not know.

        Raises:
            RunError: `stuck` in the fourth turn with a refused repeat while nothing changed.
        """
        return self.judge_call(role, tool, call_digest(tool, arguments), state=state, turn=turn)

    def judge_call(self, role: Role, tool: str, call: str, *, state: str, turn: int) -> Decision | None:
        """As `judge`, for the call whose `call_digest` is `call`."""
        trail = self._trails.setdefault(role, _Trail())
        trail.at(state)
        reason = _reason(trail, call)
        if reason is None:
            return None
        if turn != trail.refused_in:
            trail.refused, trail.refused_in = trail.refused + 1, turn
        if trail.refused > REFUSALS:
            raise RunError(
                StopCode.STUCK, f"The {role} repeated calls that were refused as repeats, last {tool}: {reason}."
            )
        return Decision(verdict="refuse", rule="repeat", reason=reason)

    def made(self, role: Role, tool: str, arguments: Any, answer: str, *, state: str) -> None:
        """Note a call that was judged and then made or refused for another reason; `state` is after it."""
        self.made_call(role, call_digest(tool, arguments), answer_digest(answer), state=state)

    def made_call(self, role: Role, call: str, said: str, *, state: str) -> None:
        """As `made`, for the call and the answer with these digests."""
        trail = self._trails.setdefault(role, _Trail())
        before = trail.state
        trail.at(state)
        trail.recent.append(_Made(call, said, before, state))
        if call not in trail.circle:
            trail.circle = frozenset()
        last, times = trail.answers.get(call, (said, 0))
        if before == state:
            trail.answers[call] = (said, times + 1 if last == said else 1)


def _reason(trail: _Trail, call: str) -> str | None:
    if trail.answers.get(call, ("", 0))[1] >= SAME_CALLS:
        return _SAME
    if call in trail.circle:
        return _CYCLE
    made = list(trail.recent)
    pair = made[:2]
    if len(made) < 2 * ROUNDS or made != pair * ROUNDS or pair[0].call == pair[1].call:
        return None
    # The state belongs to it: to do and undo in turn is a circle too.
    if (call, trail.state) != (pair[0].call, pair[0].before):
        return None
    trail.circle = frozenset(one.call for one in pair)
    return _CYCLE


def call_digest(tool: str, arguments: Any) -> str:
    """Return what tells this call from others, SHA-256 in hex."""
    return _digest([tool, arguments])


def answer_digest(answer: str) -> str:
    """Return what tells this answer from others, SHA-256 in hex."""
    return _digest(answer)


def _digest(value: Mapping[str, Any] | list[Any] | str) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

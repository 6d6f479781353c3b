"""Work that stands still though no call repeats itself: one failure whatever is changed, and turns of known answers."""

import re
from collections import Counter
from dataclasses import dataclass, field

from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.stops import StopCode

SAME_FAILURES = 6
"""In so many turns the same failure may come before the role is told; in as many further ones it ends the run.

A model that gets on sees a failure move within three or four tries. Twice as many are left after the word: what was red
before anybody touched it fails the same way all along.
"""
KNOWN_TURNS = 8
"""So many turns in a row may ask only what was answered before; the same again after the word ends the run.

A model whose earlier answers were cut from its conversation reads files again, seldom more than a handful.
"""

_EXIT = re.compile(r"^exit code (-?\d+)(.*)", re.MULTILINE)
_DURATION = re.compile(r"\b\d+(\.\d+)?\s?(ms|µs|s|sec|secs|seconds?|m)\b")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_NO_OUTPUT = "(no output)"
_FAILS = (
    f"andon: the same failure came in {SAME_FAILURES} turns, whatever was changed in between: no change reached its "
    "cause. Follow it from the start in the code that runs, undo what did not help, or hand over and say what is "
    "missing; what was red before your change may stay red"
)
_KNOWN = (
    f"andon: the last {KNOWN_TURNS} turns asked only what was answered before, and nothing changed. Make the change, "
    "or hand over and say what is missing"
)


def failure_of(text: str, *, is_error: bool) -> str:
    """Return what tells one failure from another, without durations and addresses; empty for what did not fail.

    A command that says nothing is none, however it ended: that is how `grep` finds nothing.
    """
    ended = _EXIT.search(text)
    failed = is_error or (ended is not None and ended[1] != "0" and _NO_OUTPUT not in ended[2])
    return _ADDRESS.sub("0x…", _DURATION.sub("<time>", text)) if failed else ""


@dataclass
class _Since:
    """What one role has seen since its packet."""

    state: str = ""
    known: dict[str, str] = field(default_factory=dict)
    """The answer to each call since the workspace changed."""
    last: dict[str, str] = field(default_factory=dict)
    """The last answer to each call that has failed."""
    failures: Counter[str] = field(default_factory=Counter)
    """Turns in which each failure came, since another answer was had."""
    failed_in: dict[str, int] = field(default_factory=dict)
    turn: int = -1
    learned: bool = True
    """Whether this turn has had an answer that was not known."""
    known_turns: int = 0
    due: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


class Stalls:
    """Remembers what each role was answered since it began from its packet."""

    def __init__(self) -> None:
        self._since: dict[Role, _Since] = {}

    def begin(self, role: Role) -> None:
        """Note that a role begins from its packet, and has seen nothing of what it saw before."""
        self._since[role] = _Since()

    def check(self, role: Role, tool: str) -> None:
        """Let a role that was told so go on, but not forever.

        Raises:
            RunError: `stuck`.
        """
        since = self._of(role)
        worst = max(since.failures.values(), default=0)
        if worst >= 2 * SAME_FAILURES:
            why = f"met the same failure in {worst} turns, whatever it changed"
        elif since.known_turns >= 2 * KNOWN_TURNS:
            why = f"asked only what was answered before, {since.known_turns} turns in a row"
        else:
            return
        raise RunError(StopCode.STUCK, f"The {role} was told so and {why}; its next call was {tool}.")

    def made(self, role: Role, call: str, answer: str, *, failure: str, state: str, turn: int) -> None:
        """Note an answer.

        Args:
            call: What tells the call from others.
            answer: What tells the answer from others.
            failure: What tells the failure from others; empty if the call did not fail.
            state: How the workspace stands after it.
            turn: The answer of the model that held the call.
        """
        since = self._of(role)
        self._count_turn(since, turn)
        if state != since.state:
            since.state, since.learned = state, True
            since.known.clear()
        since.learned = since.learned or since.known.get(call) != answer
        since.known[call] = answer
        if since.learned:
            since.known_turns = 0
        self._count_failure(since, call, failure, turn)

    def nudges(self, role: Role) -> list[str]:
        """Return what the role has to be told now, a line each, and each once."""
        since = self._of(role)
        due, since.due = since.due, []
        return due

    def _count_turn(self, since: _Since, turn: int) -> None:
        if turn == since.turn:
            return
        if since.turn >= 0 and not since.learned:
            since.known_turns += 1
            self._tell(since, _KNOWN, since.known_turns >= KNOWN_TURNS)
        since.turn, since.learned = turn, False

    def _count_failure(self, since: _Since, call: str, failure: str, turn: int) -> None:
        if since.last.get(call, failure) != failure:
            # Something that failed ends another way: the work gets on.
            since.failures.clear()
        if failure or call in since.last:
            since.last[call] = failure
        if failure and since.failed_in.get(failure) != turn:
            since.failed_in[failure] = turn
            since.failures[failure] += 1
            self._tell(since, _FAILS, since.failures[failure] >= SAME_FAILURES)

    def _tell(self, since: _Since, line: str, due: bool) -> None:
        if due and line not in since.told:
            since.told.add(line)
            since.due.append(line)

    def _of(self, role: Role) -> _Since:
        return self._since.setdefault(role, _Since())

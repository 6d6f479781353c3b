"""How the rules say no or ask, and what they hand on to be judged by its real place."""

from dataclasses import dataclass, field


class Refused(Exception):
    """A rule decided against the call."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


@dataclass(frozen=True)
class Use:
    """One path that a call names."""

    path: str
    """As it will be opened: absolute inside, or relative to the workspace."""
    writes: bool
    """True if the call may change it."""
    outside: bool = False
    """True if it may lie outside the workspace where commands are free: scratch space, programs."""
    removes: bool = False
    """True if it may go away with everything below it."""
    recursive: bool = False
    """True if what lies below it is read or goes away too."""
    pattern: bool = False
    """True if globs in it stand for names."""
    computed: bool = False
    """True if it holds an expansion, so that only its plain parts can be judged."""
    fallback: bool = False
    """True if it is meant only where an earlier `cd` failed; then leaving the workspace says nothing."""


@dataclass
class Found:
    """What is known of a call while it is judged: paths still to be judged, and what needs a person."""

    uses: list[Use] = field(default_factory=list)
    asks: list[Refused] = field(default_factory=list)

    def ask(self, rule: str, reason: str) -> None:
        """Note that a person would have to allow it."""
        self.asks.append(Refused(rule, reason))

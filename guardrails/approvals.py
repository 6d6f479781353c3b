"""What people allowed in one run: exactly one call, one kind of call for the rest of the run, one changed file."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from andon.records.calls import Role

ONCE_SECONDS = 3600.0
"""For how long a call that was allowed once may still be made, and a question may still be answered."""
KIND_SECONDS = 8 * 3600.0
"""For how long a kind of call stays allowed; the end of the run ends it sooner."""


@dataclass(frozen=True)
class Binding:
    """What exactly was approved; anything else is no approval."""

    run: str
    """Id of the run."""
    role: Role
    """Whose call."""
    tool: str
    """Which tool."""
    digest: str
    """`digest_of` the arguments."""
    state: str
    """Fingerprint of the workspace that the person was asked about."""
    policy: str
    """Version of the policy that asked."""


def digest_of(arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of `arguments` as canonical JSON, in hexadecimal digits.

    Raises:
        ValueError: they are no JSON.
    """
    try:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the arguments are no JSON: {error}") from error
    return sha256(text.encode()).hexdigest()


def effect_digest(path: str, entry: str) -> str:
    """Return the SHA-256 that binds an approval to the content `entry` at `path`."""
    return digest_of({"path": path, "entry": entry})


class Grants:
    """What people allowed in one run. Holds nothing that nobody said, and forgets it when its time is over."""

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        once_seconds: float = ONCE_SECONDS,
        kind_seconds: float = KIND_SECONDS,
    ) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._once_seconds, self._kind_seconds = once_seconds, kind_seconds
        self._once: dict[Binding, list[float]] = {}
        self._kinds: dict[tuple[str, Role], float] = {}
        self._effects: set[tuple[str, str]] = set()

    def once(self, binding: Binding) -> None:
        """Note that exactly this call may be made one time more."""
        self._once.setdefault(binding, []).append(self._clock() + self._once_seconds)

    def drop_once(self) -> None:
        """Forget every call that was allowed once and not made."""
        self._once.clear()

    def kind(self, rule: str, role: Role) -> None:
        """Note that whatever `rule` asks about is allowed to `role` from now on."""
        self._kinds[rule, role] = self._clock() + self._kind_seconds

    def take(self, binding: Binding, rule: str, *others: str) -> bool:
        """Return whether a call is allowed that `rule`, and `others` too, ask about.

        Kinds allow it where every one of its rules is allowed; a call that was allowed once is used up by it.
        """
        if self.kinds(binding.role).issuperset((rule, *others)):
            return True
        now = self._clock()
        left = [expires for expires in self._once.pop(binding, []) if expires > now]
        if len(left) > 1:
            self._once[binding] = left[1:]
        return bool(left)

    def kinds(self, role: Role) -> frozenset[str]:
        """Return the rules whose questions are answered with yes for `role`."""
        now = self._clock()
        return frozenset(rule for (rule, whose), expires in self._kinds.items() if whose == role and expires > now)

    def saved(self) -> list[tuple[str, Role]]:
        """Return the rules that are allowed for the rest of the run, and whose calls by them, for `kind`."""
        return sorted(self._kinds)

    def accept(self, path: str, entry: str) -> None:
        """Note that a person allowed the content `entry` at `path`. It holds for the run: the final tree is held
        against it."""
        self._effects.add((path, entry))

    def accepted(self, path: str, entry: str) -> bool:
        """Return whether a person allowed exactly this content at exactly this path."""
        return (path, entry) in self._effects

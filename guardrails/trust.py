"""What a file of the repository wants to decide and may not decide alone: it counts once a person accepted it."""

from collections.abc import Set
from dataclasses import dataclass
from hashlib import sha256

from andon.records.errors import UserError


@dataclass(frozen=True)
class Claim:
    """One value of that kind, as it stands in the repository."""

    file: str
    """Where it stands, relative to the repository."""
    key: str
    """Its key there, as in `provider.base_url`."""
    value: str
    """The value, character for character."""
    meaning: str
    """What accepting it lets happen, for the person who is asked."""
    otherwise: str
    """How to do without it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the value, in hexadecimal digits: what an acceptance is bound to."""
        return sha256(self.value.encode()).hexdigest()


def accepted_value(claim: Claim, accepted: Set[tuple[str, str]], command: str = "andon trust") -> str:
    """Return the value of `claim`; `accepted` holds key and digest of what a person accepted for this repository.

    `command` is what a person runs to accept it.

    Raises:
        UserError: exactly this value was not accepted.
    """
    if (claim.key, claim.digest) in accepted:
        return claim.value
    changed = " and has changed since a person accepted it" if any(key == claim.key for key, _ in accepted) else ""
    raise UserError(
        f"{claim.file} sets {claim.key} to {claim.value!r}{changed}; a repository may not decide that alone: "
        f"read it and run `{command}`, or {claim.otherwise}"
    )

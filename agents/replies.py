"""How the line replies to a role that handed over, or for which a person was asked; loads no agent SDK."""

from dataclasses import dataclass

from andon.records.calls import Role


class Repairable(Exception):
    """The sender can mend this: the message says what is wrong and what to do, and reaches the model as it is."""


class Waits(Exception):
    """A person is asked before the line takes this. The message is what the sender's call answers meanwhile."""


@dataclass(frozen=True)
class Start:
    """A person has answered: `role` starts from its packet alone."""

    role: Role
    packet: str


@dataclass(frozen=True)
class Told:
    """A person has answered: the role that waited goes on, and reads this."""

    text: str

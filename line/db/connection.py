"""What both databases have in common: one connection, and the errors it speaks of."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from andon.records.errors import UserError

Row = Mapping[str, Any]
"""One row, by column name."""
Params = Sequence[Any]
"""One value for each `?`."""
WAIT_SECONDS = 30
"""How long a statement may wait for another process."""
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


class DatabaseGone(UserError):
    """The database cannot be reached, or did not answer. The message says which and what to do."""


class Conflict(Exception):
    """A row of the same key is there already."""


class Connection(Protocol):
    """One connection, used by one thread at a time."""

    @property
    def in_transaction(self) -> bool:
        """True between `begin` and `commit` or `rollback`."""
        ...

    @property
    def lost(self) -> bool:
        """True once it cannot be used any more."""
        ...

    def begin(self, alone: str) -> None:
        """Begin to write; with `alone` as the only transaction of that name."""
        ...

    def execute(self, sql: str, params: Params) -> tuple[list[Row], int]:
        """Run one statement: its rows, and how many it changed."""
        ...

    def commit(self) -> None:
        """Keep what was written."""
        ...

    def rollback(self) -> None:
        """Forget what was written. Never raises."""
        ...

    def close(self) -> None:
        """End it, from any thread. Never raises."""
        ...


class Driver(Protocol):
    """How connections to one database are made."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Whose SQL it is."""
        ...

    @property
    def now(self) -> str:
        """SQL for the seconds since 1970."""
        ...

    @property
    def shown(self) -> str:
        """Its name for people, without password."""
        ...

    def connect(self) -> Connection:
        """Open a connection."""
        ...


def storable(value: Any) -> Any:
    """Return `value` as both databases take it: a plain text, without the characters neither keeps; truth as 0 or 1."""
    if isinstance(value, str):
        # A member of an enumeration would be written by its name.
        text = value if type(value) is str else str.__str__(value)
        return _NOT_TEXT.sub("\ufffd", text) if _NOT_TEXT.search(text) else text
    return int(value) if isinstance(value, bool) else value

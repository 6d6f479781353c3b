"""The two roots of everything andon raises on purpose."""

from collections.abc import Callable
from typing import Any

from andon.records.stops import StopCode


class UserError(Exception):
    """The caller can mend this: the message says what, where, and the next step. Exit 2."""


class RunError(Exception):
    """A run cannot go on. `code` is the typed stop; the message states the fact."""

    def __init__(self, code: StopCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Callable[..., "RunError"], tuple[Any, ...]]:
        # The default would call the class with the message alone.
        return _restored, (type(self), self.code, str(self))


class LastingFailure(RunError):
    """A stop that trying again does not mend: somebody has to change something first."""


def _restored(kind: type[RunError], code: StopCode, message: str) -> RunError:
    error = kind.__new__(kind, message)
    error.code = code
    return error

"""The two roots of everything andon raises on purpose."""

from andon.records.stops import StopCode


class UserError(Exception):
    """The caller can mend this: the message says what, where, and the next step. Exit 2."""


class RunError(Exception):
    """A run cannot go on. `code` is the typed stop; the message states the fact."""

    def __init__(self, code: StopCode, message: str) -> None:
        super().__init__(message)
        self.code = code

"""How a run says that it waits for a person whom nobody can ask where it is."""

from typing import Any

from andon.records.errors import RunError
from andon.records.stops import StopCode


class Parked(RunError):
    """The run stands at a question; whoever gets the answer goes on from there, in any process."""

    gate: Any = None
    """The question; only who asks knows its type."""
    agents: dict[str, Any] | None = None
    """Where the agents stand, as JSON; None as long as nobody has added it."""

    def __init__(self, code: StopCode, message: str, gate: Any) -> None:
        """`code` and `message` are the stop that stands while nobody has answered `gate`."""
        super().__init__(code, message)
        self.gate = gate

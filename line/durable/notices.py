"""What a worker tells the person who started it."""

from dataclasses import dataclass
from typing import Literal

from andon.line.db.runs import Run


@dataclass(frozen=True)
class Notice:
    """Something the person who started a worker wants to read."""

    what: Literal["began", "parked", "ended", "put-back", "lost", "waits", "database-gone", "database-back"]
    """`put-back`: the run waits in the queue again; `lost`: another worker has it; `waits`: the one run of this worker
    cannot begin yet."""
    run: Run | None = None
    """The run as its row stood; None where the notice is of no run."""
    text: str = ""
    """Why, where there is more to say."""

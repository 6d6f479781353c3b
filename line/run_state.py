"""What is known of a run so far: whatever ends it, the result is made from this."""

from dataclasses import dataclass

from andon.line.lane import Lane
from andon.records.events import RunEvent
from andon.records.result import Usage
from andon.records.setup import SetupFacts


class UsageSum:
    """Sums what the providers counted, from the event stream."""

    def __init__(self) -> None:
        self.sum = Usage()

    def __call__(self, event: RunEvent) -> None:
        if event.kind == "model.answered":
            counted = Usage.model_validate(event.data["usage"])
            self.sum = Usage(
                requests=self.sum.requests + counted.requests,
                input_tokens=self.sum.input_tokens + counted.input_tokens,
                output_tokens=self.sum.output_tokens + counted.output_tokens,
            )


@dataclass
class RunState:
    """What is known of a run so far; whatever ends it, the result is made from this."""

    usage: UsageSum
    warnings: list[str]
    sandbox_tier: str = ""
    setup: SetupFacts | None = None
    lane: Lane | None = None
    branch: str | None = None
    head_commit: str | None = None

"""What steps of a run change beside their result, so that it comes back where a step does not run again."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from andon.guardrails.budgets import Budget
from andon.line.durable.table_log import TableLog
from andon.line.lane import Lane
from andon.line.saved import SavedLane, read, written
from andon.records.plan import AmendPlan

if TYPE_CHECKING:
    from andon.mcp_servers.settled import Held


class LaneNotes:
    """Implements `line.engine.Notes` over a run's events, its budget and its lane."""

    def __init__(
        self, events: TableLog, budget: Budget, lane: Callable[[], Lane | None], saved: SavedLane | None = None
    ) -> None:
        """`lane` gives the lane, once there is one; `saved` is what it goes on from, no step's doing."""
        self._events = events
        self._budget = budget
        self._lane = lane
        self._held: list[Held] = [read(each) for each in saved.held] if saved else []
        self._question = saved.question if saved else ""
        self._amended = len(saved.amendments) if saved else 0

    def take(self) -> dict[str, Any]:
        """Return what has changed since the last time; JSON."""
        noted: dict[str, Any] = {"told": self._events.told_inside(), "budget": self._budget.take()}
        lane = self._lane()
        if lane is None:
            return noted
        noted["effects"] = lane.effects.take()
        if lane.held != self._held:
            self._held = list(lane.held)
            noted["held"] = [written(each) for each in lane.held]
        if lane.question != self._question:
            self._question = noted["question"] = lane.question
        if len(lane.amendments.granted) != self._amended:
            new = lane.amendments.granted[self._amended :]
            self._amended += len(new)
            noted["amended"] = [each.model_dump(mode="json") for each in new]
        return noted

    def give(self, noted: Mapping[str, Any] | None) -> None:
        """Change the same again."""
        if noted is None:
            return
        self._events.tell_inside(noted["told"])
        self._budget.give(noted["budget"])
        lane = self._lane()
        if lane is None:
            return
        if effects := noted.get("effects"):
            lane.effects.give(effects)
        if (held := noted.get("held")) is not None:
            lane.held = [read(each) for each in held]
            self._held = list(lane.held)
        if (question := noted.get("question")) is not None:
            self._question = lane.question = question
        for each in noted.get("amended", []):
            lane.amendments.again(AmendPlan.model_validate(each))
            self._amended += 1

"""What steps of a run change beside their result: taken after each, and given to the attempt that goes on."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from budget_kit import budget
from database_kit import claimed, new_run

from andon.guardrails.judge import Policy
from andon.guardrails.scope import Scope
from andon.line.amendments import Amendments
from andon.line.db import events, runs
from andon.line.db.database import Database
from andon.line.durable.lane_notes import LaneNotes
from andon.line.durable.table_log import TableLog
from andon.line.saved import SavedLane, written
from andon.mcp_servers.settled import Held
from andon.records.plan import AmendPlan
from andon.sandbox.protocol import REGULAR, Entry

if TYPE_CHECKING:
    from andon.line.lane import Lane

AMENDED = AmendPlan(paths=["helper.py"], why="it holds the constant")
HELD = Held(
    ".github/ci.yml", "review-control", "it decides", "100644 ab", b".github/ci.yml", None,
    Entry(b".github/ci.yml", REGULAR, b"on: push\n", "", False), ("protected",),
)  # fmt: skip


class Effects:
    """Changes of a workspace, as words."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def take(self) -> dict[str, Any]:
        return {"words": list(self.words)}

    def give(self, taken: Any) -> None:
        self.words = list(taken["words"])


@dataclass
class Attempt:
    """What one attempt at a phase works with."""

    log: TableLog
    saved: SavedLane | None = None
    held: list[Held] = field(default_factory=list)
    question: str = ""
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        self.scope = Scope(["calc.py"], [], ["calc.py", "helper.py"])
        policy = Policy(protected=(), locked=(), tracked=frozenset())
        self.amendments = Amendments(policy, 3, self.log.of_steps, lambda: self.scope)
        self.budget = budget()
        if self.saved is not None:
            self.amendments.granted[:] = self.saved.amendments
        self.notes = LaneNotes(self.log, self.budget, lambda: cast("Lane", self), self.saved)

    def take(self) -> Any:
        return json.loads(json.dumps(self.notes.take()))


@pytest.fixture
def db(tmp_path: Path) -> Any:
    database = Database.open(f"sqlite:///{tmp_path}/andon.sqlite")
    runs.add(database, new_run("run-1"))
    claimed(database, "run-1")
    yield database
    database.close()


@pytest.fixture
def begin(db: Database, tmp_path: Path) -> Any:
    numbers = iter(range(1, 9))

    def made(saved: SavedLane | None = None) -> Attempt:
        path = tmp_path / "audit.jsonl"
        return Attempt(TableLog(db, "run-1", "worker-1", path, phase=0, attempt=next(numbers)), saved)

    return made


def state(one: Attempt) -> tuple[Any, ...]:
    return one.amendments.granted, one.scope.covers("helper.py"), one.held, one.effects.words


def saved_lane(**changes: Any) -> SavedLane:
    nothing: dict[str, Any] = dict.fromkeys(("plan", "report", "comparison", "unapproved"))
    words = dict.fromkeys(("tree", "checked", "reviewed"), "")
    lists: dict[str, Any] = {
        name: [] for name in ("head", "reviews", "ignored", "held", "told", "amendments", "kinds", "allowed")
    }
    rest = {"under_review": False, "plan_approved": False, "counts": {}, "asked": 0, "looked": 0}
    return SavedLane.model_validate(nothing | words | lists | rest | changes)


async def test_what_a_step_changed_is_so_in_the_attempt_that_does_not_make_it(begin: Any, db: Database) -> None:
    first = begin()
    first.log.boundary()
    first.amendments.grant(AMENDED)
    first.held, first.effects.words = [HELD], ["calc.py"]
    noted = first.take()
    second = begin()
    second.log.boundary()
    second.notes.give(noted)
    assert state(second) == ([AMENDED], True, [HELD], ["calc.py"])
    await second.log.flush()
    assert [row.kind for row in events.after(db, "run-1", 0)] == ["plan.amended"]


async def test_only_what_is_new_since_the_last_step_is_noted(begin: Any) -> None:
    first = begin()
    first.amendments.grant(AMENDED)
    first.held = [HELD]
    assert {"amended", "held"} <= first.take().keys()
    assert not {"amended", "held"} & first.take().keys()


async def test_a_change_that_is_not_held_any_more_is_noted_too(begin: Any) -> None:
    first = begin()
    first.held = [HELD]
    notes = [first.take()]
    first.held = []
    notes.append(first.take())
    second = begin()
    for noted in notes:
        second.notes.give(noted)
    assert second.held == []


async def test_after_steps_that_are_not_made_the_next_notes_what_is_new_alone(begin: Any) -> None:
    first = begin()
    first.amendments.grant(AMENDED)
    first.held = [HELD]
    noted = first.take()
    second = begin()
    second.notes.give(noted)
    assert not {"amended", "held"} & second.take().keys()


async def test_what_a_run_goes_on_from_is_no_steps_doing(begin: Any) -> None:
    saved = saved_lane(amendments=[AMENDED], held=[written(HELD)])
    first = begin(saved)
    first.held = [HELD]
    noted = first.take()
    assert not {"amended", "held"} & noted.keys()
    second = begin(saved)
    second.notes.give(noted)
    assert second.amendments.granted == [AMENDED], "once, not twice"


async def test_before_there_is_a_lane_the_budget_is_noted(begin: Any) -> None:
    first = begin()
    notes = LaneNotes(first.log, first.budget, lambda: None)
    noted = notes.take()
    assert noted.keys() == {"told", "budget"}
    notes.give(noted)
    notes.give(None)


async def test_a_question_that_a_step_left_is_there_again_until_it_is_answered(begin: Any) -> None:
    first = begin()
    first.question = "Which?"
    asked = first.take()
    first.question = ""
    answered = first.take()
    second = begin()
    second.notes.give(asked)
    assert second.question == "Which?"
    second.notes.give(answered)
    assert second.question == ""

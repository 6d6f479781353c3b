"""What a run may spend: every limit ends it by name, is told before, and waits for people cost no time."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from andon.guardrails.budgets import Budget
from andon.guardrails.stalls import SAME_FAILURES
from andon.records.budget import Allowance, Price
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.result import Usage
from andon.records.stops import StopCode

PRICE = Price(input=Decimal(2), cached_input=Decimal("0.5"), output=Decimal(10))


@dataclass
class Run:
    """A budget, a clock that a test moves, and the calls the line would make."""

    run: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[Role, Allowance] = field(default_factory=dict)
    now: float = 1000.0
    made: int = 0

    def __post_init__(self) -> None:
        prices: dict[Role, Price | None] = dict.fromkeys(("planner", "executor", "reviewer"), PRICE)
        self.budget = Budget(Allowance(**self.run), self.roles, lambda: self.now, prices)

    def answer(self, role: Role = "executor", *, sent: int = 100, got: int = 10, took: float = 0.0) -> None:
        self.budget.before_model_call(role)
        with self.budget.working(role):
            self.now += took
        usage = Usage(requests=1, input_tokens=sent, output_tokens=got)
        self.budget.after_answer(role, self.budget.priced(role, usage))

    def tool(self, role: Role = "executor", *, took: float = 0.0) -> None:
        self.made += 1
        arguments = {"path": str(self.made)}
        assert self.budget.before_tool_call(role, "read_file", arguments, state="") is None
        with self.budget.working(role):
            self.now += took
        self.budget.after_tool_call(role, "read_file", arguments, "text", state="")

    def notes(self, role: Role = "executor") -> list[str]:
        return [note.text for note in self.budget.notes(role)]


def stop(run: Run, role: Role = "executor", *, by: str = "answer") -> tuple[StopCode, str]:
    with pytest.raises(RunError) as caught:
        run.answer(role) if by == "answer" else run.tool(role)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"model_calls": 3}, "limits.model_calls: 3 of 3 model calls of the run are spent."),
        ({"tokens": 1250}, "limits.tokens: 1,320 of 1,250 tokens of the run are spent."),
        # Each answer: 100 tokens at 2 and 10 at 10 dollars a million.
        ({"cost": Decimal("0.0008")}, "limits.cost: 0.000900 of 0.0008 US dollars of the run are spent."),
        ({"minutes": Decimal("1.5")}, "limits.minutes: 1.5 of 1.5 minutes of the run are spent."),
    ],
)
def test_a_spent_limit_ends_the_run_before_the_next_request_and_names_itself(limits: dict[str, Any], says: str) -> None:
    run = Run(limits)
    roles: tuple[Role, ...] = ("planner", "executor", "reviewer")
    sent = {"tokens": 430}.get(next(iter(limits)), 100)
    for role in roles:
        run.answer(role, sent=sent, took=30)
    assert stop(run, "executor") == (StopCode.BUDGET_SPENT, says)


def test_tool_calls_are_limited_and_leave_the_model_free_to_hand_over() -> None:
    run = Run({"tool_calls": 2})
    run.tool("planner")
    run.tool("executor")
    assert stop(run, by="tool") == (
        StopCode.BUDGET_SPENT, "limits.tool_calls: 2 of 2 tool calls of the run are spent.",
    )  # fmt: skip
    run.answer()


def test_what_an_answer_asked_for_is_done_even_where_it_spent_the_last_money() -> None:
    run = Run({"tokens": 100, "cost": Decimal("0.0001"), "model_calls": 1})
    run.answer()
    run.tool()
    assert stop(run)[0] is StopCode.BUDGET_SPENT


def test_time_that_is_spent_ends_the_run_at_a_tool_call_too() -> None:
    run = Run({"minutes": Decimal(1)})
    run.answer(took=59)
    run.tool(took=1)
    assert stop(run, by="tool") == (
        StopCode.BUDGET_SPENT, "limits.minutes: 1 of 1 minutes of the run are spent.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"model_calls": 2}, "limits.executor.model_calls: 2 of 2 model calls of the executor are spent."),
        ({"tokens": 220}, "limits.executor.tokens: 220 of 220 tokens of the executor are spent."),
        ({"cost": Decimal("0.0006")}, "limits.executor.cost: 0.000600 of 0.0006 US dollars of the executor are spent."),
        ({"minutes": Decimal(1)}, "limits.executor.minutes: 1 of 1 minutes of the executor are spent."),
    ],
)
def test_a_limit_of_a_role_counts_that_role_alone(own: dict[str, Any], says: str) -> None:
    run = Run({}, {"executor": Allowance(**own)})
    for _ in range(9):
        run.answer("planner", took=30)
    run.answer(took=30)
    run.answer(took=30)
    assert stop(run) == (StopCode.BUDGET_SPENT, says)
    run.answer("reviewer")


def test_tool_calls_of_a_role_are_limited() -> None:
    run = Run({}, {"reviewer": Allowance(tool_calls=1)})
    run.tool("executor")
    run.tool("reviewer")
    assert "limits.reviewer.tool_calls: 1 of 1" in stop(run, "reviewer", by="tool")[1]
    run.tool("executor")


def test_without_limits_nothing_ends() -> None:
    run = Run()
    for _ in range(200):
        run.answer(sent=10**9, took=10**6)
        run.tool(took=10**6)
    assert run.notes() == []


def test_time_between_the_steps_of_roles_counts_for_the_run_alone() -> None:
    run = Run({"minutes": Decimal(2)}, {"executor": Allowance(minutes=Decimal(1))})
    run.now += 100
    run.answer(took=10)
    run.now += 10
    assert stop(run)[1] == "limits.minutes: 2 of 2 minutes of the run are spent."


def test_no_time_passes_while_a_person_is_asked() -> None:
    run = Run({"minutes": Decimal(1)})
    run.answer(took=30)
    run.budget.pause()
    run.now += 100_000
    run.budget.pause()
    run.now += 100_000
    run.budget.resume()
    run.budget.resume()
    run.answer(took=29)
    run.answer(took=1)
    assert stop(run)[1] == "limits.minutes: 1 of 1 minutes of the run are spent."


def test_time_in_a_step_that_fails_counts() -> None:
    run = Run({}, {"executor": Allowance(minutes=Decimal(1))})
    with suppress(KeyError), run.budget.working("executor"):
        run.now += 60
        raise KeyError
    assert "limits.executor.minutes" in stop(run)[1]


@pytest.mark.parametrize(
    ("limits", "took", "answers", "says"),
    [
        (
            {"model_calls": 80},
            0,
            68,
            "andon: 12 model calls left of 80 (limits.model_calls): finish what stands and hand over",
        ),
        (
            {"model_calls": 5},
            0,
            3,
            "andon: 2 model calls left of 5 (limits.model_calls): finish what stands and hand over",
        ),
        ({"tokens": 1000}, 0, 8, "andon: 120 tokens left of 1,000 (limits.tokens): finish what stands and hand over"),
        (
            {"cost": Decimal("0.003")},
            0,
            9,
            "andon: 0.000300 US dollars left of 0.003 (limits.cost): finish what stands and hand over",
        ),
        ({"minutes": 10}, 60, 9, "andon: 1 minutes left of 10 (limits.minutes): finish what stands and hand over"),
    ],
)
def test_a_limit_that_is_nearly_reached_is_told_once_and_not_before(
    limits: dict[str, Any], took: float, answers: int, says: str
) -> None:
    run = Run(limits)
    told = []
    for _ in range(answers):
        run.answer(took=took)
        run.tool()
        told.append(run.notes())
    run.answer(took=took / 10)
    assert told == [[]] * (answers - 1) + [[says]]
    assert run.notes() == []


def test_the_last_tool_call_is_told_too_since_a_role_can_still_hand_over() -> None:
    run = Run({"tool_calls": 1})
    run.tool()
    assert run.notes() == ["andon: 0 tool calls left of 1 (limits.tool_calls): finish what stands and hand over"]


def test_what_nobody_could_read_any_more_is_not_told() -> None:
    run = Run({"model_calls": 1, "tokens": 5})
    run.answer()
    assert run.notes() == []


def test_each_role_is_told_when_it_begins_and_is_told_of_its_own_limits_only() -> None:
    run = Run({"model_calls": 6}, {"reviewer": Allowance(tool_calls=2)})
    for _ in range(4):
        run.answer()
    note = "andon: 2 model calls left of 6 (limits.model_calls): finish what stands and hand over"
    assert (run.notes(), run.notes()) == ([note], [])
    run.answer("reviewer")
    assert run.notes("reviewer") == [
        "andon: 1 model calls left of 6 (limits.model_calls): finish what stands and hand over",
        "andon: 2 tool calls left of 2 (limits.reviewer.tool_calls): finish what stands and hand over",
    ]


def test_a_note_says_its_limit_and_what_is_left() -> None:
    run = Run({"model_calls": 3})
    run.answer()
    (note,) = run.budget.notes("executor")
    assert (note.limit, note.left) == ("limits.model_calls", "2")


def test_an_unpriced_answer_has_no_cost_and_spends_no_money() -> None:
    budget = Budget(Allowance(cost=Decimal(1)), {}, lambda: 0.0, {"executor": None})
    usage = budget.priced("executor", Usage(requests=1, input_tokens=10**9, output_tokens=10**9))
    budget.after_answer("executor", usage)
    budget.before_model_call("executor")
    assert usage.cost is None


def test_calls_in_circles_are_refused_and_count_as_calls() -> None:
    run = Run({"tool_calls": 7})
    for _ in range(5):
        run.answer()
        assert run.budget.before_tool_call("executor", "search", {"query": "a"}, state="s") is None
        run.budget.after_tool_call("executor", "search", {"query": "a"}, "nothing", state="s")
    for _ in range(2):
        run.answer()
        refused = run.budget.before_tool_call("executor", "search", {"query": "a"}, state="s")
        assert refused is not None
        assert refused.rule == "repeat"
    assert stop(run, by="tool")[1] == "limits.tool_calls: 7 of 7 tool calls of the run are spent."


def test_a_role_that_repeats_what_was_refused_turn_after_turn_is_stuck() -> None:
    run = Run()
    for _ in range(5):
        run.answer()
        run.budget.before_tool_call("executor", "search", {}, state="s")
        run.budget.after_tool_call("executor", "search", {}, "nothing", state="s")
    for _ in range(3):
        run.answer()
        run.budget.before_tool_call("executor", "search", {}, state="s")
    run.answer()
    with pytest.raises(RunError) as caught:
        run.budget.before_tool_call("executor", "search", {}, state="s")
    assert caught.value.code is StopCode.STUCK


def test_work_that_stands_still_is_counted_on_in_the_process_that_goes_on_and_not_told_twice() -> None:
    first, second = Run(), Run()
    for number in range(SAME_FAILURES):
        first.budget.after_answer("executor", Usage(requests=1))
        first.budget.before_tool_call("executor", "run_tests", {}, state=f"s{number}")
        first.budget.after_tool_call("executor", "run_tests", {}, "1 failed", state=f"s{number}", failure="1 failed")
        kept = first.budget.take()
        second.budget.after_answer("executor", Usage(requests=1))
        second.budget.give(kept)
    assert (len(first.budget.nudges("executor")), second.budget.nudges("executor")) == (1, [])
    for number in range(SAME_FAILURES):
        second.budget.after_answer("executor", Usage(requests=1))
        second.budget.after_tool_call("executor", "run_tests", {}, "1 failed", state=f"t{number}", failure="1 failed")
    with pytest.raises(RunError) as caught:
        second.budget.before_tool_call("executor", "run_tests", {}, state="t")
    assert caught.value.code is StopCode.STUCK


def test_what_a_run_has_spent_is_told_with_the_answer_that_is_not_counted_yet() -> None:
    run = Run()
    run.budget.after_answer("planner", Usage(requests=1, input_tokens=10, output_tokens=5))
    told = run.budget.so_far(Usage(requests=1, input_tokens=20, output_tokens=5))
    assert told == {"model_calls": 2, "tokens": 40, "cost": None}

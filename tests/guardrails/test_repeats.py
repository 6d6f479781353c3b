"""Calls in circles: what counts as one, what does not, and what ends the run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from andon.guardrails.repeats import Repeats
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.stops import StopCode


@dataclass
class Caller:
    """Makes calls one after another as the toolset does, one an answer of the model."""

    repeats: Repeats = field(default_factory=Repeats)
    state: str = "base"
    turn: int = 0

    def call(
        self,
        path: str,
        *,
        tool: str = "read_file",
        role: Role = "executor",
        says: str = "text",
        leaves: str | None = None,
        same_turn: bool = False,
    ) -> str | None:
        """Make one call; return why it was refused."""
        self.turn += not same_turn
        arguments: dict[str, Any] = {"path": path}
        refused = self.repeats.judge(role, tool, arguments, state=self.state, turn=self.turn)
        if refused is not None:
            assert (refused.verdict, refused.rule) == ("refuse", "repeat")
            return refused.reason
        self.state = leaves or self.state
        self.repeats.made(role, tool, arguments, says, state=self.state)
        return None

    def calls(self, paths: Sequence[str]) -> list[str]:
        """Make calls; return the ones that were refused, with their places."""
        return [f"{number}{path}" for number, path in enumerate(paths, 1) if self.call(path)]


def test_the_sixth_identical_call_with_the_same_answer_is_refused_and_told_what_else_to_do() -> None:
    caller = Caller()
    assert [caller.call("a") for _ in range(5)] == [None] * 5
    assert caller.call("a") == (
        "this call was made 5 times with the same answer, and nothing changed in between: it will say the same again. "
        "Use what it said, try something else, or hand over and say what is missing"
    )


def test_other_calls_in_between_do_not_hide_the_same_one() -> None:
    assert Caller().calls("abacadaeaf" + "a" + "b") == ["11a"]


def test_another_answer_begins_the_count_again() -> None:
    caller = Caller()
    answers = ["1 failed"] * 5 + ["1 passed"] * 5
    assert [caller.call("a", says=answer) for answer in answers[:5]] == [None] * 5
    caller.state = "changed"
    assert [caller.call("a", says=answer) for answer in answers[5:]] == [None] * 5
    assert caller.call("a") is not None


def test_an_answer_that_differs_each_time_is_never_a_repeat() -> None:
    caller = Caller()
    assert [caller.call("a", says=str(number)) for number in range(20)] == [None] * 20


def test_a_changed_workspace_begins_the_count_again() -> None:
    caller = Caller()
    for _ in range(3):
        assert [caller.call("a") for _ in range(5)] == [None] * 5
        assert caller.call("b", tool="write_file", leaves=f"{caller.state}+") is None


def test_a_change_by_another_role_begins_the_count_again() -> None:
    caller = Caller()
    assert [caller.call("a", role="reviewer") for _ in range(5)] == [None] * 5
    caller.call("b", role="executor", tool="write_file", leaves="changed")
    assert caller.call("a", role="reviewer") is None


@pytest.mark.parametrize(("role", "tool"), [("reviewer", "read_file"), ("executor", "search")])
def test_another_role_or_another_tool_is_another_call(role: Role, tool: str) -> None:
    caller = Caller()
    assert caller.calls("aaaaa") == []
    assert caller.call("a", role=role, tool=tool) is None


def test_the_order_of_arguments_makes_no_other_call() -> None:
    repeats = Repeats()
    orders: list[dict[str, Any]] = [{"path": "a", "start": 1}, {"start": 1, "path": "a"}]
    for number in range(5):
        assert repeats.judge("executor", "read_file", orders[number % 2], state="", turn=number) is None
        repeats.made("executor", "read_file", orders[number % 2], "text", state="")
    assert repeats.judge("executor", "read_file", orders[1], state="", turn=6) is not None


@pytest.mark.parametrize("arguments", [None, "text", ["a"], {"path": "\ud800"}, {"path": {"deep": [1, {}]}}])
def test_arguments_of_any_kind_are_compared(arguments: Any) -> None:
    repeats = Repeats()
    for number in range(5):
        assert repeats.judge("executor", "t", arguments, state="", turn=number) is None
        repeats.made("executor", "t", arguments, "refused (arguments): \ud800", state="")
    assert repeats.judge("executor", "t", arguments, state="", turn=6) is not None


def test_two_calls_in_turn_are_refused_in_their_fourth_round() -> None:
    caller = Caller()
    assert caller.calls("ababab") == []
    refusal = (
        "two calls were made in turn 3 times with the same answers each time: another round will show nothing new. "
        "Use what they said, try something else, or hand over and say what is missing"
    )
    assert [caller.call("a"), caller.call("b")] == [refusal, refusal]


def test_a_third_call_ends_a_circle_of_two() -> None:
    caller = Caller()
    assert caller.calls("abababa") == ["7a"]
    assert caller.calls("ca") == []


@pytest.mark.parametrize("paths", ["aabbaabb", "abcabcabcabc", "abababcab"])
def test_other_patterns_are_no_circle_of_two(paths: str) -> None:
    assert Caller().calls(paths) == []


def test_two_calls_in_turn_that_say_something_new_are_no_circle() -> None:
    caller = Caller()
    assert [caller.call("ab"[number % 2], says=str(number // 2)) for number in range(20)] == [None] * 20


def test_doing_and_undoing_in_turn_is_a_circle_too() -> None:
    caller = Caller()
    turns = [
        caller.call("ab"[number % 2], tool="edit_file", leaves=["edited", "base"][number % 2]) for number in range(7)
    ]
    assert [refused is not None for refused in turns] == [False] * 6 + [True]


def test_editing_and_testing_in_turn_is_work() -> None:
    caller = Caller()
    for number in range(10):
        assert caller.call("edit", tool="edit_file", leaves=f"tree-{number}") is None
        assert caller.call("test", tool="run_tests", says="1 failed") is None


def test_repeating_what_was_refused_in_three_further_turns_ends_the_run() -> None:
    caller = Caller()
    caller.calls("aaaaa")
    assert all(caller.call("a") for _ in range(4 - 1))
    with pytest.raises(RunError) as caught:
        caller.call("a")
    assert caught.value.code is StopCode.STUCK
    assert str(caught.value).startswith(
        "The executor repeated calls that were refused as repeats, last read_file: this call was made 5 times with the "
    )


def test_a_circle_of_two_that_goes_on_ends_the_run() -> None:
    caller = Caller()
    caller.calls("ababab")
    assert [caller.call(path) is None for path in "aba"] == [False] * 3
    with pytest.raises(RunError, match="refused as repeats"):
        caller.call("b")


def test_the_refused_calls_of_one_answer_count_once() -> None:
    caller = Caller()
    caller.calls("aaaaa")
    assert all(caller.call("a", same_turn=number > 0) for number in range(10))


def test_a_change_forgives_what_was_refused() -> None:
    caller = Caller()
    for _ in range(3):
        assert caller.calls("aaaaaaa") == ["6a", "7a"]
        caller.call("b", tool="write_file", leaves=f"{caller.state}+")

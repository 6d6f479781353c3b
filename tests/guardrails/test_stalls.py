"""Work that stands still: what is told once and then ends the run, and the good work that looks like it."""

from dataclasses import dataclass, field

import pytest

from andon.guardrails.stalls import KNOWN_TURNS, SAME_FAILURES, Stalls, failure_of
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.stops import StopCode


@dataclass
class Worker:
    """Makes calls as the toolset does, one an answer of the model, and reads what it is told."""

    stalls: Stalls = field(default_factory=Stalls)
    state: str = "base"
    turn: int = 0
    told: list[tuple[int, str]] = field(default_factory=list)

    def call(self, name: str, says: str = "text", *, fails: bool = False, role: Role = "executor") -> None:
        self.turn += 1
        self.stalls.check(role, "run_tests")
        failure = says if fails else ""
        self.stalls.made(role, name, says, failure=failure, state=self.state, turn=self.turn)
        self.told += [(self.turn, line) for line in self.stalls.nudges(role)]

    def edit(self) -> None:
        self.state += "+"
        self.call("edit_file", f"edited {self.state}")


def stop(worker: Worker, name: str, says: str = "text", *, fails: bool = False) -> tuple[StopCode, str]:
    with pytest.raises(RunError) as caught:
        worker.call(name, says, fails=fails)
    return caught.value.code, str(caught.value)


def test_a_failure_that_no_edit_moves_is_told_once_and_then_ends_the_run() -> None:
    worker = Worker()
    for _ in range(2 * SAME_FAILURES):
        worker.edit()
        worker.call("run_tests", "1 failed: assert 3 == 4", fails=True)
    [(turn, line)] = worker.told
    assert turn == 2 * SAME_FAILURES
    assert line.startswith(f"andon: the same failure came in {SAME_FAILURES} turns, whatever was changed in between")
    assert stop(worker, "read_file") == (
        StopCode.STUCK,
        "The executor was told so and met the same failure in 12 turns, whatever it changed; its next call was "
        "run_tests.",
    )


def test_the_same_error_of_different_calls_counts_as_one() -> None:
    worker = Worker()
    for number in range(SAME_FAILURES):
        worker.call(f"edit {number}", "refused (scope): the plan does not cover it", fails=True)
    assert len(worker.told) == 1


def test_several_failures_of_one_answer_count_once() -> None:
    stalls = Stalls()
    for number in range(4 * SAME_FAILURES):
        stalls.made("executor", f"edit {number}", "no", failure="no", state="", turn=1)
    assert stalls.nudges("executor") == []


def test_a_long_search_for_a_fault_whose_failure_moves_is_left_alone() -> None:
    worker = Worker()
    for number in range(30):
        worker.edit()
        for _ in range(3):
            worker.call("run_tests", f"1 failed: assert {number} == 31", fails=True)
            worker.call("run_command print", f"value {number}")
    assert worker.told == []


def test_what_is_red_all_along_is_no_stall_while_other_tests_turn_green() -> None:
    worker = Worker()
    for number in range(15):
        worker.call(f"run_tests test_{number}", "1 failed", fails=True)
        worker.edit()
        worker.call(f"run_tests test_{number}", "1 passed")
        worker.call("run_tests", "1 failed: test_known_red", fails=True)
    assert worker.told == []


def test_thirty_files_read_one_after_another_are_no_stall() -> None:
    worker = Worker()
    for number in range(30):
        worker.call(f"read_file {number}", f"content {number}")
    for number in range(KNOWN_TURNS - 1):
        worker.call(f"read_file {number}", f"content {number}")
    worker.edit()
    assert worker.told == []


def test_turns_of_known_answers_are_told_once_and_then_end_the_run() -> None:
    worker = Worker()
    for number in range(2 * KNOWN_TURNS + 1):
        worker.call(f"read_file {number}")
    for number in range(2 * KNOWN_TURNS + 1):
        worker.call(f"read_file {number}")
    [(_, line)] = worker.told
    assert line.startswith(f"andon: the last {KNOWN_TURNS} turns asked only what was answered before")
    assert stop(worker, "read_file 0") == (
        StopCode.STUCK,
        "The executor was told so and asked only what was answered before, 16 turns in a row; its next call was "
        "run_tests.",
    )


def test_one_new_answer_begins_the_count_of_known_turns_again() -> None:
    worker = Worker()
    for round_number in range(10):
        worker.call(f"new {round_number}", f"content {round_number}")
        for number in range(KNOWN_TURNS - 1):
            worker.call(f"read_file {number}")
    assert worker.told == []


def test_a_role_that_begins_from_its_packet_reads_again_what_it_read_before() -> None:
    worker = Worker()
    for _ in range(4):
        worker.stalls.begin("executor")
        for number in range(20):
            worker.call(f"read_file {number}")
            worker.call(f"edit {number}", "no match", fails=number % 5 == 0)
    assert worker.told == []


def test_another_role_has_met_nothing_of_it() -> None:
    worker = Worker()
    for _ in range(2 * SAME_FAILURES):
        worker.edit()
        worker.call("run_tests", "1 failed", fails=True)
    worker.call("run_tests", "1 failed", fails=True, role="reviewer")
    assert len(worker.told) == 1


@pytest.mark.parametrize(
    ("text", "is_error", "failure"),
    [
        ("exit code 0\n3 passed", False, ""),
        ("exit code 1\n1 failed\nin 0.03s at 0x7f00aa11bb22", False, "exit code 1\n1 failed\nin <time> at 0x…"),
        ("exit code 1 (no output)", False, ""),
        ("exit code 124 (stopped at the time limit)\nx", False, "exit code 124 (stopped at the time limit)\nx"),
        ("there is no file 'a'", True, "there is no file 'a'"),
        ("1: exit code of the tool", False, ""),
        ("", False, ""),
    ],
)
def test_what_failed_is_told_by_its_words_without_times_and_addresses(text: str, is_error: bool, failure: str) -> None:
    assert failure_of(text, is_error=is_error) == failure

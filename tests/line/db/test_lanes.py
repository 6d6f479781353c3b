"""Lanes: pausing, opening, and the line that stops itself; on both databases."""

import dataclasses

import pytest
from queue_kit import REPOSITORY, add, beat, end, ended, new, taken

from andon.line.db.database import Database
from andon.line.db.lanes import Lane, closed_lanes, lane, note_end, open_lane, pause
from andon.records.errors import UserError
from andon.records.stops import MEANINGS, StopCode

BUDGET, STUCK = StopCode.BUDGET_SPENT, StopCode.STUCK


def untimed(found: Lane | None) -> Lane | None:
    return None if found is None else dataclasses.replace(found, changed_at=0.0)


def halts(db: Database, *codes: StopCode, after: int = 3) -> list[bool]:
    """End a run with each code and return which of them halted the lane."""
    return [note_end(db, ended(db, code), after) is not None for code in codes]


def test_a_lane_nobody_touched_is_open(db: Database) -> None:
    assert lane(db, REPOSITORY, "default") == Lane(REPOSITORY, "default")
    assert closed_lanes(db, REPOSITORY) == []


def test_a_paused_lane_keeps_reason_and_person_and_time_until_it_is_opened(db: Database) -> None:
    paused = pause(db, REPOSITORY, "nightly", reason=" release day ", by="ada")
    assert untimed(paused) == Lane(REPOSITORY, "nightly", "paused", "release day", by="ada")
    [now] = db.read(f"SELECT {db.now} AS now")
    assert 0 <= now["now"] - paused.changed_at < 60
    assert closed_lanes(db, REPOSITORY) == [lane(db, REPOSITORY, "nightly")] == [paused]
    assert open_lane(db, REPOSITORY, "nightly", by="bob") == paused
    assert untimed(lane(db, REPOSITORY, "nightly")) == Lane(REPOSITORY, "nightly", by="bob")
    assert closed_lanes(db, REPOSITORY) == []


def test_lanes_of_one_name_in_two_repositories_are_two(db: Database) -> None:
    pause(db, REPOSITORY, "default", reason="", by="ada")
    assert lane(db, "forge.example/team/other", "default").state == "open"
    assert closed_lanes(db, "forge.example/team/other") == []


def test_refuses_to_pause_twice_and_to_open_what_is_open(db: Database) -> None:
    pause(db, REPOSITORY, "nightly", reason="release", by="ada")
    with pytest.raises(UserError, match="lane nightly is paused already: release"):
        pause(db, REPOSITORY, "nightly", reason="again", by="bob")
    with pytest.raises(UserError, match="lane default is open, there is nothing to resume; closed are: nightly"):
        open_lane(db, REPOSITORY, "default", by="ada")
    assert lane(db, REPOSITORY, "nightly").reason == "release"


@pytest.mark.parametrize("name", ["", " ", "-x", "a b", "../x", "x" * 65, "ü", "a\n"])
def test_refuses_a_name_that_cannot_be_a_lanes(db: Database, name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a lane"):
        pause(db, REPOSITORY, name, reason="", by="ada")
    assert closed_lanes(db, REPOSITORY) == []


def test_the_third_stop_of_one_class_in_a_row_halts_the_lane(db: Database) -> None:
    noted = []
    for number in (1, 2, 3):
        run = ended(db, BUDGET, new(f"run-{number}", task=f"t-{number}", title=f"Page {number}"))
        noted.append(note_end(db, run, 3))
    *before, halted = noted
    assert before == [None, None]
    assert untimed(halted) == Lane(
        REPOSITORY,
        "default",
        "halted",
        reason="3 runs in a row stopped with budget-spent: run-1, run-2, run-3",
        lesson="\n".join(
            [
                "# 3 × budget-spent in a row",
                "",
                "These runs ended as stopped, exit 40:",
                "- t-1: Page 1 (run run-1)",
                "- t-2: Page 2 (run run-2)",
                "- t-3: Page 3 (run run-3)",
                "",
                f"What andon advises for budget-spent: {MEANINGS[BUDGET].remedy}",
                "What they have in common, and what was changed so that it does not come again: (a person writes this)",
            ]
        ),
        by="andon",
    )
    assert closed_lanes(db, REPOSITORY) == [halted]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((BUDGET, STUCK, BUDGET, BUDGET), [False, False, False, False]),
        ((BUDGET, BUDGET, StopCode.DELIVERED, BUDGET, BUDGET), [False] * 5),
        ((BUDGET, STUCK, STUCK, STUCK), [False, False, False, True]),
        ((BUDGET, StopCode.INTERRUPTED, BUDGET, StopCode.NEEDS_PERSON, BUDGET), [False, False, False, False, True]),
        ((StopCode.DELIVERED,) * 4, [False] * 4),
        ((StopCode.INTERRUPTED,) * 4, [False] * 4),
        ((StopCode.NEEDS_PERSON,) * 4, [False] * 4),
    ],
)
def test_what_makes_a_row_of_stops(db: Database, codes: tuple[StopCode, ...], expected: list[bool]) -> None:
    assert halts(db, *codes) == expected


def test_how_many_is_settable_and_zero_is_never(db: Database) -> None:
    assert halts(db, *[BUDGET] * 5, after=0) == [False] * 5
    assert halts(db, StopCode.STUCK, after=1) == [True]


def test_stops_of_another_lane_or_repository_do_not_count(db: Database) -> None:
    assert halts(db, BUDGET, BUDGET) == [False, False]
    for other in (new(lane="nightly"), new(repository="forge.example/team/other")):
        assert note_end(db, ended(db, BUDGET, other), 3) is None
    assert closed_lanes(db, REPOSITORY) == []


def test_a_halted_lane_keeps_its_first_reason_and_counts_anew_once_it_is_opened(db: Database) -> None:
    assert halts(db, BUDGET, BUDGET, BUDGET) == [False, False, True]
    first = lane(db, REPOSITORY, "default")
    with pytest.raises(UserError, match="lane default is halted already"):
        pause(db, REPOSITORY, "default", reason="x", by="ada")
    open_lane(db, REPOSITORY, "default", by="ada")
    assert halts(db, BUDGET, BUDGET) == [False, False]
    assert halts(db, BUDGET) == [True]
    assert lane(db, REPOSITORY, "default").reason != first.reason


def test_runs_that_began_before_the_halt_and_stop_after_it_change_nothing(db: Database) -> None:
    add(db, new(), new())
    beat(db, "other")
    late = [taken(db, "other").run, taken(db, "other").run]
    assert halts(db, BUDGET, BUDGET, BUDGET) == [False, False, True]
    first = lane(db, REPOSITORY, "default")
    assert [note_end(db, end(db, run, BUDGET), 3) for run in late] == [None, None]
    assert lane(db, REPOSITORY, "default") == first


def test_an_end_told_twice_counts_once(db: Database) -> None:
    run = ended(db, BUDGET)
    assert [note_end(db, run, 2) for _ in range(3)] == [None, None, None]

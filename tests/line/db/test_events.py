from dataclasses import replace

import pytest
from database_kit import claimed, new_run

from andon.line.db import events, runs
from andon.line.db.database import Database
from andon.line.db.events import EventRow
from andon.line.db.runs import Fenced

ROWS = [
    EventRow(seq, "2026-01-01T00:00:00.000Z", "phase", f'{{"seq":{seq},"data":"ä \'? %"}}', f"p{seq}")
    for seq in range(1, 121)
]


@pytest.fixture
def run(db: Database) -> str:
    """A run that worker-1 works on."""
    runs.add(db, new_run())
    return claimed(db, "run-1").id


def test_events_are_read_as_they_were_stored_from_any_number_on(db: Database, run: str) -> None:
    events.append(db, run, "worker-1", ROWS[:3])
    events.append(db, run, "worker-1", ROWS[3:])
    assert events.after(db, run, 0) == ROWS
    assert events.after(db, run, 100, limit=5) == ROWS[100:105]
    assert events.after(db, run, 120) == []
    assert events.last(db, run) == ROWS[-1]
    assert (events.after(db, "other", 0), events.last(db, "other")) == ([], None)


def test_nothing_to_store_is_fine(db: Database, run: str) -> None:
    events.append(db, run, "nobody", [])
    assert events.last(db, run) is None


def test_the_same_events_again_are_stored_once(db: Database, run: str) -> None:
    events.append(db, run, "worker-1", ROWS[:3])
    events.append(db, run, "worker-1", ROWS[1:5])
    assert events.after(db, run, 0) == ROWS[:5]


def test_refuses_another_event_of_a_number_and_stores_none_of_its_company(db: Database, run: str) -> None:
    events.append(db, run, "worker-1", ROWS[:3])
    with pytest.raises(Fenced):
        events.append(db, run, "worker-1", [replace(ROWS[2], line="another"), ROWS[3]])
    assert events.after(db, run, 0) == ROWS[:3]


def test_refuses_the_events_of_a_worker_that_lost_the_run(db: Database, run: str) -> None:
    claimed(db, run, "worker-2")
    with pytest.raises(Fenced):
        events.append(db, run, "worker-1", ROWS[:1])
    with pytest.raises(Fenced):
        events.append(db, "no-run", "worker-1", ROWS[:1])
    assert events.last(db, run) is None

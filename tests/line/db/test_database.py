"""What both databases promise."""

import signal
import threading
import time

import pytest
from database_kit import new_run

from andon.line.db import runs
from andon.line.db.database import Conflict, Database, exists
from andon.records.errors import RunError
from andon.records.stops import StopCode


def _write(db: Database, name: str, failures: int = 0) -> None:
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO providers (name, failures, blocked_until, reason) VALUES (?, ?, ?, '')", [name, failures, 0.5]
        )


def _names(db: Database) -> list[str]:
    return [row["name"] for row in db.read("SELECT name FROM providers ORDER BY name")]


def test_keeps_what_a_transaction_wrote(db: Database) -> None:
    _write(db, "one", 3)
    rows = db.read("SELECT * FROM providers WHERE name = ?", ["one"])
    assert rows == [{"name": "one", "failures": 3, "blocked_until": 0.5, "reason": ""}]


def test_forgets_what_a_failed_transaction_wrote(db: Database) -> None:
    def fail() -> None:
        with db.transaction() as tx:
            tx.execute("INSERT INTO providers (name, failures, blocked_until, reason) VALUES ('a', 0, 0, '')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _names(db) == []


def test_tells_how_many_rows_were_changed(db: Database) -> None:
    for name in ("a", "b", "c"):
        _write(db, name)
    with db.transaction() as tx:
        tx.execute("UPDATE providers SET failures = 1 WHERE name <> 'a'")
        assert tx.changed == 2
        rows = tx.execute("UPDATE providers SET failures = 2 WHERE name <> 'b' RETURNING name")
        assert (tx.changed, sorted(row["name"] for row in rows)) == (2, ["a", "c"])
        tx.execute("UPDATE providers SET failures = 3 WHERE name = 'none'")
        assert tx.changed == 0
        tx.execute("INSERT INTO providers (name, failures, blocked_until, reason) VALUES ('a', 9, 0, '') "
                   "ON CONFLICT DO NOTHING")  # fmt: skip
        assert tx.changed == 0


def test_a_second_row_of_one_key_is_a_conflict_and_writes_nothing(db: Database) -> None:
    _write(db, "a")
    with pytest.raises(Conflict):
        _write(db, "a")
    assert _names(db) == ["a"]


def test_a_transaction_inside_another_is_refused(db: Database) -> None:
    with pytest.raises(RunError) as raised, db.transaction(), db.transaction():
        pass
    assert raised.value.code is StopCode.INTERNAL
    _write(db, "afterwards")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("a question? 100 % 'sure' \"{}\" \\ %s $1 ä 中", "a question? 100 % 'sure' \"{}\" \\ %s $1 ä 中"),
        ("nul\0 and half \ud800 a pair", "nul\ufffd and half \ufffd a pair"),
        (StopCode.FLAKY, "flaky"),
        ("x'; DROP TABLE providers; --", "x'; DROP TABLE providers; --"),
    ],
)
def test_text_comes_back_as_it_was_given_as_far_as_databases_keep_it(db: Database, given: str, stored: str) -> None:
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO providers (name, failures, blocked_until, reason) VALUES (?, 0, 0, '100 % sure')", [given]
        )
    assert db.read("SELECT name, reason FROM providers") == [{"name": stored, "reason": "100 % sure"}]


def test_other_values_come_back_as_python_values(db: Database) -> None:
    content = bytes(range(256))
    with db.transaction() as tx:
        tx.execute("INSERT INTO blobs (digest, part, content) VALUES ('d', ?, ?)", [2**62, content])
        tx.execute(
            "INSERT INTO providers (name, failures, blocked_until, reason) VALUES ('p', ?, ?, '')", [True, 1.1e12]
        )
    assert db.read("SELECT part, content FROM blobs WHERE ? IS NULL", [None]) == [{"part": 2**62, "content": content}]
    sums = db.read("SELECT SUM(failures) AS whole, SUM(blocked_until) AS broken, MAX(reason) AS text FROM providers")
    assert sums == [{"whole": 1, "broken": 1.1e12, "text": ""}]
    assert type(sums[0]["whole"]) is int


def test_the_clock_is_that_of_the_machine_and_stands_still_within_a_statement(db: Database) -> None:
    before = time.time()
    row = db.read(f"SELECT {db.now} AS one, {db.now} AS two")[0]
    assert row["one"] == row["two"]
    assert before - 0.01 <= row["one"] <= time.time() + 0.01
    assert type(row["one"]) is float


def test_every_thread_has_its_own_transaction(db: Database) -> None:
    """What one thread has not committed another does not see, and the other's own write waits or goes through."""
    inside, seen = threading.Event(), []

    def look() -> None:
        assert inside.wait(20)
        seen.append(_names(db))
        go.set()

    go = threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    with db.transaction() as tx:
        tx.execute("INSERT INTO providers (name, failures, blocked_until, reason) VALUES ('a', 0, 0, '')")
        inside.set()
        assert go.wait(20)
    thread.join(20)
    assert (seen, _names(db)) == ([[]], ["a"])


def test_only_one_transaction_of_a_name_goes_on(db: Database) -> None:
    """Four threads count up by reading and writing; without waiting for each other counts would be lost."""
    _write(db, "n")

    def count() -> None:
        for _ in range(10):
            with db.transaction(alone="count") as tx:
                failures = tx.execute("SELECT failures FROM providers")[0]["failures"]
                tx.execute("UPDATE providers SET failures = ?", [failures + 1])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert db.read("SELECT failures FROM providers") == [{"failures": 40}]


def test_a_closed_database_is_not_opened_again_by_use(db: Database) -> None:
    db.close()
    db.close()
    with pytest.raises(RunError):
        db.read("SELECT 1 AS one")


def test_what_was_written_is_there_after_opening_again(url: str) -> None:
    first = Database.open(url)
    row = runs.add(first, new_run())
    first.close()
    again = Database.open(url)
    assert (exists(url), runs.get(again, "run-1")) == (True, row)
    again.close()


def test_an_interrupt_in_a_statement_is_one_and_what_is_asked_next_is_answered(db: Database) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    interrupted, before = 0, signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(100):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + number * 0.00003)
            try:
                for _ in range(5_000):
                    db.read(f"SELECT {db.now} AS now")
            except KeyboardInterrupt:
                interrupted += 1
            assert db.read("SELECT 1 AS one") == [{"one": 1}]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 50

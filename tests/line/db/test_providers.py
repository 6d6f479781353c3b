"""Model servers that failed rest longer each time; on both databases."""

import pytest

from andon.line.db.database import Database
from andon.line.db.providers import Provider, failed, resting, worked

HOST = "models.example"


def now(db: Database) -> float:
    [row] = db.read(f"SELECT {db.now} AS now")
    return float(row["now"])


def over(db: Database) -> None:
    """Let every rest be over."""
    with db.transaction() as transaction:
        transaction.execute(f"UPDATE providers SET blocked_until = {db.now} - 1")  # noqa: S608  (no value)


def rest(db: Database, retry_after: float = 0.0) -> int:
    """Let the server fail once and return for how many seconds it rests."""
    return round(failed(db, HOST, "HTTP 503", retry_after=retry_after).blocked_until - now(db))


def test_a_server_that_never_failed_does_not_rest(db: Database) -> None:
    worked(db, HOST)
    assert resting(db) == []


def test_rests_fifteen_seconds_after_the_first_failure(db: Database) -> None:
    found = failed(db, HOST, "HTTP 503")
    assert found == Provider(HOST, 1, found.blocked_until, "HTTP 503")
    assert found.blocked_until - now(db) == pytest.approx(15, abs=2)
    assert resting(db) == [found]


def test_rests_twice_as_long_after_each_outage_and_at_most_a_quarter_of_an_hour(db: Database) -> None:
    rests = []
    for _ in range(9):
        rests.append(rest(db))
        over(db)
    assert rests == pytest.approx([15, 30, 60, 120, 240, 480, 900, 900, 900], abs=2)
    assert resting(db) == []


def test_failures_while_it_rests_belong_to_the_same_outage(db: Database) -> None:
    first = failed(db, HOST, "HTTP 503")
    again = failed(db, HOST, "HTTP 529")
    assert again == Provider(HOST, 1, first.blocked_until, "HTTP 529")


def test_rests_as_long_as_the_server_asks_if_that_is_longer(db: Database) -> None:
    assert rest(db, retry_after=5) == pytest.approx(15, abs=2)
    assert rest(db, retry_after=3600) == pytest.approx(3600, abs=2)
    assert rest(db, retry_after=60) == pytest.approx(3600, abs=2)


def test_an_answer_ends_the_rest_and_the_count(db: Database) -> None:
    rest(db)
    over(db)
    rest(db)
    failed(db, "other.example", "HTTP 500")
    worked(db, HOST)
    assert [one.name for one in resting(db)] == ["other.example"]
    assert failed(db, HOST, "HTTP 503").failures == 1

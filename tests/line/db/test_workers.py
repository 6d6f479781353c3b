from dataclasses import replace

from andon.line.db import workers
from andon.line.db.database import Database
from andon.line.db.workers import DEAD_AFTER, Worker

ONE = Worker("here:1:aa", "here", 1, "serve", 2, "0.1.0")
TWO = Worker("there:2:bb", "there", 2, "run", 1, "0.1.0")


def _silent_for(db: Database, worker: Worker, seconds: float) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - ? WHERE id = ?", [seconds, worker.id])


def test_a_worker_that_beats_is_alive(db: Database) -> None:
    workers.beat(db, ONE)
    workers.beat(db, TWO)
    found = workers.alive(db)
    assert [replace(one, started_at=0.0, beat_at=0.0) for one in found] == [ONE, TWO]
    assert all(one.started_at == one.beat_at for one in found)


def test_a_beat_moves_its_time_and_not_its_start(db: Database) -> None:
    workers.beat(db, ONE)
    start = workers.alive(db)[0].started_at
    _silent_for(db, ONE, 5)
    workers.beat(db, ONE)
    again = workers.alive(db)[0]
    assert again.started_at == start <= again.beat_at


def test_silence_is_death_and_a_beat_is_life_again(db: Database) -> None:
    workers.beat(db, ONE)
    _silent_for(db, ONE, DEAD_AFTER - 1)
    assert len(workers.alive(db)) == 1
    _silent_for(db, ONE, 1.1)
    assert workers.alive(db) == []
    workers.beat(db, ONE)
    assert len(workers.alive(db)) == 1


def test_one_that_leaves_is_gone(db: Database) -> None:
    for worker in (ONE, TWO):
        workers.beat(db, worker)
    workers.leave(db, ONE.id)
    workers.leave(db, "nobody")
    assert [one.id for one in workers.alive(db)] == [TWO.id]


def test_the_dead_of_yesterday_are_forgotten_when_somebody_new_comes(db: Database) -> None:
    workers.beat(db, ONE)
    _silent_for(db, ONE, 90_000)
    workers.beat(db, TWO)
    assert [row["id"] for row in db.read("SELECT id FROM workers")] == [TWO.id]

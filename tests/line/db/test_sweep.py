"""What nobody can need goes, what anybody could name stays: on both databases, also while others put and sweep."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from database_kit import claimed, new_run, result_of

from andon.line.db import again, blobs, runs
from andon.line.db.blobs import PART
from andon.line.db.database import Database
from andon.line.db.sweep import note_forgotten, swept
from andon.line.resumable import can_go_on
from andon.line.steps import Gate
from andon.records.stops import StopCode

DAY = 86_400.0
GATE = Gate("plan:1", "plan", "Good?", StopCode.NEEDS_PERSON)


def _old(db: Database, content: bytes, days: float = 2.0) -> str:
    """Put something as it was put days ago."""
    digest = blobs.put(db, content)
    with db.transaction() as tx:
        tx.execute(f"UPDATE blob_puts SET put_at = {db.now} - ? WHERE digest = ?", [days * DAY, digest])
    return digest


def _kept(db: Database) -> set[str]:
    """Return what is there, which is noted to have been put."""
    there = {row["digest"] for row in db.read("SELECT digest FROM blobs")}
    assert there == {row["digest"] for row in db.read("SELECT digest FROM blob_puts")}
    return there


def _set(db: Database, run_id: str, column: str, value: str) -> None:
    with db.transaction() as tx:
        tx.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", [value, run_id])
        assert tx.changed == 1


def _ended(db: Database, run_id: str, code: StopCode, days: float = 0.0) -> None:
    """Add a run that ended so, days ago."""
    runs.add(db, new_run(run_id))
    run = claimed(db, run_id)
    runs.end(db, run_id, "worker-1", result=result_of(run, code), delivery=None)
    with db.transaction() as tx:
        tx.execute(f"UPDATE runs SET ended_at = {db.now} - ? WHERE id = ?", [days * DAY, run_id])


def test_a_content_that_nothing_names_is_deleted_after_a_day(db: Database) -> None:
    _old(db, b"x" * (PART + 1))
    fresh, yesterday = blobs.put(db, b"just put"), _old(db, b"put 23 hours ago", 23 / 24)
    assert swept(db) == []
    assert _kept(db) == {fresh, yesterday}


@pytest.mark.parametrize("column", ["base_blob", "checkpoint", "delivery"])
@pytest.mark.parametrize("code", [StopCode.DELIVERED, StopCode.INTERRUPTED, None])
def test_what_a_run_names_stays_whatever_became_of_it(db: Database, column: str, code: StopCode | None) -> None:
    if code is None:
        runs.add(db, new_run())
    else:
        _ended(db, "run-1", code, 400)
    named = _old(db, b"named", 400)
    _old(db, b"not named", 400)
    _set(db, "run-1", column, named)
    swept(db)
    assert _kept(db) == {named}


def test_papers_stay_and_what_they_replaced_goes(db: Database) -> None:
    _old(db, b"the papers before")
    papers = _old(db, b"papers")
    with db.transaction() as tx:
        tx.execute("INSERT INTO papers (run_id, digest) VALUES ('run-1', ?)", [papers])
    swept(db)
    assert _kept(db) == {papers}


def test_the_pack_of_a_checkpoint_stays_as_long_as_a_run_names_the_checkpoint(db: Database) -> None:
    runs.add(db, new_run())
    packs = [_old(db, b"pack 1"), _old(db, b"pack 2")]
    first, _ = (_old(db, json.dumps({"trees": [], "pack": pack}).encode()) for pack in packs)
    _set(db, "run-1", "checkpoint", first)
    swept(db)
    assert _kept(db) == {first, packs[0]}
    last = _old(db, b'{"trees": [], "pack": null}')
    _set(db, "run-1", "checkpoint", last)
    swept(db)
    assert _kept(db) == {last}


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"{", b"[]", b'"pack"', b'{"pack": 7}', b'{"trees": []}'])
def test_a_checkpoint_that_cannot_be_read_is_kept_itself_and_protects_nothing(db: Database, content: bytes) -> None:
    runs.add(db, new_run())
    checkpoint = _old(db, content)
    _set(db, "run-1", "checkpoint", checkpoint)
    _old(db, b"somebody's pack")
    swept(db)
    assert _kept(db) == {checkpoint}


def test_a_checkpoint_that_is_missing_hinders_nobody(db: Database) -> None:
    runs.add(db, new_run())
    _set(db, "run-1", "checkpoint", "0" * 64)
    _old(db, b"not named")
    swept(db)
    assert _kept(db) == set()


def test_what_is_put_again_is_as_good_as_new(db: Database) -> None:
    digest = _old(db, b"put twice")
    assert blobs.put(db, b"put twice") == digest
    swept(db)
    assert blobs.get(db, digest) == b"put twice"


def test_a_worker_that_slept_for_days_before_it_parks_finds_what_it_put(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    with db.transaction() as tx:
        tx.execute(f"UPDATE runs SET started_at = {db.now} - ?", [3 * DAY])
    _old(db, b"from before the run", 4)
    pack = _old(db, b"pack")
    checkpoint = _old(db, json.dumps({"pack": pack}).encode())
    swept(db)
    result = result_of(run, StopCode.NEEDS_PERSON)
    runs.park(db, "run-1", "worker-1", phase=0, checkpoint=checkpoint, gate=GATE, expires=None, result=result)
    swept(db)
    assert _kept(db) == {pack, checkpoint}


def test_what_is_put_while_others_sweep_is_there_whole(db: Database) -> None:
    contents = [bytes([number]) * 100 for number in range(20)]
    for _ in range(5):
        old = [_old(db, content) for content in contents]
        begin = Barrier(3)

        def put(begin: Barrier = begin) -> list[str]:
            begin.wait(30)
            return [blobs.put(db, content) for content in reversed(contents)]

        def sweep(begin: Barrier = begin) -> list[str]:
            begin.wait(30)
            return swept(db)

        with ThreadPoolExecutor(3) as pool:
            putting, *sweeps = pool.submit(put), pool.submit(sweep), pool.submit(sweep)
            assert [one.result(60) for one in sweeps] == [[], []]
            assert putting.result(60) == old[::-1]
        assert [blobs.get(db, digest) for digest in old] == contents


def test_messages_that_an_ended_run_took_long_ago_are_deleted(db: Database) -> None:
    _ended(db, "run-1", StopCode.DELIVERED)
    runs.add(db, new_run("run-2"))
    with db.transaction() as tx:
        for run_id in ("run-1", "run-2"):
            for text, age in (("old", 31), ("new", 29), ("not taken", None)):
                tx.execute(
                    "INSERT INTO messages (run_id, kind, text, said_by, at, taken_at) "
                    f"VALUES (?, 'say', ?, 'a person', 0, {db.now} - CAST(? AS DOUBLE PRECISION))",
                    [run_id, text, None if age is None else age * DAY],
                )
    swept(db)
    left = db.read("SELECT run_id, text FROM messages ORDER BY id")
    assert [(row["run_id"], row["text"]) for row in left] == [
        ("run-1", "new"),
        ("run-1", "not taken"),
        ("run-2", "old"),
        ("run-2", "new"),
        ("run-2", "not taken"),
    ]
    swept(db, keep_days=28)
    assert [row["text"] for row in db.read("SELECT text FROM messages WHERE run_id = 'run-1'")] == ["not taken"]


@pytest.mark.parametrize("code", list(StopCode))
def test_a_journal_may_go_at_once_where_its_run_cannot_go_on(db: Database, code: StopCode) -> None:
    _ended(db, "run-1", code)
    assert swept(db) == ([] if can_go_on(code) else ["run-1"])


def test_a_journal_may_go_when_its_run_ended_long_ago(db: Database) -> None:
    for number, days in enumerate((29, 31, 45)):
        _ended(db, f"run-{number}", StopCode.INTERRUPTED, days)
    runs.add(db, new_run("run-queued"))
    assert swept(db) == ["run-2", "run-1"]
    assert swept(db, keep_days=40) == ["run-2"]


def test_a_stop_of_a_newer_andon_is_not_taken_for_final(db: Database) -> None:
    for run_id, days in (("run-1", 1), ("run-2", 31)):
        _ended(db, run_id, StopCode.INTERRUPTED, days)
        _set(db, run_id, "stop_code", "not-known-here")
    assert swept(db) == ["run-2"]


def test_a_run_is_named_until_its_journal_is_gone_and_again_after_it_went_on(db: Database) -> None:
    _ended(db, "run-1", StopCode.INTERRUPTED, 31)
    assert [swept(db), swept(db)] == [["run-1"], ["run-1"]]
    note_forgotten(db, "run-1")
    assert swept(db) == []
    run = again.again(db, "run-1")
    assert swept(db) == []
    claimed(db, "run-1")
    runs.end(db, "run-1", "worker-1", result=result_of(run, StopCode.DELIVERED), delivery=None)
    assert swept(db) == ["run-1"]


def test_a_run_that_goes_on_is_not_noted_as_forgotten(db: Database) -> None:
    runs.add(db, new_run())
    note_forgotten(db, "run-1")
    note_forgotten(db, "run-of-nobody")
    assert db.read("SELECT forgotten_at FROM runs") == [{"forgotten_at": None}]


def test_one_sweep_names_the_oldest_hundred(db: Database) -> None:
    _ended(db, "run-000", StopCode.DELIVERED, 200)
    columns = [name for name in db.read("SELECT * FROM runs")[0] if name not in ("id", "ended_at")]
    with db.transaction() as tx:
        for number in range(1, 103):
            tx.execute(
                f"INSERT INTO runs (id, ended_at, {', '.join(columns)}) "
                f"SELECT ?, ended_at + ?, {', '.join(columns)} FROM runs WHERE id = 'run-000'",
                [f"run-{number:03}", float(number)],
            )
    first = [f"run-{number:03}" for number in range(100)]
    assert swept(db) == first
    for run_id in first:
        note_forgotten(db, run_id)
    assert swept(db) == ["run-100", "run-101", "run-102"]


def test_the_record_stays(db: Database) -> None:
    _ended(db, "run-1", StopCode.DELIVERED, 4000)
    with db.transaction() as tx:
        tx.execute("INSERT INTO events (run_id, seq, at, kind, line, place) VALUES ('run-1', 1, '', 'plan', '{}', '')")
        tx.execute(
            "INSERT INTO approvals (id, run_id, phase, gate, question, digest, asked_at, text, answered_by, channel) "
            "VALUES ('0000000a', 'run-1', 1, 'plan:1', '{}', '', 0, '', '', '')"
        )
    tables = ("runs", "events", "approvals")
    before = [db.read(f"SELECT * FROM {table}") for table in tables]
    assert swept(db, keep_days=0) == ["run-1"]
    assert [db.read(f"SELECT * FROM {table}") for table in tables] == before

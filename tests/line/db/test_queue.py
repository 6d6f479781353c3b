"""Who gets which run next; on both databases, and by several processes at once."""
# ruff: noqa: S608 - only constants of ours are put into the SQL's text, values go as parameters.

import statistics
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from queue_kit import GATE, add, beat, claimed, end, new, park, silent, taken

from andon.line.db import approvals, lanes, messages, providers, runs
from andon.line.db.database import Database, Row
from andon.line.db.queue import MOST_ATTEMPTS, claim
from andon.line.db.rows import insert
from andon.line.durable.giving_up import result_without_work
from andon.line.steps import Answer, Gate
from andon.records.stops import MEANINGS, StopCode


def now(db: Database) -> float:
    [row] = db.read(f"SELECT {db.now} AS now")
    return float(row["now"])


def answer(db: Database, run_id: str, kind: str = "yes") -> None:
    asked = approvals.question(db, run_id)
    approvals.answer(db, asked.id, Answer(kind), by="ada", channel="terminal", digest=asked.digest)  # type: ignore[arg-type]


def test_an_empty_queue_gives_nothing(db: Database) -> None:
    assert claimed(db, "worker") == []


def test_a_claimed_run_is_the_workers_and_running(db: Database) -> None:
    [queued] = add(db, new())
    beat(db, "worker")
    found = taken(db, "worker")
    assert found.why == "queued"
    assert found.run == runs.get(db, queued.id)
    expected = replace(
        queued, status="running", worker="worker", attempt=1, started_at=found.run.started_at,
        changed_at=found.run.changed_at,
    )  # fmt: skip
    assert found.run == expected
    assert found.run.started_at is not None and queued.queued_at <= found.run.started_at == found.run.changed_at
    assert claim(db, "worker") is None


def test_runs_begin_by_priority_and_then_by_age(db: Database) -> None:
    add(db, new("b", priority=100), new("first", priority=5), new("a", priority=100), new("mid", priority=50))
    with db.transaction() as transaction:
        transaction.execute("UPDATE runs SET queued_at = queued_at + 1 WHERE id = 'a'")
    assert claimed(db, "worker") == ["first", "mid", "b", "a"]


def test_lost_runs_come_before_answered_ones_and_those_before_queued_ones(db: Database) -> None:
    add(db, new("queued", priority=1), new("asks", priority=2), new("lost", priority=3))
    beat(db, "dead")
    beat(db, "worker")
    for run_id in ("asks", "lost"):
        found = claim(db, "dead", only=run_id)
        assert found is not None
        if run_id == "asks":
            park(db, found.run)
    silent(db, "dead", 13)
    answer(db, "asks")
    found_now = [taken(db, "worker") for _ in range(3)]
    assert [(one.run.id, one.why) for one in found_now] == [
        ("lost", "lost"),
        ("asks", "answered"),
        ("queued", "queued"),
    ]


def test_a_run_is_lost_only_after_twelve_seconds_of_silence_or_once_its_worker_left(db: Database) -> None:
    add(db, new("run"))
    beat(db, "slow")
    taken(db, "slow")
    silent(db, "slow", 10)
    assert claimed(db, "worker") == []
    silent(db, "slow", 13)
    assert claimed(db, "worker") == ["run"]
    with db.transaction() as transaction:
        transaction.execute("DELETE FROM workers WHERE id = 'worker'")
    assert claimed(db, "third") == ["run"]
    assert (runs.get(db, "run").worker, runs.get(db, "run").attempt) == ("third", 3)


def test_a_worker_that_came_back_is_fenced_off_the_run_it_lost(db: Database) -> None:
    add(db, new("run"))
    beat(db, "zombie")
    run = taken(db, "zombie").run
    silent(db, "zombie", 13)
    assert claimed(db, "worker") == ["run"]
    beat(db, "zombie")
    with pytest.raises(runs.Fenced):
        end(db, run, StopCode.DELIVERED)
    assert (runs.get(db, "run").status, runs.get(db, "run").worker) == ("running", "worker")
    assert claim(db, "zombie") is None


@pytest.mark.parametrize("seconds", [None, 13.0])
def test_a_worker_nobody_hears_gets_nothing(db: Database, seconds: float | None) -> None:
    add(db, new("run"))
    if seconds is not None:
        beat(db, "worker")
        silent(db, "worker", seconds)
    assert claim(db, "worker") is None
    assert runs.get(db, "run").status == "queued"


def test_only_the_run_that_was_asked_for_is_given(db: Database) -> None:
    add(db, new("first", priority=1), new("wanted"))
    beat(db, "worker")
    found = claim(db, "worker", only="wanted")
    assert found is not None and found.run.id == "wanted"
    assert claim(db, "worker", only="wanted") is None
    assert claim(db, "worker", only="no-such-run") is None


@pytest.mark.parametrize("beside", [{"branch": "factory/x"}, {"task": "t-1"}])
def test_two_runs_of_one_branch_or_task_never_go_on_together(db: Database, beside: dict[str, str]) -> None:
    add(db, new("1", **beside), new("2", **beside), new("3"))  # type: ignore[arg-type]
    assert claimed(db, "worker") == ["1", "3"]
    park(db, runs.get(db, "1"))
    assert claimed(db, "worker") == []
    answer(db, "1")
    assert claimed(db, "worker") == ["1"]
    end(db, runs.get(db, "1"), StopCode.DELIVERED)
    assert claimed(db, "worker") == ["2"]


def test_one_branch_in_two_repositories_is_two(db: Database) -> None:
    add(db, new("1", task="t-1"), new("2", task="t-1", repository="forge.example/team/other"))
    assert claimed(db, "worker") == ["1", "2"]


def test_a_run_given_back_goes_on_before_a_queued_one_of_its_branch(db: Database) -> None:
    add(db, new("begun", branch="factory/x", priority=100))
    assert claimed(db, "worker") == ["begun"]
    runs.put_back(db, "begun", "worker", not_before=now(db) + 60, message="the worker left")
    add(db, new("urgent", branch="factory/x", priority=1))
    assert claimed(db, "worker") == []
    with db.transaction() as transaction:
        transaction.execute("UPDATE runs SET not_before = 0")
    assert claimed(db, "worker") == ["begun"]


def test_two_runs_given_back_on_one_branch_do_not_wait_for_each_other(db: Database) -> None:
    for run in add(db, new("1", branch="factory/x"), new("2", branch="factory/x")):
        with db.transaction() as transaction:
            transaction.execute("UPDATE runs SET attempt = 1 WHERE id = ?", (run.id,))
    assert claimed(db, "worker") == ["1"]


def test_nothing_begins_before_its_time(db: Database) -> None:
    add(db, new("1"), new("2"))
    with db.transaction() as transaction:
        transaction.execute(f"UPDATE runs SET not_before = {db.now} + 60 WHERE id = '1'")
    assert claimed(db, "worker") == ["2"]


def test_a_closed_lane_keeps_queued_runs_and_lets_go_on_what_has_begun(db: Database) -> None:
    add(db, *[new(name, lane="nightly") for name in ("a-back", "b-asks", "c-lost", "d-queued")], new("e-elsewhere"))
    beat(db, "dead")
    for name in ("a-back", "b-asks", "c-lost"):
        assert claim(db, "dead", only=name) is not None
    runs.put_back(db, "a-back", "dead", not_before=0, message="")
    park(db, runs.get(db, "b-asks"))
    answer(db, "b-asks")
    silent(db, "dead", 13)
    lanes.pause(db, new().repository, "nightly", reason="release", by="ada")
    assert claimed(db, "worker") == ["c-lost", "b-asks", "a-back", "e-elsewhere"]
    lanes.open_lane(db, new().repository, "nightly", by="ada")
    assert claimed(db, "worker") == ["d-queued"]


def test_a_halted_lane_begins_nothing(db: Database) -> None:
    add(db, new("one"), new("two"))
    beat(db, "worker")
    assert lanes.note_end(db, end(db, taken(db, "worker").run, StopCode.STUCK), 1) is not None
    assert claimed(db, "worker") == []


def test_nothing_that_would_ask_a_resting_server_begins(db: Database) -> None:
    add(db, new("1", provider="a.example"), new("2", provider="b.example"))
    providers.failed(db, "a.example", "HTTP 503")
    assert claimed(db, "worker") == ["2"]
    providers.worked(db, "a.example")
    assert claimed(db, "worker") == ["1"]


def test_no_more_runs_ask_a_server_than_it_may_be_asked_by(db: Database) -> None:
    add(db, *[new(run_id, provider="a.example", provider_limit=2) for run_id in ("1", "2", "3")])
    add(db, new("4", provider="b.example", provider_limit=1), new("5", provider="a.example"))
    assert claimed(db, "worker") == ["1", "2", "4", "5"]
    end(db, runs.get(db, "1"), StopCode.DELIVERED)
    assert claimed(db, "worker") == []
    park(db, runs.get(db, "5"))
    assert claimed(db, "worker") == ["3"]


@pytest.mark.parametrize("kind", ["yes", "no", "stop"])
def test_a_parked_run_goes_on_once_it_is_answered_whatever_the_answer(db: Database, kind: str) -> None:
    add(db, new("run"))
    beat(db, "worker")
    park(db, taken(db, "worker").run)
    assert claim(db, "worker") is None
    answer(db, "run", kind)
    found = taken(db, "worker")
    assert (found.run.id, found.why, found.run.phase, found.run.attempt) == ("run", "answered", 1, 1)


def test_a_second_question_is_waited_for_though_the_first_was_answered(db: Database) -> None:
    add(db, new("run"))
    beat(db, "worker")
    park(db, taken(db, "worker").run)
    answer(db, "run")
    park(db, taken(db, "worker").run, gate=replace(GATE, name="call-1"))
    assert claim(db, "worker") is None
    answer(db, "run")
    assert taken(db, "worker").run.phase == 2


def test_a_run_nobody_answered_in_time_ends_as_it_would_have_without_a_person(db: Database) -> None:
    gate = Gate(name="tests", subject="evidence", question="A test went.", parked=StopCode.CHANGED_TESTS)
    add(db, new("run", branch="factory/x"), new("sequel", branch="factory/x"))
    beat(db, "worker")
    park(db, taken(db, "worker").run, expires=now(db) + 3600, gate=gate)
    before = runs.get(db, "run")
    assert claim(db, "worker") is None
    with db.transaction() as transaction:
        transaction.execute(f"UPDATE approvals SET expires_at = {db.now} - 1")
    assert taken(db, "worker").run.id == "sequel"
    after = runs.get(db, "run")
    assert before.result is not None
    message = "Nobody answered in time: A test went."
    assert after == replace(
        before, status="ended", gate=None, stop_code="changed-tests", message=message,
        result=before.result.model_copy(update={"message": message}), ended_at=after.ended_at,
        changed_at=after.changed_at,
    )  # fmt: skip
    assert after.ended_at == after.changed_at is not None
    assert approvals.answers_of(db, "run") == {"tests": Answer("no", "nobody answered in time")}


def test_a_queued_run_that_is_to_stop_is_ended_and_not_begun(db: Database) -> None:
    add(db, new("run"), new("sequel"))
    beat(db, "worker")
    taken(db, "worker")
    messages.stop(db, "run", "ada")
    runs.put_back(db, "run", "worker", not_before=now(db) + 60, message="the worker left")
    assert claimed(db, "worker") == ["sequel"]
    ended = runs.get(db, "run")
    assert (ended.status, ended.stop_code) == ("ended", "interrupted")


def test_a_lost_run_that_is_to_stop_is_given_to_a_worker_that_keeps_its_work(db: Database) -> None:
    add(db, new("run"))
    beat(db, "dead")
    taken(db, "dead")
    messages.stop(db, "run", "ada")
    silent(db, "dead", 13)
    beat(db, "worker")
    found = taken(db, "worker")
    assert (found.run.id, found.why, found.run.wanted) == ("run", "lost", "stop")


def test_a_run_stopped_while_it_was_being_parked_ends_as_a_stopped_parked_one(db: Database) -> None:
    add(db, new("run", branch="factory/x"), new("sequel", branch="factory/x"))
    beat(db, "worker")
    run = taken(db, "worker").run
    messages.stop(db, "run", "ada")
    park(db, run)
    before = runs.get(db, "run")
    assert claimed(db, "worker") == ["sequel"]
    after, meaning = runs.get(db, "run"), MEANINGS[StopCode.INTERRUPTED]
    message = "andon stopped the run while nobody worked on it."
    assert before.result is not None
    result = before.result.model_copy(update={
        "status": meaning.status, "stop_code": StopCode.INTERRUPTED, "exit_code": meaning.exit_code,
        "message": message, "remedy": meaning.remedy,
    })  # fmt: skip
    assert after == replace(
        before, status="ended", gate=None, stop_code="interrupted", message=message, result=result,
        ended_at=after.ended_at, changed_at=after.changed_at,
    )  # fmt: skip
    with pytest.raises(runs.Fenced):
        park(db, run)
    assert runs.get(db, "run") == after


def test_a_run_stopped_while_it_was_being_parked_does_not_go_on_with_an_answer(db: Database) -> None:
    add(db, new("run"))
    beat(db, "worker")
    run = taken(db, "worker").run
    messages.stop(db, "run", "ada")
    park(db, run)
    answer(db, "run")
    assert claim(db, "worker") is None
    assert (runs.get(db, "run").status, runs.get(db, "run").stop_code) == ("ended", "interrupted")


def foreign(db: Database, run_id: str, column: str = "options") -> Row:
    """Let a document of the run be one of a newer andon; return its row."""
    with db.transaction() as transaction:
        sql = f"UPDATE runs SET {column} = ? WHERE id = ? RETURNING *"
        [row] = transaction.execute(sql, ('{"schema_version": 99}', run_id))
    return row


@pytest.mark.parametrize("stands", ["queued", "stopped", "answered", "lost"])
def test_a_run_of_another_version_is_passed_over_and_stays_as_it_is(db: Database, stands: str) -> None:
    add(db, new("newer", priority=1), new("own"))
    beat(db, "dead")
    if stands != "queued":
        run = taken(db, "dead").run
        if stands == "answered":
            park(db, run)
            answer(db, "newer")
        if stands == "stopped":
            messages.stop(db, "newer", "ada")
            runs.put_back(db, "newer", "dead", not_before=0, message="")
        silent(db, "dead", 13)
    row = foreign(db, "newer")
    assert claimed(db, "worker") == ["own"]
    assert db.read("SELECT * FROM runs WHERE id = 'newer'") == [row]
    assert claim(db, "worker", only="newer") is None


def test_any_number_of_runs_of_another_version_hide_none_of_this_one(db: Database) -> None:
    [pattern] = add(db, new("pattern"))
    with db.transaction() as transaction:
        for number in range(1100):
            name = f"r-{number:05}"
            row = replace(pattern, id=name, task_id=name, branch=f"factory/{name}", priority=1)
            insert(transaction, row)
        transaction.execute("UPDATE runs SET options = '{}' WHERE priority = 1")
    assert claimed(db, "worker") == ["pattern"]


def test_a_run_whose_result_is_of_another_version_ends_all_the_same_when_nobody_answers(db: Database) -> None:
    add(db, new("run"), new("next"))
    beat(db, "worker")
    run = taken(db, "worker").run
    park(db, run, expires=now(db) - 1)
    foreign(db, "run", "result")
    assert claimed(db, "worker") == ["next"]
    message = f"Nobody answered in time: {GATE.question}"
    ended = runs.get(db, "run")
    assert (ended.status, ended.stop_code, ended.message) == ("ended", "needs-person", message)
    assert ended.result == result_without_work(run, StopCode.NEEDS_PERSON, message)


def dies(db: Database, times: int) -> None:
    """Let worker after worker be given the run and die of it."""
    for number in range(times):
        beat(db, f"dead-{number}")
        assert taken(db, f"dead-{number}").run.id == "run"
        silent(db, f"dead-{number}", 13)


def test_a_run_that_kills_every_worker_is_ended_and_the_next_one_begins(db: Database) -> None:
    add(db, new("run", priority=1), new("next"))
    dies(db, MOST_ATTEMPTS)
    before = runs.get(db, "run")
    assert claimed(db, "worker") == ["next"]
    after = runs.get(db, "run")
    message = "The worker of the run died, and its phase had been begun 25 times: it is not begun again."
    assert after == replace(
        before, status="ended", worker=None, stop_code="internal", message=message,
        result=result_without_work(before, StopCode.INTERNAL, message), ended_at=after.ended_at,
        changed_at=after.changed_at,
    )  # fmt: skip
    assert after.ended_at is not None
    # The last of them was only silent: it is told.
    with pytest.raises(runs.Fenced):
        end(db, before, StopCode.DELIVERED)
    assert runs.get(db, "run") == after


@pytest.mark.parametrize(("halt_after", "state"), [(1, "halted"), (2, "open"), (0, "open")])
def test_a_lane_counts_a_run_that_kills_every_worker(db: Database, halt_after: int, state: str) -> None:
    wanted = new("run", priority=1)
    add(db, replace(wanted, options=wanted.options.model_copy(update={"halt_after": halt_after})))
    dies(db, MOST_ATTEMPTS)
    assert claimed(db, "worker") == []
    assert lanes.lane(db, wanted.repository, "default").state == state


def test_a_lane_counts_a_question_about_evidence_that_nobody_answered(db: Database) -> None:
    gate = Gate(name="tests", subject="evidence", question="A test went.", parked=StopCode.CHANGED_TESTS)
    for run_id in ("1", "2", "3"):
        add(db, new(run_id))
        beat(db, "worker")
        park(db, taken(db, "worker").run, expires=1.0, gate=gate)
        assert lanes.closed_lanes(db, new().repository) == []
        assert claim(db, "worker") is None
    assert lanes.lane(db, new().repository, "default").state == "halted"


def test_a_run_is_lost_once_less_than_that_and_goes_on(db: Database) -> None:
    add(db, new("run"))
    dies(db, MOST_ATTEMPTS - 1)
    beat(db, "worker")
    found = taken(db, "worker")
    assert (found.why, found.run.attempt) == ("lost", MOST_ATTEMPTS)


def test_a_run_that_was_given_back_any_number_of_times_begins_again(db: Database) -> None:
    add(db, new("run"))
    beat(db, "worker")
    for number in range(MOST_ATTEMPTS + 2):
        assert taken(db, "worker").run.attempt == number + 1
        runs.put_back(db, "run", "worker", not_before=0, message="its worker left")


_CLAIMER = """
import sys
sys.path[:0] = sys.argv[2:]
from queue_kit import beat
from andon.line.db.database import Database
from andon.line.db.queue import claim
db, worker = Database.open(sys.argv[1]), sys.argv[3]
beat(db, worker)
print("ready", flush=True)
sys.stdin.readline()
for found in iter(lambda: claim(db, worker), None):
    print(found.run.id, found.run.branch, flush=True)
"""


def test_processes_at_once_never_get_one_run_twice_nor_two_of_one_branch(
    db: Database, request: pytest.FixtureRequest
) -> None:
    shared = [new(branch=f"factory/shared-{number % 8}") for number in range(32)]
    alone = [new() for _ in range(40)]
    add(db, *shared, *alone)
    tests = str(request.config.rootpath / "tests")
    command = [sys.executable, "-c", _CLAIMER, db.url, tests]
    workers = [
        subprocess.Popen([*command, f"w{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(5)
    ]
    for one in workers:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in workers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    given = [line.split() for one in workers for line in one.communicate(timeout=120)[0].splitlines()]
    assert [one.returncode for one in workers] == [0] * 5
    branches = sorted(branch for _, branch in given)
    assert branches == sorted([one.branch for one in alone] + [f"factory/shared-{number}" for number in range(8)])
    assert len({run_id for run_id, _ in given}) == len(given) == 48


def test_a_claim_is_quick_beside_ten_thousand_queued_and_a_thousand_parked_runs(db: Database) -> None:
    [pattern] = add(db, new("pattern"))
    with db.transaction() as transaction:
        for number in range(11_000):
            name = f"r-{number:05}"
            row = replace(
                pattern, id=name, task_id=name, branch=f"factory/{name}", queued_at=pattern.queued_at + number
            )
            insert(transaction, replace(row, status="parked", gate=GATE) if number < 1000 else row)
        for number in range(1000):
            transaction.execute(
                "INSERT INTO approvals (id, run_id, phase, gate, question, digest, asked_at, text, answered_by, "
                "channel) VALUES (?, ?, 1, 'plan-1', '{}', '', 0, '', '', '')",
                (f"{number:08x}", f"r-{number:05}"),
            )
        # As a server does by itself within a minute.
        transaction.execute("ANALYZE")
    beat(db, "worker")
    assert taken(db, "worker").run.id == "pattern"

    def seconds(expected: bool) -> float:
        start = time.perf_counter()
        assert (claim(db, "worker") is not None) == expected
        return time.perf_counter() - start

    # Two milliseconds on a quiet machine and SQLite, ten on PostgreSQL: what is far from that looks at every row.
    assert statistics.median(seconds(True) for _ in range(15)) < 0.1
    lanes.pause(db, pattern.repository, "default", reason="", by="ada")
    assert statistics.median(seconds(False) for _ in range(5)) < 0.5

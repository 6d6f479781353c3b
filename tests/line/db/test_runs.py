from collections.abc import Callable
from dataclasses import replace

import pytest
from database_kit import claimed, new_run, result_of

from andon.line.db import approvals, runs
from andon.line.db.database import Database
from andon.line.db.runs import AlreadyQueued, Fenced, Run, RunOptions
from andon.line.steps import Answer, Gate
from andon.records.errors import UserError
from andon.records.stops import StopCode
from andon.records.task import Task

GATE = Gate("plan", "plan", "Is the plan good?", StopCode.NEEDS_PERSON, shown="1. ä\n2. b", editable="{}")


def _park(db: Database, run: Run, worker: str = "worker-1", gate: Gate = GATE, expires: float | None = None) -> None:
    result = result_of(run, StopCode.NEEDS_PERSON)
    runs.park(db, run.id, worker, phase=run.phase, checkpoint="d" * 64, gate=gate, expires=expires, result=result)


def test_a_queued_run_is_read_as_it_was_added(db: Database) -> None:
    task = Task(id="T-9", title="Ümläut 'quoted'", constraints=["a", "b"], source="https://example.org/1")
    options = RunOptions(model="m", stream=False, sandbox="docker", queued=True, warnings=["w"], started=1_800_000_000)
    run = new_run(task=task, options=options, source_key="issue:1", priority=5, lane="fast", base_blob="e" * 64,
                  provider="models.example.org", flow=3)  # fmt: skip
    added = runs.add(db, run)
    now = added.queued_at
    assert added == Run(
        id="run-1", repository="example.org/owner/name", host="here", root="/somewhere", lane="fast", task_id="T-9",
        title="Ümläut 'quoted'", task=task, source_key="issue:1", priority=5, branch="factory/T-1-add-a-function",
        base_commit="c" * 40, base_blob="e" * 64, provider="models.example.org", provider_limit=None, options=options,
        status="queued",
        phase=0, checkpoint="", gate=None, worker=None, attempt=0, flow=3, not_before=0.0, wanted="", stop_code=None,
        message="", result=None, delivery=None, queued_at=now, started_at=None, changed_at=now, ended_at=None,
    )  # fmt: skip
    assert runs.get(db, "run-1") == added


def test_refuses_a_second_run_of_one_source_until_the_first_has_ended(db: Database) -> None:
    first = runs.add(db, new_run("a", source_key="issue:1"))
    with pytest.raises(AlreadyQueued, match=r"issue:1 is queued already as run a: .*andon stop a") as raised:
        runs.add(db, new_run("b", source_key="issue:1"))
    assert raised.value.run_id == "a"
    runs.add(db, new_run("c", source_key="issue:2"))
    runs.add(db, new_run("d", source_key="issue:1", repository="example.org/other/one"))
    _end(db, claimed(db, first.id))
    assert runs.add(db, new_run("e", source_key="issue:1")).status == "queued"


def test_runs_without_source_are_never_the_same(db: Database) -> None:
    for name in ("a", "b"):
        runs.add(db, new_run(name))
    assert runs.count_by_status(db, "example.org/owner/name") == {"queued": 2}


def test_refuses_a_second_run_of_one_id(db: Database) -> None:
    first = runs.add(db, new_run())
    with pytest.raises(UserError, match="run-1 is there already"):
        runs.add(db, new_run(root="/elsewhere"))
    assert runs.listed(db, repository=None) == [first]


def _end(db: Database, run: Run, worker: str = "worker-1", code: StopCode = StopCode.DELIVERED) -> None:
    runs.end(db, run.id, worker, result=result_of(run, code), delivery=None)


def test_finds_a_run_by_id_by_the_beginning_of_one_and_by_its_task(db: Database) -> None:
    here = "example.org/owner/name"
    one = runs.add(db, new_run("20260101-aa"))
    two = runs.add(db, new_run("20260102-ab", task=Task(id="T-2", title="x")))
    three = runs.add(db, new_run("20260103-ac"))
    wanted = ["20260101-aa", "20260102", "T-2", "T-1"]
    assert [runs.find(db, here, word) for word in wanted] == [one, two, two, three]
    assert runs.find(db, None, "20260101") == one


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("2026", r"several runs begin with '2026' \(20260102-b, 20260101-a\): write more"),
        ("", "no run and no task's run is called ''"),
        ("%", "no run and no task's run is called '%'"),
        ("T-", "no run and no task's run is called 'T-'"),
        ("other-1", "run other-1 is one of example.org/other/one: change into that repository"),
        ("other", "no run and no task's run is called 'other'"),
    ],
)
def test_says_why_no_run_is_found(db: Database, wanted: str, said: str) -> None:
    runs.add(db, new_run("20260101-a"))
    runs.add(db, new_run("20260102-b"))
    runs.add(db, new_run("other-1", repository="example.org/other/one"))
    with pytest.raises(UserError, match=said):
        runs.find(db, "example.org/owner/name", wanted)


def test_says_that_there_is_no_run_of_an_id(db: Database) -> None:
    with pytest.raises(UserError, match="there is no run 'run-1'; `andon status` lists them"):
        runs.get(db, "run-1")


def test_a_task_that_is_called_like_a_run_begins_is_the_task(db: Database) -> None:
    runs.add(db, new_run("2026-1"))
    task = runs.add(db, new_run("9", task=Task(id="2026", title="x")))
    assert runs.find(db, None, "2026") == task


def test_lists_the_newest_first(db: Database) -> None:
    for name in ("a", "b", "c"):
        runs.add(db, new_run(name))
    runs.add(db, new_run("d", repository="example.org/other/one"))
    claimed(db, "b")
    here = "example.org/owner/name"

    def names(**wanted: object) -> list[str]:
        return [run.id for run in runs.listed(db, **wanted)]  # type: ignore[arg-type]

    assert names(repository=None) == ["d", "c", "b", "a"]
    assert names(repository=here, limit=2) == ["c", "b"]
    assert names(repository=here, statuses=["queued"]) == ["c", "a"]
    assert names(repository=here, statuses=["queued", "running"]) == ["c", "b", "a"]
    assert runs.count_by_status(db, here) == {"queued": 2, "running": 1}
    assert runs.count_by_status(db, None) == {"queued": 3, "running": 1}
    assert runs.count_by_status(db, "nowhere") == {}


def test_a_parked_run_waits_with_its_question_for_the_next_phase(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    _park(db, run)
    parked = runs.get(db, "run-1")
    assert parked == replace(
        run, status="parked", phase=1, checkpoint="d" * 64, gate=GATE, worker=None, stop_code="needs-person",
        message="It ended with needs-person.", result=result_of(run, StopCode.NEEDS_PERSON),
        changed_at=parked.changed_at,
    )  # fmt: skip
    asked = approvals.question(db, "run-1")
    assert (asked.phase, asked.gate, asked.expires_at, asked.answer) == (1, GATE, None, None)


def test_parking_twice_at_one_question_asks_once(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    _park(db, run)
    asked, parked = approvals.question(db, "run-1"), runs.get(db, "run-1")
    _park(db, run)
    assert (approvals.open_questions(db, None), runs.get(db, "run-1")) == ([asked], parked)


def test_a_question_asked_again_in_a_later_phase_keeps_its_id(db: Database) -> None:
    runs.add(db, new_run())
    _park(db, claimed(db, "run-1"))
    first = approvals.question(db, "run-1")
    _park(db, claimed(db, "run-1"), gate=replace(GATE, question="Is this one?"), expires=4e9)
    second = approvals.question(db, first.id)
    assert (second.phase, second.gate.question, second.expires_at) == (2, "Is this one?", 4e9)
    assert second.digest != first.digest


def test_a_question_that_was_answered_keeps_its_answer(db: Database) -> None:
    runs.add(db, new_run())
    _park(db, claimed(db, "run-1"))
    asked = approvals.question(db, "run-1")
    approvals.answer(db, asked.id, Answer("yes"), by="a person", channel="terminal", digest=asked.digest)
    _park(db, claimed(db, "run-1"))
    assert approvals.answers_of(db, "run-1") == {"plan": Answer("yes")}


def _put_back(db: Database, run: Run, worker: str) -> None:
    runs.put_back(db, run.id, worker, not_before=1.5, message="Later.")


def test_a_run_that_is_given_back_is_queued_in_its_phase(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    _put_back(db, run, "worker-1")
    back = runs.get(db, "run-1")
    changes = {
        "status": "queued",
        "worker": None,
        "not_before": 1.5,
        "message": "Later.",
        "changed_at": back.changed_at,
    }
    assert back == replace(run, **changes)  # type: ignore[arg-type]


def test_an_ended_run_says_how(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    result = result_of(run, StopCode.DELIVERED)
    for _ in range(2):
        runs.end(db, "run-1", "worker-1", result=result, delivery="f" * 64)
    ended = runs.get(db, "run-1")
    assert ended == replace(
        run, status="ended", stop_code="delivered", message=result.message, result=result, delivery="f" * 64,
        changed_at=ended.changed_at, ended_at=ended.changed_at,
    )  # fmt: skip


LEAVING: list[Callable[[Database, Run, str], None]] = [_park, _end, _put_back]


@pytest.mark.parametrize("leave", LEAVING)
def test_a_worker_that_lost_a_run_changes_nothing(db: Database, leave: Callable[[Database, Run, str], None]) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    taken = claimed(db, "run-1", "worker-2")
    with pytest.raises(Fenced):
        leave(db, run, "worker-1")
    assert (runs.get(db, "run-1"), approvals.open_questions(db, None)) == (taken, [])


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("before", [_park, _end, _put_back])
def test_what_was_let_go_is_not_changed_by_another(
    db: Database, before: Callable[[Database, Run, str], None], leave: Callable[[Database, Run, str], None]
) -> None:
    """Parked, ended or given back by one, the run is closed to every other worker until it is claimed again."""
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    before(db, run, "worker-1")
    left = runs.get(db, "run-1")
    if not (before is _park and leave is _park):
        with pytest.raises(Fenced):
            leave(db, run, "worker-2")
    assert runs.get(db, "run-1") == left


def test_parking_in_a_phase_that_is_over_changes_nothing(db: Database) -> None:
    runs.add(db, new_run())
    run = claimed(db, "run-1")
    _park(db, run)
    later = claimed(db, "run-1")
    with pytest.raises(Fenced):
        _park(db, run)
    assert runs.get(db, "run-1") == later


def test_a_document_of_another_version_is_told_with_its_run(db: Database) -> None:
    runs.add(db, new_run())
    with db.transaction() as tx:
        tx.execute("UPDATE runs SET options = ?", ['{"schema_version": 2, "started": 1}'])
    with pytest.raises(UserError, match="run run-1 was written by another version of andon"):
        runs.get(db, "run-1")

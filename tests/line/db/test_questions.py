"""What runs ask people, and how it is answered."""

import hashlib
import json
import threading
import time
from dataclasses import replace

import pytest
from database_kit import claimed, new_run, result_of

from andon.line.db import approvals, runs
from andon.line.db.approvals import Question
from andon.line.db.database import Database
from andon.line.db.foreign import Unreadable
from andon.line.db.rows import gate_json
from andon.line.steps import Answer, Gate
from andon.records.errors import UserError
from andon.records.stops import StopCode

GATE = Gate("tool:1", "tool", "May it run `make`?", StopCode.NEEDS_PERSON, rule="run", kind="every make")


KEY = "ghp_" + "A1b2C3d4E5f6" * 3


def _asked(
    db: Database, run_id: str = "run-1", gate: Gate = GATE, expires: float | None = None, repository: str = "r"
) -> Question:
    runs.add(db, new_run(run_id, repository=repository))
    run = claimed(db, run_id)
    result = result_of(run, StopCode.NEEDS_PERSON)
    runs.park(db, run_id, "worker-1", phase=0, checkpoint="", gate=gate, expires=expires, result=result)
    return approvals.question(db, run_id)


def _answer(db: Database, asked: Question, answer: Answer) -> None:
    approvals.answer(db, asked.id, answer, by="a person", channel="terminal", digest=asked.digest)


def test_a_question_tells_what_is_asked_by_whom_and_until_when(db: Database) -> None:
    asked = _asked(db, expires=4e9)
    assert asked == Question(
        id=asked.id, run_id="run-1", repository="r", task_id="T-1", title="Add a function", run_status="parked",
        phase=1, gate=GATE, digest=hashlib.sha256(gate_json(GATE).encode()).hexdigest(), asked_at=asked.asked_at,
        expires_at=4e9, answer=None, answered_by="", channel="", answered_at=None,
    )  # fmt: skip
    assert approvals.question(db, asked.id) == asked


@pytest.mark.parametrize("answer", [Answer("yes"), Answer("kind"), Answer("no", "too slow\nreally"), Answer("stop")])
def test_an_answer_is_kept_for_the_run_and_closes_the_question(db: Database, answer: Answer) -> None:
    asked = _asked(db)
    _answer(db, asked, answer)
    after = approvals.question(db, asked.id)
    assert after == replace(
        asked, answer=answer, answered_by="a person", channel="terminal", answered_at=after.answered_at
    )
    assert (approvals.answers_of(db, "run-1"), approvals.open_questions(db, None)) == ({"tool:1": answer}, [])


def test_an_edited_document_is_an_answer_where_there_is_one_to_edit(db: Database) -> None:
    asked = _asked(db, gate=replace(GATE, editable='{"a": 1}'))
    _answer(db, asked, Answer("edit", '{"a": 2}'))
    assert approvals.answers_of(db, "run-1") == {"tool:1": Answer("edit", '{"a": 2}')}


def test_the_oldest_question_comes_first_and_those_of_other_repositories_apart(db: Database) -> None:
    first, second, other = _asked(db, "a"), _asked(db, "b"), _asked(db, "c", repository="s")
    assert approvals.open_questions(db, None) == [first, second, other]
    assert approvals.open_questions(db, "s") == [other]


@pytest.mark.parametrize("text", ['{"name": "x"}', "{", "[]"])
def test_a_question_that_cannot_be_read_is_named_and_hides_no_other(db: Database, text: str) -> None:
    spoilt, other = _asked(db, "a"), _asked(db, "b")
    with db.transaction() as tx:
        tx.execute("UPDATE approvals SET question = ? WHERE run_id = 'a'", [text])
    left: list[Unreadable] = []
    assert approvals.open_questions(db, None, left) == [other]
    with pytest.raises(UserError) as refused:
        approvals.question(db, spoilt.id)
    said = str(refused.value)
    assert said.startswith(f"question {spoilt.id} of run a was written by another version of andon (")
    assert left == [Unreadable("a", "T-1", "Add a function", "default", "factory/T-1-add-a-function", "parked", said)]
    with pytest.raises(UserError, match="another version"):
        approvals.open_questions(db, None)


@pytest.mark.parametrize(("kind", "said"), [("kind", "rest of the run"), ("edit", "nothing that can be edited")])
def test_refuses_an_answer_the_question_does_not_offer(db: Database, kind: str, said: str) -> None:
    asked = _asked(db, gate=replace(GATE, kind=""))
    with pytest.raises(UserError, match=said):
        _answer(db, asked, Answer(kind))  # type: ignore[arg-type]
    assert approvals.open_questions(db, None) == [asked]


def test_refuses_a_second_answer(db: Database) -> None:
    asked = _asked(db)
    _answer(db, asked, Answer("no", "because"))
    with pytest.raises(UserError, match="was answered already: no"):
        _answer(db, asked, Answer("yes"))
    assert approvals.answers_of(db, "run-1") == {"tool:1": Answer("no", "because")}


def test_refuses_an_answer_after_the_time_is_over(db: Database) -> None:
    asked = _asked(db, expires=time.time() - 1)
    with pytest.raises(UserError, match="has expired"):
        _answer(db, asked, Answer("yes"))
    assert (approvals.open_questions(db, None), approvals.answers_of(db, "run-1")) == ([], {})


def test_refuses_an_answer_to_a_run_that_has_ended(db: Database) -> None:
    asked = _asked(db)
    run = claimed(db, "run-1")
    runs.end(db, "run-1", "worker-1", result=result_of(run, StopCode.INTERRUPTED), delivery=None)
    with pytest.raises(UserError, match="its run run-1 has ended"):
        _answer(db, asked, Answer("yes"))


@pytest.mark.parametrize("wanted", ["0000aaaa", "run-1", "", "%"])
def test_says_that_there_is_no_such_question(db: Database, wanted: str) -> None:
    with pytest.raises(UserError, match="`andon approve` lists what waits"):
        approvals.question(db, wanted)


def _ask_other(db: Database, gate: Gate) -> None:
    question = gate_json(gate)
    with db.transaction() as tx:
        digest = hashlib.sha256(question.encode()).hexdigest()
        tx.execute("UPDATE approvals SET question = ?, digest = ?", [question, digest])


@pytest.mark.parametrize("answer", [Answer("yes"), Answer("kind"), Answer("no"), Answer("edit", "{}")])
def test_an_answer_to_what_was_shown_does_not_count_for_what_is_asked_by_now(db: Database, answer: Answer) -> None:
    shown = _asked(db, gate=replace(GATE, editable="{}"))
    _ask_other(db, replace(GATE, kind="", shown="rm -r /"))
    with pytest.raises(UserError, match=f"{shown.id} asks something else by now: read it again"):
        _answer(db, shown, answer)
    now = approvals.question(db, shown.id)
    assert (now.answer, approvals.answers_of(db, "run-1")) == (None, {})
    _answer(db, now, Answer("yes"))
    assert approvals.answers_of(db, "run-1") == {"tool:1": Answer("yes")}


def test_a_key_in_a_reason_is_not_kept(db: Database) -> None:
    _answer(db, _asked(db), Answer("no", f"use {KEY}\nnot that"))
    assert approvals.answers_of(db, "run-1") == {"tool:1": Answer("no", "use [redacted: github-token]\nnot that")}
    assert db.read("SELECT text FROM approvals") == [{"text": "use [redacted: github-token]\nnot that"}]


def test_a_key_in_an_edited_document_is_not_kept_and_the_document_stays_json(db: Database) -> None:
    asked = _asked(db, gate=replace(GATE, editable='{"a": 1}'))
    _answer(db, asked, Answer("edit", json.dumps({"steps": [f"say {KEY}", "end"], "password": "pw9Kd82mQz71"})))
    [row] = db.read("SELECT text FROM approvals")
    assert json.loads(row["text"]) == {
        "steps": ["say [redacted: github-token]", "end"],
        "password": "[redacted: named-secret]",
    }


def test_an_edited_document_that_is_no_json_is_refused(db: Database) -> None:
    asked = _asked(db, gate=replace(GATE, editable='{"a": 1}'))
    with pytest.raises(UserError, match="the edited document:1:2: malformed JSON"):
        _answer(db, asked, Answer("edit", "{a: 2}"))
    assert approvals.open_questions(db, None) == [asked]


def test_of_many_answers_at_once_one_counts(db: Database) -> None:
    asked, refused = _asked(db), []

    def say(number: int) -> None:
        try:
            _answer(db, asked, Answer("no", str(number)))
        except UserError:
            refused.append(str(number))

    threads = [threading.Thread(target=say, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    counted = approvals.answers_of(db, "run-1")["tool:1"].text
    assert sorted([*refused, counted]) == ["0", "1", "2", "3", "4", "5"]

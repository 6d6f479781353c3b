"""`andon approve` and `andon deny` for the questions of runs: what is shown, what counts as an answer, what follows."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from runs_kit import CALL_GATE, PLAN_GATE, WORKER, begun, db, parked, queued, repo
from terminal_kit import Started

from andon.line.db import approvals, messages
from andon.line.db.approvals import Question
from andon.line.db.database import Database
from andon.line.durable.papers_store import keep_papers
from andon.line.steps import Answer, Gate
from andon.records.plan import PlanPayload
from andon.records.stops import StopCode

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"
EVIDENCE_GATE = Gate("evidence", "evidence", "May the change be delivered?", StopCode.NO_EVIDENCE, rule="evidence")


def asked_of(
    db: Database, repo: Path, gate: Gate = PLAN_GATE, expires: float | None = None, serving: bool = False
) -> Question:
    """Let a run wait at `gate`; its worker is gone unless it is `serving`."""
    run = parked(db, begun(db, queued(db, repo)), gate, expires)
    if not serving:
        with db.transaction() as tx:
            tx.execute("DELETE FROM workers")
    return approvals.question(db, run.id)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("VISUAL", "EDITOR")}


def piped(repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a controlling terminal."""
    return subprocess.run(
        [sys.executable, "-m", "andon", *words], cwd=repo, capture_output=True, text=True, start_new_session=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def typed(repo: Path, keys: str, *words: str, **more: str) -> tuple[int, str]:
    """Run a command on a terminal of its own and type `keys` at its question."""
    process = Started([sys.executable, "-m", "andon", *words], repo, environment() | more)
    process.answer("of the sha256 above: ", keys)
    return process.end(), process.text


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("approve",), Answer("yes")),
        (("approve", "--kind"), Answer("kind")),
        (("deny", "--reason", "use \x1b[2Jtox"), Answer("no", "use tox")),
    ],
)
def test_a_person_who_types_the_digest_answers(
    db: Database, repo: Path, words: tuple[str, ...], answer: Answer
) -> None:
    asked = asked_of(db, repo, CALL_GATE)
    code, screen = typed(repo, asked.digest[:6].upper(), words[0], asked.id, *words[1:])
    answered = approvals.question(db, asked.id)
    assert (code, answered.answer, answered.channel) == (0, answer, "terminal")
    assert "@" in answered.answered_by
    assert f"{asked.id}: {answer.kind}" in screen
    assert f"no worker is alive: `andon resume {RUN}` goes on with the run here" in screen


@pytest.mark.parametrize("wanted", [RUN, "20261129-08", "task-001", "last"])
def test_the_run_or_its_task_names_its_question(db: Database, repo: Path, wanted: str) -> None:
    asked = asked_of(db, repo)
    assert typed(repo, asked.digest[:6], "approve", wanted)[0] == 0
    assert approvals.answers_of(db, RUN) == {"plan": Answer("yes")}


def test_with_a_worker_alive_it_says_that_the_run_goes_on(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, serving=True)
    _, screen = typed(repo, asked.digest[:6], "approve", asked.id)
    assert f"a worker goes on with the run: `andon log -f {RUN}` follows it" in screen


def test_everything_is_shown_before_the_question_without_control_characters(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, CALL_GATE, expires=5e9)
    process = Started([sys.executable, "-m", "andon", "approve", asked.id], repo, environment() | {"NO_COLOR": "1"})
    process.expect("of the sha256 above: ")
    lines = [line.rstrip() for line in process.raw.decode().replace("\r\n", "\n").split("\n")]
    process.type("\n")
    process.end()
    for line in (
        "? May the executor call write_file?",
        "  write_file setup.cfg <U+202E>",
        f"run      {RUN} (task task-001: Title of task-001)",
        "rule     packages",
        "kind     every package",
        "sha256",
    ):
        assert any(shown.startswith(line) for shown in lines), line
    assert "days left" in next(line for line in lines if line.startswith("expires"))
    assert asked.digest in "".join(lines).replace(" ", "")


def test_a_plan_is_shown_whole(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo)
    _, screen = typed(repo, "", "approve", asked.id)
    for words in ("Plan: add sub", "1. write it", "- calc.py", "1. sub(3, 1) is 2"):
        assert words in screen


def test_the_diff_that_is_asked_about_is_shown_also_from_another_machine(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, EVIDENCE_GATE)
    patch = b"diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1 +1 @@\n-old\n+new\n"
    tests = {"schema_version": 1, "base": [], "head": [], "comparison": None}
    keep_papers(db, RUN, {"diff.patch": patch, "test-result.json": json.dumps(tests).encode()})
    _, screen = typed(repo, "", "approve", asked.id)
    for words in ("The checks of the change did not run.", "calc.py  +1 -1", "-old", "+new"):
        assert words in screen


def test_without_the_papers_that_are_asked_about_nothing_can_be_approved(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, EVIDENCE_GATE)
    process = Started([sys.executable, "-m", "andon", "approve", asked.id], repo, environment())
    assert process.end() == 2
    assert "has no paper 'test-result.json'" in " ".join(process.text.split())


@pytest.mark.parametrize("keys", ["", "y", "yes", "00000"])
def test_anything_else_is_no_answer(db: Database, repo: Path, keys: str) -> None:
    asked = asked_of(db, repo)
    code, screen = typed(repo, keys, "approve", asked.id)
    assert code == 2
    assert f"{asked.id} was not answered" in screen
    assert approvals.question(db, asked.id) == asked


@pytest.mark.parametrize("words", [("approve",), ("deny",), ("approve", "--kind"), ("approve", "--edit")])
def test_without_a_terminal_nothing_is_answered(db: Database, repo: Path, words: tuple[str, ...]) -> None:
    asked = asked_of(db, repo, PLAN_GATE if "--edit" in words else CALL_GATE)
    done = piped(repo, words[0], asked.id, *words[1:])
    assert (done.returncode, "there is no terminal" in done.stderr) == (2, True)
    assert approvals.question(db, asked.id) == asked


def test_a_question_that_changed_after_it_was_shown_is_not_answered(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo)
    process = Started([sys.executable, "-m", "andon", "approve", asked.id], repo, environment())
    process.expect("of the sha256 above: ")
    with db.transaction() as tx:
        tx.execute("UPDATE approvals SET digest = ? WHERE id = ?", ["0" * 64, asked.id])
    process.type(f"{asked.digest[:6]}\n")
    assert process.end() == 2
    assert f"{asked.id} asks something else by now: read it again" in " ".join(process.text.split())
    assert approvals.answers_of(db, RUN) == {}


def _editor(tmp_path: Path, script: str) -> str:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_an_edited_plan_is_shown_and_confirmed_by_its_own_digest(db: Database, repo: Path, tmp_path: Path) -> None:
    asked = asked_of(db, repo)
    editor = _editor(tmp_path, "sed -i 's/write it/write it twice/' \"$1\"")
    process = Started(
        [sys.executable, "-m", "andon", "approve", RUN, "--edit"], repo, environment() | {"EDITOR": editor}
    )
    process.expect("To let the run go on with the plan as you left it, type the first 6")
    digest = process.text.rpartition("sha256   ")[2][:6]
    assert digest != asked.digest[:6]
    assert "1. write it twice" in process.text
    process.type(f"{digest}\n")
    assert process.end() == 0
    answer = approvals.answers_of(db, RUN)["plan"]
    edited = PlanPayload.model_validate_json(PLAN_GATE.editable).model_copy(update={"steps": ["write it twice"]})
    assert (answer.kind, PlanPayload.model_validate_json(answer.text)) == ("edit", edited)


def test_a_key_in_an_edited_plan_is_neither_shown_nor_kept(db: Database, repo: Path, tmp_path: Path) -> None:
    asked_of(db, repo)
    key = "ghp_" + "A1b2C3d4E5f6" * 3
    editor = _editor(tmp_path, f"sed -i 's/write it/use {key}/' \"$1\"")
    process = Started(
        [sys.executable, "-m", "andon", "approve", RUN, "--edit"], repo, environment() | {"EDITOR": editor}
    )
    process.expect("To let the run go on with the plan as you left it, type the first 6")
    digest = process.text.rpartition("sha256   ")[2][:6]
    process.type(f"{digest}\n")
    assert (process.end(), key in process.text) == (0, False)
    kept = approvals.answers_of(db, RUN)["plan"].text
    assert hashlib.sha256(kept.encode()).hexdigest()[:6] == digest
    assert PlanPayload.model_validate_json(kept).steps == ["use [redacted: github-token]"]


def test_an_edited_plan_that_is_none_is_refused_and_the_question_waits(
    db: Database, repo: Path, tmp_path: Path
) -> None:
    asked = asked_of(db, repo)
    editor = _editor(tmp_path, 'echo "{}" > "$1"')
    process = Started(
        [sys.executable, "-m", "andon", "approve", RUN, "--edit"], repo, environment() | {"EDITOR": editor}
    )
    assert process.end() == 2
    assert "plan.json" in process.text
    assert approvals.question(db, asked.id) == asked


def test_what_cannot_be_answered_so_is_refused_before_anything_is_asked(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo)
    done = piped(repo, "approve", asked.id, "--kind")
    assert (done.returncode, "cannot be allowed for the rest of the run" in done.stderr) == (2, True)
    call = parked(db, begun(db, queued(db, repo, "run-2", "task-002")), CALL_GATE)
    done = piped(repo, "approve", call.id, "--edit")
    assert (done.returncode, "there is nothing to edit" in done.stderr) == (2, True)


def test_an_answered_an_expired_a_stopped_and_an_unknown_question_are_refused(db: Database, repo: Path) -> None:
    answered = asked_of(db, repo)
    approvals.answer(db, answered.id, Answer("no"), by="me", channel="terminal", digest=answered.digest)
    parked(db, begun(db, queued(db, repo, "run-late", "late")), expires=1.0)
    parked(db, begun(db, queued(db, repo, "run-stopped", "stopped")))
    messages.stop(db, "run-stopped", "me")
    queued(db, repo, "run-quiet", "quiet")
    for wanted, words in (
        (answered.id, "was answered already: no"),
        ("run-late", "has expired"),
        ("run-stopped", "its run run-stopped has ended"),
        ("quiet", "is no id of an approval"),
        ("00000002", "nothing 00000002 waits here"),
    ):
        done = piped(repo, "approve", wanted, "--json")
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_question_of_another_repository_is_refused(db: Database, repo: Path) -> None:
    run = parked(db, begun(db, queued(db, repo, repository="example.org/other/one")))
    done = piped(repo, "approve", approvals.question(db, run.id).id)
    assert (done.returncode, "example.org/other/one: change into that repository" in done.stderr) == (2, True)


def test_a_question_that_cannot_be_read_hides_no_other(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, CALL_GATE)
    parked(db, begun(db, queued(db, repo, "run-new", "new")))
    with db.transaction() as tx:
        tx.execute("UPDATE approvals SET question = '{}' WHERE run_id = 'run-new'")
    listed = json.loads(piped(repo, "approve", "--json").stdout)
    assert ([one["id"] for one in listed["runs"]], ["run-new" in one for one in listed["unreadable"]]) == (
        [asked.id], [True],
    )  # fmt: skip
    assert piped(repo, "approve").stdout.splitlines()[2].startswith("not believed: ")


def test_without_an_id_what_waits_is_listed(db: Database, repo: Path) -> None:
    asked = asked_of(db, repo, CALL_GATE)
    parked(db, begun(db, queued(db, repo, "run-late", "late")), expires=1.0)
    assert piped(repo, "approve").stdout.splitlines() == [
        f"{asked.id}  May the executor call write_file?",
        f"  no time limit, run {RUN}: andon approve {asked.id}",
    ]
    assert json.loads(piped(repo, "approve", "--json").stdout) == {
        "schema_version": 1,
        "waiting": [],
        "runs": [
            {
                "id": asked.id,
                "run_id": RUN,
                "task_id": "task-001",
                "subject": "tool",
                "rule": "packages",
                "question": CALL_GATE.question,
                "shown": CALL_GATE.shown,
                "kind": "every package",
                "editable": "",
                "digest": asked.digest,
                "asked_at": asked.asked_at,
                "expires_at": None,
            }
        ],
        "unreadable": [],
    }
    assert WORKER not in piped(repo, "approve").stdout

"""Runs that wait for a person with nobody there: nothing is left but rows, and any worker goes on from those."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import database_kit
import pytest
from durable_kit import (
    BRANCH,
    CI,
    LONG,
    LONG_FILES,
    MAKE_CI,
    PARKED_KEY,
    SHORT,
    Outcome,
    Script,
    Shop,
    difference,
    events_of,
    outcome,
    repeated,
    shop,
)
from lane_kit import FILES, git, plan, review, write
from process_kit import REPORT, WRITE, WRITE_TEST, answer, command

from andon.line.bundles.bundle import open_bundle
from andon.line.db import approvals, messages
from andon.line.db.again import again
from andon.line.db.database import Database, database_url
from andon.line.steps import Answer, Ask, Gate
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

FIXTURES = Path(__file__).parent / "fixtures"
pytestmark = pytest.mark.xdist_group("parked-runs")

ALWAYS = FILES | {"factory/andon.toml": '[approvals]\nplan = "always"\n'}
NEVER = FILES | {"factory/andon.toml": '[approvals]\nplan = "never"\n'}
PLAN, OTHER_PLAN = answer(plan()), answer(plan(summary="sub stands beside add"))
EDITED = plan(summary="as a person words it").arguments
ODD = command("frobnicate --all")
DOUBTFUL = answer(review(criteria=[{"number": 1, "status": "not shown", "evidence": "nothing"}]))
EDITS_CI = [answer(write("make_ci.py", MAKE_CI)), command("python make_ci.py")]

GATES: Mapping[str, tuple[Script, Mapping[str, str]]] = {
    "plan": ({**SHORT, "planner": [PLAN, OTHER_PLAN]}, ALWAYS),
    "tool": ({**SHORT, "executor": [WRITE_TEST, ODD, WRITE, ODD, REPORT]}, NEVER),
    "effect": ({**SHORT, "executor": [WRITE_TEST, *EDITS_CI, WRITE, REPORT]}, NEVER),
    "evidence": ({**SHORT, "reviewer": [DOUBTFUL]}, NEVER),
}
"""Of each subject a script that comes to its question."""
CASES = [
    ("plan", (Answer("yes"),), "delivered"),
    ("plan", (Answer("no", "say more"), Answer("yes")), "delivered"),
    ("plan", (Answer("edit", EDITED),), "delivered"),
    ("plan", (Answer("stop"),), "interrupted"),
    ("tool", (Answer("yes"), Answer("no", "once is enough")), "delivered"),
    ("tool", (Answer("kind"),), "delivered"),
    ("effect", (Answer("yes"),), "delivered"),
    ("effect", (Answer("no", "we own the pipeline"),), "delivered"),
    ("effect", (Answer("stop"),), "interrupted"),
    ("evidence", (Answer("yes"),), "delivered"),
    ("evidence", (Answer("no", "show it"),), "not-shown"),
]
PARKING = {"run.parked", "run.resumed"}


@contextmanager
def parking(kind: str, folder: Path, subject: str) -> Iterator[Shop]:
    script, files = GATES[subject]
    with ExitStack() as stack:
        url = stack.enter_context(database_kit.fresh_postgresql()) if kind == "postgresql" else ""
        yield stack.enter_context(shop(folder, url, script, files))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Shop]:
    """A shop whose run asks about its plan."""
    with parking("sqlite", tmp_path, "plan") as one:
        yield one


def saying(*answers: Answer) -> Ask:
    left = list(answers)

    async def ask(gate: Gate) -> Answer:
        return left.pop(0)

    return ask


def happened(came: Outcome) -> list[tuple[str, str]]:
    """Return what a run told, without what is told of its wait, and without when it took its tree for that."""
    waited: list[tuple[str, str]] = []
    for kind, facts in came.told:
        aside = kind in PARKING or kind == "tree.taken" or (kind, json.loads(facts).get("name")) == ("phase", "agents")
        if not aside and (kind, facts) not in waited[-1:]:
            waited.append((kind, facts))
    return waited


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("subject", "said", "code"), CASES, ids=[f"{s}-{a[0].kind}" for s, a, _ in CASES])
def test_an_answer_given_later_elsewhere_leads_where_the_same_leads_at_once(
    tmp_path: Path, kind: str, subject: str, said: tuple[Answer, ...], code: str
) -> None:
    if kind == "postgresql" and said[0].kind != "yes":
        pytest.skip("one answer of each subject is given over PostgreSQL")
    (tmp_path / "at-once").mkdir()
    with parking("sqlite", tmp_path / "at-once", subject) as there:
        run = there.queue()
        there.work(saying(*said))
        at_once, requests = outcome(there, run.id), there.server.bodies
        assert at_once.result["stop_code"] == code
    with parking(kind, tmp_path, subject) as made:
        run = made.queue()
        for number, one in enumerate(said):
            made.work(state=f"state-{number}")
            parked = made.row(run.id)
            assert (parked.status, parked.worker, parked.phase) == ("parked", None, number + 1)
            assert parked.gate is not None
            assert parked.gate.subject == subject
            made.answer(run.id, one)
        made.work(state="another-state")
        later = outcome(made, run.id)
        assert made.server.bodies == requests, difference(made.server.bodies, requests)
    assert (later.tree, later.result, happened(later)) == (at_once.tree, at_once.result, happened(at_once))
    assert later.papers == at_once.papers


def test_while_it_waits_nothing_of_a_run_is_left_but_rows(made: Shop) -> None:
    run = made.queue()
    worker = made.serve("--once")
    assert worker.end() == 0
    row = made.row(run.id)
    assert (row.status, row.worker, row.stop_code) == ("parked", None, "needs-person")
    assert made.db.read("SELECT id FROM workers") == []
    assert os.listdir(worker.folder / "scratch") == [], "no workspace is left"
    assert _processes_of(str(made.repo), str(worker.folder)) == []
    assert made.server.asked == [("planner", 0)]
    assert made.serve("--once").end() == 0, "without an answer there is nothing to do"
    assert made.row(run.id) == row


def _processes_of(*words: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if any(word.encode() in line for word in words):
                found.append(folder.name)
    return found


def test_a_killed_worker_that_went_on_after_an_answer_is_followed_by_another(made: Shop) -> None:
    run = made.queue()
    made.work()
    made.answer(run.id)
    made.server._hold = lambda conversation, number: (conversation, number) == ("executor", 2)
    worker = made.serve("--state", str(made.folder / "first"))
    made.wait_for(made.server.held.is_set)
    worker.kill()
    made.bury()
    made.server._hold = lambda conversation, number: False
    made.work(state="second")
    assert made.row(run.id).stop_code == "delivered"
    assert made.server.asked == [
        ("planner", 0), ("executor", 0), ("executor", 1), ("executor", 2), ("executor", 2), ("reviewer", 0),
    ]  # fmt: skip
    assert [row.kind for row in events_of(made, run.id)].count("run.resumed") == 1


def test_two_questions_of_one_run_are_answered_one_after_the_other(tmp_path: Path) -> None:
    script = {**SHORT, "executor": [WRITE_TEST, ODD, *EDITS_CI, WRITE, REPORT]}
    with shop(tmp_path, "", script, ALWAYS) as made:
        run = made.queue()
        asked = []
        for _ in range(3):
            made.work()
            asked.append(approvals.question(made.db, run.id).gate.name)
            made.answer(run.id)
        made.work()
        assert asked == ["plan-1", "tool-1", "effect-2"]
        assert outcome(made, run.id).result["stop_code"] == "delivered"
        assert CI in git(made.repo, "diff", "--name-only", f"main..{BRANCH}~1").split()
        assert len(set(made.server.bodies)) == len(made.server.bodies) == 8


def test_what_was_held_stays_among_the_papers_however_often_a_run_waits(tmp_path: Path) -> None:
    script = {**SHORT, "executor": [WRITE_TEST, *EDITS_CI, ODD, WRITE, REPORT], "reviewer": [DOUBTFUL]}
    with shop(tmp_path, "", script, NEVER) as made:
        run, held = made.queue(), []
        for _ in range(3):
            made.work()
            held.append((made.repo / "factory/runs/task-001/held.patch").read_bytes())
            made.answer(run.id)
        asked = approvals.question(made.db, run.id).gate.name
        made.work()
        papers = made.repo / "factory/runs/task-001"
        assert (asked, made.row(run.id).stop_code) == ("evidence", "delivered")
        assert b"+on: push" in held[0]
        assert [*held, (papers / "held.patch").read_bytes()] == held[:1] * 4


def test_what_was_answered_to_another_question_counts_for_nothing(made: Shop) -> None:
    run = made.queue()
    made.work()
    asked = approvals.question(made.db, run.id)
    # As it stands where an older policy had other words, or showed another workspace.
    _ask_other(made.db, run.id, replace(asked.gate, shown="something else"))
    made.answer(run.id)
    made.work()
    row = made.row(run.id)
    assert (row.status, row.phase) == ("parked", 2)
    assert row.gate == replace(asked.gate, name="plan-1-again")
    made.answer(run.id)
    made.work()
    assert made.row(run.id).stop_code == "delivered"
    assert len(made.server.bodies) == 5


def _ask_other(db: Database, run_id: str, gate: Gate) -> None:
    import hashlib

    from andon.line.db.rows import gate_json

    question = gate_json(gate)
    with db.transaction() as tx:
        digest = hashlib.sha256(question.encode()).hexdigest()
        tx.execute("UPDATE approvals SET question = ?, digest = ? WHERE run_id = ?", [question, digest, run_id])


def test_a_question_nobody_answered_in_time_ends_its_run(made: Shop) -> None:
    run = made.queue()
    made.work()
    with made.db.transaction() as tx:
        tx.execute("UPDATE approvals SET expires_at = 1")
    made.work()
    row = made.row(run.id)
    assert (row.status, row.stop_code, row.message) == (
        "ended",
        "needs-person",
        "Nobody answered in time: Go on with this plan?",
    )
    with pytest.raises(UserError, match="Nobody answered in time"):
        again(made.db, run.id)


@pytest.mark.parametrize("where", ["later", "terminal"])
def test_a_run_that_a_person_stopped_at_its_question_goes_on_from_there(made: Shop, where: str) -> None:
    run = made.queue()
    if where == "terminal":
        made.work(saying(Answer("stop")))
    else:
        made.work()
        made.answer(run.id, Answer("stop"))
        made.work()
    row = made.row(run.id)
    assert (row.status, row.stop_code, row.message.partition(":")[0]) == (
        "ended", "interrupted", "A person stopped the run at the question",
    )  # fmt: skip
    again(made.db, run.id)
    made.work()
    assert made.row(run.id).status == "parked"
    made.answer(run.id)
    made.work()
    assert made.row(run.id).stop_code == "delivered"
    assert len(made.server.bodies) == 5, "the planner was asked once"
    answered = [
        json.loads(one.line)["data"]["answer"] for one in events_of(made, run.id) if one.kind == "gate.answered"
    ]
    assert answered == ["stop", "yes"]
    assert made.andon("log", run.id, "--verify").returncode == 0


def test_a_run_stopped_while_it_waits_ends_at_once_and_can_be_asked_again(made: Shop) -> None:
    run = made.queue()
    made.work()
    ended = messages.stop(made.db, run.id, "somebody")
    assert (ended.status, ended.stop_code) == ("ended", "interrupted")
    with pytest.raises(UserError, match="has ended"):
        made.answer(run.id)
    again(made.db, run.id)
    made.answer(run.id)
    made.work()
    assert made.row(run.id).stop_code == "delivered"
    assert len(made.server.bodies) == 5, "the planner was asked once"


def test_a_bundle_goes_on_on_another_machine(made: Shop, tmp_path: Path) -> None:
    made.extra["ANDON_BUNDLE_KEY"] = "k" * 32
    git(made.repo, "remote", "add", "origin", "https://example.org/owner/name")
    git(tmp_path, "clone", "-q", str(made.repo), str(tmp_path / "clone"))
    git(tmp_path / "clone", "remote", "set-url", "origin", "https://example.org/owner/name")
    run = made.queue()
    made.work()
    [bundle] = (made.repo / "factory/runs/task-001").glob("*.andon")
    carried = tmp_path / "RUN.andon"
    carried.write_bytes(bundle.read_bytes())
    made.repo.rename(tmp_path / "gone")
    home = tmp_path / "other-home"
    home.mkdir()
    made.extra["HOME"] = str(home)
    clone = tmp_path / "clone"
    waits = made.andon("resume", str(carried), "--json", cwd=clone)
    assert (waits.returncode, json.loads(waits.stdout)["stop_code"]) == (10, "needs-person"), waits.stderr
    with closing(Database.open(database_url({}, clone))) as db:
        asked = approvals.question(db, run.id)
        approvals.answer(db, asked.id, Answer("yes"), by="somebody", channel="terminal", digest=asked.digest)
    went = made.andon("resume", run.id, "--json", cwd=clone)
    result = json.loads(went.stdout)
    assert (went.returncode, result["stop_code"], result["run_id"]) == (0, "delivered", run.id), went.stderr
    assert git(clone, "rev-parse", f"{BRANCH}~1^{{tree}}") == result["tree"]
    assert repeated(made, list(dict.fromkeys(made.server.bodies))) == []
    assert len(made.server.bodies) == 5
    assert made.andon("log", run.id, "--verify", cwd=clone).returncode == 0


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("parked-*.andon")))
def test_a_run_that_an_older_version_parked_goes_on_to_its_end(tmp_path: Path, name: str) -> None:
    with shop(tmp_path, "", LONG, LONG_FILES) as made:
        git(made.repo, "remote", "add", "origin", "https://example.org/owner/name")
        home = tmp_path / "state"
        run = open_bundle(
            FIXTURES / name,
            Repository.open(made.repo),
            {"ANDON_BUNDLE_KEY": PARKED_KEY, "HOME": str(tmp_path), "XDG_STATE_HOME": str(home)},
        )
        assert (run.status, run.phase, run.gate and run.gate.name) == ("parked", 1, "effect-1")
        made.answer(run.id)
        made.work(state="state/andon")
        row = made.row(run.id)
        assert (row.stop_code, row.message) == ("delivered", f"Branch {BRANCH} holds the change and the papers.")
        assert row.result is not None
        assert CI in [one.path for one in row.result.files]
        assert made.server.asked[0] == ("executor", 8), "what the other version asked is not asked again"
        assert made.andon("log", run.id, "--verify").returncode == 0

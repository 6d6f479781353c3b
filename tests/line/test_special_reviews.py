"""Whole runs of lanes with specialised reviewers: order, what is sent back, what is kept, and where a run is left."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from durable_kit import ByRequest, Shop
from lane_kit import CHANGE, FILES, SUB, call, git, make_repository, plan, report, review, run_line, write
from process_kit import REPORT, REVIEW, WRITE, WRITE_TEST, answer

from andon.intake.queue import find, load_queue
from andon.line.db.database import Database, database_url
from andon.line.db.runs import Run, RunOptions
from andon.line.durable.queueing import enqueue
from andon.line.job import queue_path
from andon.sandbox.repository import Repository

TWO = '[approvals]\nplan = "never"\n[lanes.default]\nreviewers = ["security", "tests"]\n'
DESCRIBED = SUB.replace("    return a - b\n", '    """Return a minus b."""\n    return a - b\n')
MUST_FIX = {"severity": "must-fix", "path": "calc.py", "line": 5, "problem": "say what it does"}
NOTE = {"severity": "note", "path": "tests/test_calc.py", "line": 8, "problem": "try a negative number"}


def passed_on(*findings: dict[str, Any], summary: str = "nothing to fix") -> Any:
    return call("pass_on", summary=summary, findings=[*findings])


CRITERIA = [{"number": 1, "status": "met", "evidence": "test_sub"}]
BEFORE = ([plan()], *CHANGE, [report()])


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES | {"factory/andon.toml": TWO})


def test_they_look_in_order_after_one_check_and_what_they_say_is_kept(repo: Path) -> None:
    ran = run_line(repo, *BEFORE, [passed_on(summary="no way in")], [passed_on(NOTE, summary="shown")], [review()])

    assert (ran.result.stop_code, ran.result.review_rounds) == ("delivered", 1)
    assert [(data["source"], data["target"]) for _, data in ran.kinds("handoff")] == [
        ("planner", "executor"),
        ("executor", "security reviewer"),
        ("security reviewer", "tests reviewer"),
        ("tests reviewer", "reviewer"),
    ]
    assert [data for _, data in ran.kinds("review.given")] == [
        {"verdict": "notes", "summary": "no way in", "findings": [], "who": "security"},
        {"verdict": "notes", "summary": "shown", "findings": [NOTE], "who": "tests"},
        {"verdict": "pass", "summary": "the review says pass", "findings": []},
    ]
    assert sum(data["phase"] == "head" for _, data in ran.kinds("check.ended")) == 2, "one test, one static check"
    assert ran.result.usage_by_role["reviewer"].requests == 3
    said = "Said by the security reviewer:\n\n> no way in\n\nSaid by the tests reviewer:\n\n> shown\n\n"
    assert said in (ran.folder / "review.md").read_text()
    assert said in git(repo, "show", f"{ran.result.branch}:factory/runs/task-001/review.md")
    body = (ran.folder / "pr-body.md").read_text()
    assert "Specialised reviewers found: security none, tests 1 note; their words are in review.md." in body


def test_each_starts_from_records_and_what_those_before_it_found_and_nobodys_chat(repo: Path) -> None:
    look = call("read_file", path="auth/login.py")
    ran = run_line(
        repo, *BEFORE, [look], [passed_on(summary="no way in")], [passed_on(NOTE, summary="shown")], [review()]
    )

    security, tests, reviewer = ran.first_inputs()[-3:]
    heading = "# What colleagues found: their own words, checked by nobody; judge for yourself\n"
    first = f'{heading}<data from="the security reviewer">\nno way in\n</data>\n'
    second = '<data from="the tests reviewer">\nshown\n- tests/test_calc.py:8: note: try a negative number\n</data>\n'
    body = security.partition("# Now\n")[0]
    assert "+def sub(a, b):" in body
    assert tests == security.replace("# Now\n", f"{first}\n# Now\n")
    assert reviewer.partition("# Now\n")[0] == f"{body}{first}{second}\n"
    assert "def login" not in tests + reviewer


def test_what_one_finds_that_must_be_fixed_is_repaired_and_looked_at_by_all_again(repo: Path) -> None:
    ran = run_line(
        repo, *BEFORE, [passed_on()], [passed_on(MUST_FIX, NOTE, summary="it must say so")], [review()],
        [call("hand_back", verdict="changes", summary="one gap", criteria=CRITERIA, findings=[])],
        [write("calc.py", DESCRIBED)], [report()], [passed_on()], [passed_on()], [review()],
    )  # fmt: skip

    assert (ran.result.stop_code, ran.result.review_rounds) == ("delivered", 2)
    (refused,) = [data["reason"] for _, data in ran.kinds("handoff.refused")]
    assert refused.startswith("Refused: what the tests reviewer found must be fixed first.")
    repair, security = ran.first_inputs()[5:7]
    assert "calc.py:5: tests reviewer: say what it does" in repair
    assert "try a negative" not in repair
    assert "This is the last repair." in repair
    assert "# Review 1 asked for\nmust-fix:\n- calc.py:5: tests reviewer: say what it does" in security
    assert "# What colleagues found" not in security, "of an earlier round nothing is left but what was asked for"
    rounds = [line for line in (ran.folder / "review.md").read_text().splitlines() if line.startswith("## ")]
    assert rounds == ["## Round 1: changes", "## Round 2: pass"]
    assert git(repo, "show", f"{ran.result.branch}:calc.py") + "\n" == DESCRIBED


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        ({**MUST_FIX, "path": "gone.py"}, "gone.py is no file of the change or of the base"),
        ({**MUST_FIX, "line": 90}, "line 90 of calc.py is not in the diff: name one that is, or 0"),
        ({**MUST_FIX, "path": "a\tb"}, "refused (name): findings: "),
    ],
)
def test_a_finding_about_a_place_that_is_not_there_goes_back_to_who_found_it(
    repo: Path, finding: dict[str, Any], said: str
) -> None:
    ran = run_line(repo, *BEFORE, [passed_on(finding)], [passed_on()], [passed_on()], [review()])

    assert (ran.result.stop_code, ran.result.review_rounds) == ("delivered", 1)
    (refused,) = [data["reason"] for _, data in ran.kinds("handoff.refused")]
    assert refused.startswith(said)
    assert "not finished" not in (ran.folder / "review.md").read_text()


def test_in_the_last_round_what_one_of_them_stops_fails(tmp_path: Path) -> None:
    settings = f"{TWO}[limits]\nreview_rounds = 1\n"
    repo = make_repository(tmp_path / "repo", FILES | {"factory/andon.toml": settings})
    ran = run_line(repo, *BEFORE, [passed_on(MUST_FIX)], [passed_on()], [review()], [review("fail")])

    offered = [[one.tool_name for one in request.handoffs] for request in ran.model.calls[-4:]]
    assert offered == [["pass_on"], ["pass_on"], [], []]
    assert "the change cannot pass: finish with fail" in ran.first_inputs()[-1]
    assert (ran.result.stop_code, ran.result.exit_code) == ("rounds-spent", 20)


def test_what_each_asks_is_news_to_it_however_often_its_colleagues_asked_the_same(repo: Path) -> None:
    looks = [[call("read_file", path="calc.py")] for _ in range(4)]
    ran = run_line(repo, *BEFORE, *looks, [passed_on()], *looks, [passed_on()], *looks, [review()])

    assert ran.result.stop_code == "delivered"
    assert ran.kinds("tool.refused", "role.nudged") == []


class ByAgent(ByRequest):
    """Tells specialised reviewers from each other by their texts."""

    def _place(self, request: Mapping[str, Any]) -> tuple[str, int]:
        words = str(request["instructions"]).split()[3:5]
        if words[1] == "reviewer":
            items = request["input"]
            return words[0], sum(item.get("type") == "function_call" for item in items)
        return super()._place(request)


ASKS = FILES | {
    "factory/andon.toml": ('[approvals]\nplan = "never"\n[lanes.nightly]\nreviewers = ["security", "tests"]\n'),
    "factory/policy.toml": (
        'version = 1\n[[rule]]\nid = "slow"\nverdict = "ask"\njustification = "the tests take hours"\n'
        'tools = ["run_tests"]\nroles = ["reviewer"]\nmatch = ["run_tests"]\nnot_match = ["read_file"]\n'
    ),
}
NIGHTLY = {
    "planner": [answer(plan())],
    "executor": [WRITE_TEST, WRITE, REPORT],
    "security": [answer(passed_on(summary="no way in"))],
    "tests": [answer(call("run_tests")), answer(passed_on(NOTE, summary="shown"))],
    "reviewer": [REVIEW],
}  # fmt: skip


def _queue(made: Shop, lane: str) -> Run:
    repository = Repository.open(made.repo)
    options = RunOptions(started=1_700_000_000, queued=True, stream=False, sandbox="bubblewrap")
    task = find(load_queue(queue_path(repository)), "task-001")
    return enqueue(made.db, repository, task, lane=lane, options=options, environment=made.environment)


@pytest.mark.parametrize("lane", ["nightly", "default"])
def test_a_run_left_while_one_of_them_looks_is_gone_on_with_by_the_same_one(tmp_path: Path, lane: str) -> None:
    repo = make_repository(tmp_path / "repo", ASKS)
    url = database_url({}, repo)
    db = Database.open(url)
    with ByAgent(NIGHTLY) as server:
        made = Shop(repo, tmp_path, url, db, server)
        run = _queue(made, lane)
        made.work()
        if lane == "nightly":
            parked = made.row(run.id)
            assert (parked.status, parked.gate and parked.gate.subject) == ("parked", "tool")
            assert server.asked[-1] == ("tests", 0)
            made.answer(run.id)
            made.work(state="another-state")
        result = made.row(run.id).result
    db.close()

    assert result is not None
    assert result.stop_code == "delivered"
    looked = [("security", 0), ("tests", 0), ("tests", 1)] if lane == "nightly" else []
    assert server.asked == [
        ("planner", 0), ("executor", 0), ("executor", 1), ("executor", 2), *looked, ("reviewer", 0)
    ]  # fmt: skip
    text = (repo / "factory/runs/task-001/review.md").read_text()
    assert ("> no way in" in text, "> shown" in text) == (bool(looked), bool(looked))
    assert "no way in" not in json.dumps(result.model_dump(mode="json"))

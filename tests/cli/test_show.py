"""`andon show` and `andon diff`: a run and its papers, from its folder or from the store."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, git, plan, report, review, run_line
from runs_kit import CALL_GATE, WORKER, begun, db, ended, parked, queued, repo
from terminal_kit import Started

from andon.cli.main import main
from andon.line.db import approvals
from andon.line.db.database import Database
from andon.line.durable.papers_store import keep_papers
from andon.line.steps import Answer
from andon.records.result import RunResult, Usage
from andon.records.stops import StopCode

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"
PATCH = (
    "diff --git a/calc.py b/calc.py\nindex 1..2 100644\n--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,3 @@\n"
    " def add(a, b):\n-    return a + b\n+    return b + a\n+# \u202e\x1b[2J\n"
    "diff --git a/logo.png b/logo.png\nindex 3..4 100644\nBinary files a/logo.png and b/logo.png differ\n"
)
PLAN = {
    "schema_version": 1, "task_id": "task-001", "branch": "factory/task-001", "summary": "Turn it round.",
    "acceptance_criteria": ["it works"], "steps": ["turn"], "files": ["calc.py"], "tests": [], "risks": ["none"],
    "criteria_proposed": False,
}  # fmt: skip


def left(repo: Path, result: RunResult | None, run_id: str = RUN) -> Path:
    """Leave the papers of a run in its folder."""
    folder = repo / "factory/.state/runs" / run_id
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(PLAN))
    (folder / "diff.patch").write_text(PATCH)
    (folder / "review.md").write_text("# Review\n\nRound 1: \x1b[31mpass\n")
    if result:
        (folder / "result.json").write_text(result.model_dump_json())
    return folder


def shown(repo: Path, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([words[0], "-C", str(repo), *words[1:]]) == 0
    return capfd.readouterr().out


def on_terminal(repo: Path, *words: str) -> str:
    """Run a command on a terminal, and return what it printed there as it came."""
    process = Started([sys.executable, "-m", "andon", *words], repo, os.environ | {"TERM": "xterm-256color"})
    assert process.end() == 0
    return process.raw.decode()


def test_a_run_that_was_delivered_is_shown_whole(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    usage = Usage(requests=3, input_tokens=1000, output_tokens=200)
    run = ended(db, begun(db, queued(db, repo)), branch="factory/task-001", head_commit="d" * 40, sandbox="bubblewrap",
                usage=usage, usage_by_role={"planner": usage}, warnings=["a note"])  # fmt: skip
    left(repo, run.result)
    lines = shown(repo, capfd, "show", "task-001").splitlines()
    for line in (
        f"run         {RUN}, ended",
        f"base        {git(repo, 'rev-parse', 'HEAD')}",
        "branch      factory/task-001",
        f"head        {'d' * 40}",
        "task        task-001: Title of task-001",
        "accept      it works",
        "Plan: Turn it round.",
        "  1. turn",
        "result      delivered (exit 0): It ended with delivered.",
        "note        a note",
        "used        3 model calls, 1,200 tokens",
        "  planner   3 model calls, 1,200 tokens",
        "sandbox     bubblewrap",
        "next        Review the branch and open a pull request with pr-body.md.",
    ):
        assert line in lines
    assert "Round 1: pass" in lines
    assert any(line.startswith(f"papers      in factory/.state/runs/{RUN}: ") for line in lines)


def test_a_run_that_waits_shows_its_question_and_where_it_would_be_delivered(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = parked(db, begun(db, queued(db, repo)))
    asked = approvals.question(db, run.id)
    out = shown(repo, capfd, "show", RUN)
    for words in (
        f"run         {RUN}, parked",
        "branch      factory/task-001, not made yet",
        "asks        May the run carry out this plan?",
        f"andon approve {asked.id}, or andon deny {asked.id} --reason …",
    ):
        assert words in out
    approvals.answer(db, asked.id, Answer("no", "later"), by="ada", channel="terminal", digest=asked.digest)
    assert "answered    no, by ada: May the run carry out this plan?" in shown(repo, capfd, "show", RUN)


def test_one_that_can_go_on_says_how(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended(db, begun(db, queued(db, repo)), StopCode.PROVIDER_FAILED)
    assert f"andon resume {RUN} goes on where it stopped" in shown(repo, capfd, "show", RUN)


def test_one_that_goes_on_or_waits_for_its_turn_says_so(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = queued(db, repo, priority=3, lane="nightly")
    out = shown(repo, capfd, "show", RUN)
    assert f"run         {RUN}, queued" in out
    assert "lane        nightly, priority 3" in out
    begun(db, run)
    assert f"by worker {WORKER} on " in shown(repo, capfd, "show", RUN)


def test_as_json_everything_is_one_document(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = parked(db, begun(db, queued(db, repo)), CALL_GATE)
    left(repo, run.result)
    document: dict[str, Any] = json.loads(shown(repo, capfd, "show", RUN, "--json"))
    asked = approvals.question(db, run.id)
    assert document["question"] == {
        "id": asked.id, "subject": "tool", "question": CALL_GATE.question, "shown": CALL_GATE.shown, "expires_at": "",
        "answer": None, "answered_by": "",
    }  # fmt: skip
    assert (document["schema_version"], document["run_id"], document["task_id"], document["state"]) == (
        1, RUN, "task-001", "parked",
    )  # fmt: skip
    assert document["plan"] == PLAN
    assert document["task"] == run.task.model_dump(mode="json")
    assert document["result"] == (run.result.model_dump(mode="json") if run.result else None)
    assert (document["run"]["branch"], document["run"]["phase"], document["run"]["ended_at"]) == (run.branch, 1, "")
    assert document["papers"] == {
        "where": f"factory/.state/runs/{RUN}", "names": ["diff.patch", "plan.json", "result.json", "review.md"],
    }  # fmt: skip


def test_a_run_that_was_never_queued_is_shown_from_its_papers(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run_line(repo, [plan()], *CHANGE, [report()], [review()]).result
    out = shown(repo, capfd, "show", "last")
    assert f"run         {result.run_id}, ended" in out
    assert "Plan: add sub beside add" in out
    assert "  | check" in out
    assert f"branch      {result.branch}\nhead        {result.head_commit}\n" in out
    patch = git(repo, "diff", "--full-index", result.base_commit, f"{result.head_commit}~1")
    assert shown(repo, capfd, "diff", "last").strip() == patch
    assert not (repo / "factory/.state/andon.sqlite").exists()


def test_a_paper_is_printed_as_it_is_stored_and_on_a_terminal_without_control_characters(
    db: Database, repo: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    left(repo, ended(db, begun(db, queued(db, repo))).result)
    assert main(["show", "-C", str(repo), RUN, "--paper", "review.md"]) == 0
    assert capfdbinary.readouterr().out == b"# Review\n\nRound 1: \x1b[31mpass\n"
    assert on_terminal(repo, "show", RUN, "--paper", "review.md") == "# Review\r\n\r\nRound 1: pass\r\n"


@pytest.mark.parametrize("name", ["nothing.md", "../../../calc.py", ".gitignore", ""])
def test_a_paper_that_is_not_there_is_refused_with_those_that_are(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    left(repo, ended(db, begun(db, queued(db, repo))).result)
    code = main(["show", "-C", str(repo), RUN, "--paper", name])
    assert code == (2 if name else 0), "no name at all shows the run"
    if name:
        assert "it has: diff.patch, plan.json, result.json, review.md" in capfd.readouterr().err


def test_a_paper_that_is_a_link_is_not_followed(
    db: Database, repo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = left(repo, ended(db, begun(db, queued(db, repo))).result)
    (tmp_path / "secret").write_text("secret")
    (folder / "linked.md").symlink_to(tmp_path / "secret")
    assert main(["show", "-C", str(repo), RUN, "--paper", "linked.md"]) == 2
    assert "linked" not in shown(repo, capfd, "show", RUN, "--json")


@pytest.mark.parametrize("command", ["show", "diff"])
def test_a_run_that_is_not_there_is_refused(repo: Path, command: str) -> None:
    assert main([command, "-C", str(repo), "nothing"]) == 2


def test_a_diff_is_the_patch_byte_for_byte_where_no_person_reads(
    db: Database, repo: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    left(repo, ended(db, begun(db, queued(db, repo))).result)
    assert main(["diff", "-C", str(repo), RUN]) == 0
    assert capfdbinary.readouterr().out == PATCH.encode()


def test_on_a_terminal_a_diff_has_colours_and_shows_what_is_hidden(db: Database, repo: Path) -> None:
    left(repo, ended(db, begun(db, queued(db, repo))).result)
    screen = on_terminal(repo, "diff", RUN)
    assert "\x1b[31m    -    return a + b\x1b[0m" in screen
    assert "\x1b[32m    +# <U+202E>\x1b[0m" in screen
    assert "\x1b[2J" not in screen


def test_the_stat_and_the_document_of_a_diff(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    left(repo, ended(db, begun(db, queued(db, repo))).result)
    assert shown(repo, capfd, "diff", RUN, "--stat").splitlines() == [
        "calc.py   +2 -1",
        "logo.png  binary",
        "2 files changed, +2 -1",
    ]
    assert json.loads(shown(repo, capfd, "diff", RUN, "--json")) == {
        "schema_version": 1,
        "run_id": RUN,
        "task_id": "task-001",
        "files": [
            {"path": "calc.py", "added": 2, "removed": 1},
            {"path": "logo.png", "added": None, "removed": None},
        ],
        "patch": PATCH,
    }


def test_a_run_without_a_change_says_so(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queued(db, repo)
    assert main(["diff", "-C", str(repo), RUN]) == 2
    assert f"run {RUN} left no change" in capfd.readouterr().err


def test_help_documents_every_key_of_the_documents(repo: Path) -> None:
    for command, keys in (("show", "run_id, task_id, state, task, run"), ("diff", "run_id, task_id, files, patch")):
        done = subprocess.run(
            [sys.executable, "-m", "andon", command, "--help"], capture_output=True, text=True, check=True
        )
        assert keys in done.stdout


def test_papers_of_a_run_that_was_worked_on_elsewhere_come_from_the_store(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = ended(db, begun(db, queued(db, repo)))
    keep_papers(db, RUN, {"diff.patch": PATCH.encode(), "plan.json": json.dumps(PLAN).encode()})
    assert "Plan: Turn it round." in shown(repo, capfd, "show", RUN)
    assert shown(repo, capfd, "diff", RUN) == PATCH
    assert json.loads(shown(repo, capfd, "show", RUN, "--json"))["papers"] == {
        "where": "the database", "names": ["diff.patch", "plan.json"],
    }  # fmt: skip
    assert run.result is not None
    left(repo, run.result.model_copy(update={"stop_code": StopCode.PROVIDER_FAILED}))
    assert "the database" in shown(repo, capfd, "show", RUN), "the folder is of an earlier part of the run"


def test_papers_that_are_gone_from_the_store_are_told(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended(db, begun(db, queued(db, repo)))
    keep_papers(db, RUN, {"plan.json": b"{}"})
    with db.transaction() as tx:
        tx.execute("DELETE FROM blobs")
    assert main(["show", "-C", str(repo), RUN, "--paper", "plan.json"]) == 2
    assert f"the papers of run {RUN} cannot be read" in capfd.readouterr().err

"""The benchmark of durable runs, at a size that takes a minute: every figure of its group is measured and adds up."""

import json
from pathlib import Path

import pytest

from andon.evals import bench_line, bench_serve
from andon.evals.bench import GROUPS, main
from andon.evals.bench_job import make_repository
from andon.evals.bench_stock import stock
from andon.line.db import approvals, runs
from andon.line.db.database import Database, database_url
from andon.sandbox.repository import Repository


def test_the_stock_is_runs_that_wait_or_are_over_each_on_a_branch_of_its_own(tmp_path: Path) -> None:
    make_repository(tmp_path / "repository")
    repository = Repository.open(tmp_path / "repository")
    db = Database.open(database_url({}, repository.root))
    stock(db, repository, queued=3, parked=2, ended=1)
    found = runs.listed(db, repository=None)
    assert runs.count_by_status(db, None) == {"ended": 1, "parked": 2, "queued": 3}
    assert len({(run.branch, run.task_id) for run in found}) == 6
    assert [one.run_id for one in approvals.open_questions(db, None)] == ["parked-00000", "parked-00001"]
    assert {run.base_commit for run in found} == {repository.head()}
    db.close()


def test_every_figure_of_the_line_is_measured_beside_a_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_serve, "AT_ONCE", 2)
    monkeypatch.setattr(bench_serve, "THINKING", 0.5)
    monkeypatch.setattr(bench_line, "_STOCK", {"queued": 30, "parked": 10, "ended": 10})
    out = tmp_path / "b.json"
    assert main(["--only", "line", "--runs", "1", "--out", str(out)]) == 0, out.read_text()
    figures = json.loads(out.read_text())["figures"]
    assert list(figures) == list(GROUPS["line"].goals)
    assert all(figure["baseline"] > 0 for figure in figures.values())
    parts = figures["line.parallel_8"]["parts"]
    # A run asks for eight answers, one after the other; what its sandboxes take is a part of the whole.
    assert figures["line.parallel_8"]["baseline"] >= 8 * 0.5
    assert 0 < parts["in_sandboxes_alone_s"] < parts["alone_s"] - 8 * 0.5
    assert figures["line.resume_s"]["value"] > 0

"""The papers of a client's submission that was not delivered."""

from andon.delivery.taking import Kept
from andon.line.ide.papers import Submission, submission_papers
from andon.records.checks import Comparison
from andon.records.result import FileStat
from andon.records.stops import StopCode
from andon.records.task import Task

SUBMISSION = Submission(
    task=Task(id="ide-1", title="Add sub"),
    branch="factory/ide-1-add-sub",
    summary="added sub",
    tree="d" * 40,
    stats=[FileStat(path="calc.py", added=1, removed=0)],
    base=[],
    head=[],
    comparison=Comparison(outcome="none", reason="no test could run: that is no evidence"),
)
KEPT = Kept(StopCode.NO_EVIDENCE, "no test could run", "c" * 40, "d" * 40, "factory/runs/ide-1/diff.patch")


def test_they_say_where_the_change_is_and_name_no_branch() -> None:
    papers = submission_papers(SUBMISSION, [], ["sandbox: a note"], KEPT)
    for name in ("proposal.md", "pr-body.md"):
        assert "**Not delivered** (no-evidence): no test could run\n\nNo branch was made." in papers[name]
        assert "```sh\ngit apply factory/runs/ide-1/diff.patch\n```" in papers[name]
        assert (SUBMISSION.branch in papers[name], "revert" in papers[name]) == (False, False)
        assert papers[name].endswith("## Notes on the session\n\n- sandbox: a note\n")


def test_delivered_ones_name_the_branch() -> None:
    papers = submission_papers(SUBMISSION, [], [])
    assert "Branch: `factory/ide-1-add-sub`" in papers["proposal.md"]
    assert "`git revert factory/ide-1-add-sub~1`" in papers["pr-body.md"]
    assert "Not delivered" not in papers["proposal.md"] + papers["pr-body.md"]


def test_only_the_proposal_holds_the_clients_words() -> None:
    papers = submission_papers(SUBMISSION, [], [])
    assert [("Add sub" in text, "added sub" in text) for text in papers.values()] == [
        (True, True), (False, False), (False, False), (False, False),
    ]  # fmt: skip
    assert list(papers) == ["proposal.md", "pr-body.md", "review.md", "test-result.json"]

"""How a client's session stands or ended: `result.json` and the papers beside it, made from records."""

from collections.abc import Sequence
from dataclasses import dataclass

from andon.delivery.memory import memory_md
from andon.line.ide.ground import Ground
from andon.line.ide.papers import Submission
from andon.records.result import FileStat, RunResult
from andon.records.setup import SetupFacts
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox.host_git import GitError


@dataclass(frozen=True)
class Outcome:
    """What came of a submission."""

    submission: Submission
    """What was submitted."""
    code: StopCode
    """`delivered`, or why it was not."""
    message: str
    """The same in a sentence."""
    head_commit: str | None = None
    """Tip of the branch, if it was delivered."""


def result_of(
    ground: Ground,
    outcome: Outcome | None,
    *,
    code: StopCode,
    message: str,
    tree: str,
    tier: str,
    warnings: Sequence[str],
    setup: SetupFacts | None,
) -> RunResult:
    """Return how the session stands.

    `outcome` is what the result speaks of: the last delivery, or else the last submission. `tree` is the workspace's
    now; a result of a delivery speaks of the delivered tree instead.
    """
    delivered = outcome is not None and outcome.code is StopCode.DELIVERED
    of = outcome.submission.tree if outcome and delivered else tree
    same = outcome is not None and outcome.submission.tree == of
    task = outcome.submission.task if outcome else ground.job.task
    changed = of != ground.base_tree
    return RunResult(
        run_id=ground.job.run_id,
        task_id=task.id,
        title=task.title,
        status=MEANINGS[code].status,
        stop_code=code,
        exit_code=MEANINGS[code].exit_code,
        message=message,
        remedy=MEANINGS[code].remedy,
        base_commit=ground.job.base_commit,
        branch=outcome.submission.branch if outcome and delivered else None,
        head_commit=outcome.head_commit if outcome else None,
        tree=of if changed else None,
        files=list(outcome.submission.stats) if outcome and same else _stats(ground, of),
        checks=outcome.submission.comparison if outcome and same else None,
        sandbox=tier,
        setup=setup,
        answered_by="an MCP client",
        warnings=list(warnings),
        run_folder=ground.folder.shown if outcome or changed else f"factory/.state/runs/{ground.job.run_id}",
    )


def write_result(ground: Ground, outcome: Outcome | None, result: RunResult, tree: str) -> None:
    """Write `result.json`, `memory.md` and the patches; what came after a delivery is kept as `later.patch`.

    Raises:
        RunError: `disk-failed` if one cannot be written.
        GitError: the repository is gone.
    """
    folder, store = ground.folder, ground.store
    task = outcome.submission.task if outcome else ground.job.task
    if outcome is not None and result.checks is None:
        # They speak of a tree that is no longer the one kept here.
        for stale in ("proposal.md", "pr-body.md"):
            folder.papers.pop(stale, None)
    folder.write("memory.md", memory_md(task, result.stop_code, result.checks, result.files, [], ""))
    folder.write("result.json", result.model_dump_json(indent=2) + "\n")
    if result.tree is not None:
        folder.write("diff.patch", store.patch(ground.base_tree, result.tree))
        if result.branch is not None and tree != result.tree:
            folder.write("later.patch", store.patch(result.tree, tree))


def _stats(ground: Ground, tree: str) -> list[FileStat]:
    try:
        return ground.store.stat(ground.base_tree, tree)
    except (GitError, OSError):
        # The repository is gone; what is known without it is said.
        return []

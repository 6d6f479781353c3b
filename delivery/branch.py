"""The branch a run delivers: the change, and on top of it the papers."""

import re
from collections.abc import Mapping

from andon.delivery.escape import message_line
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.host_git import run_git
from andon.sandbox.protocol import REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

_PAPER = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9]+)+")
_SUBJECT = 72


def deliver(
    repository: Repository,
    store: TreeStore,
    *,
    base_commit: str,
    tree: str,
    papers: Mapping[str, bytes],
    task: Task,
    title: str,
    branch: str,
    when: int,
    holding: str = "Plan, checks and review of the change below.",
    anew: bool = False,
) -> tuple[str, str]:
    """Make `branch` with two commits and return their ids: the change, and the papers on top of it.

    The papers become `factory/runs/<task-id>/NAME`; papers of an earlier run of the task go. `when` is in Unix seconds.
    `holding` says in the second commit what the papers are.
    The same arguments give the same ids, and doing it twice is doing it once. Index, working tree and configuration of
    the repository stay as they are. With `anew` the run may have made the branch before, of another change or other
    papers: one with just those two commits, made by andon on this base and of this date, is made again, unless a
    person works on it.

    Raises:
        UserError: the branch exists otherwise or cannot be named so.
        RunError: git would not hold the papers as they are meant, or a paper has no plain file name.
    """
    odd = sorted(name for name in papers if not _PAPER.fullmatch(name))
    if odd:
        raise RunError(StopCode.INTERNAL, f"papers need plain file names, not {', '.join(map(repr, odd))}")
    subject = _subject(title)
    change = store.commit(tree, base_commit, f"{subject}\n\nTask: {task.id}\n", when=when)
    with_papers = store.build(tree, _paper_changes(store, tree, task, papers))
    message = f"Papers of {task.id}\n\n{holding} Task: {task.id}\n"
    tip = store.commit(with_papers, change, message, when=when)
    old = repository.branch(branch)
    if old != tip:
        # A run that was cut off after this made it; whatever else bears the name is refused.
        own = old if anew and old and _made_of(repository, old, base_commit, task, when) else None
        repository.receive(store.path, tip, branch, instead_of=own)
    return change, tip


def _made_of(repository: Repository, tip: str, base_commit: str, task: Task, when: int) -> bool:
    """Say whether `tip` is what `deliver` makes of a task on this base at this time, whatever the change."""
    arguments = ["log", "-2", "--first-parent", "--format=%P|%ae|%ce|%ct|%s", tip, "--"]
    lines = run_git(arguments, git_dir=repository.git_dir).decode("utf-8", "replace").splitlines()
    if len(lines) != 2:
        return False
    (parents, *papers), (base, *change) = (line.split("|", 4) for line in lines)
    # An amend or a rebase by a person keeps the author and can keep the date; the committer is the person.
    ours = ["andon@localhost", "andon@localhost", str(when)]
    return (
        (papers, change[:3]) == ([*ours, f"Papers of {task.id}"], ours) and " " not in parents and base == base_commit
    )


def _paper_changes(store: TreeStore, tree: str, task: Task, papers: Mapping[str, bytes]) -> list[Change]:
    folder = f"factory/runs/{task.id}/".encode()
    wanted = {folder + name.encode(): content for name, content in papers.items()}
    old = [file.path for file in store.files(tree) if file.path.startswith(folder) and file.path not in wanted]
    put = [Change(path, REGULAR, content) for path, content in sorted(wanted.items())]
    return [*(Change(path, None) for path in old), *put]


def _subject(title: str) -> str:
    line = message_line(title)
    return line if len(line) <= _SUBJECT else f"{line[: _SUBJECT - 1].rstrip()}…"

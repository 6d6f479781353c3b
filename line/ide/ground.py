"""What a session of a client outside stands on, read before it is served; mistakes of a person end here.

Nothing here or below imports a model SDK or the protocol, so that it can be read while the protocol is still loading.
"""

from dataclasses import dataclass

from andon.context.detect import detect
from andon.guardrails.judge import Policy
from andon.line.house_rules import policy_of
from andon.line.job import Job, prepare
from andon.line.run_folder import RunFolder
from andon.line.stop_of import stop_of
from andon.records.errors import UserError
from andon.records.project import ProjectSetup
from andon.records.stops import MEANINGS, StopCode
from andon.records.task import Task
from andon.sandbox.host_git import GitError
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeStore

UNTITLED = "Session of an MCP client"
"""Title of a session nobody gave one."""

_OF_A_PLANNER = "the task names no acceptance criteria"


@dataclass(frozen=True)
class Ground:
    """One session, before it begins."""

    job: Job
    """Its task has the session's id and title; branches are named by what is submitted."""
    setup: ProjectSetup
    """What checks the project; its programs are looked for once the sandbox stands."""
    policy: Policy
    """What every call and every submitted tree is held to."""
    folder: RunFolder
    """Where events and papers go."""
    store: TreeStore
    """Where trees are kept."""
    base_tree: str
    """The tree of the base commit."""
    warnings: tuple[str, ...]
    """What a person should know although the session begins."""


def ground(
    repository: Repository,
    *,
    title: str,
    session_id: str,
    run_id: str,
    started: int,
    toolchain: str | None,
    tier: str | None = None,
) -> Ground:
    """Read what a session needs from the commit HEAD names now, and make its folder. `tier` is as in `prepare`.

    Raises:
        UserError: something a person can mend: a malformed file, a `factory` that leads out of the repository, a full
            disk.
    """
    try:
        title.encode()
    except UnicodeEncodeError as error:
        raise UserError("the title is not Unicode text: check the encoding of what starts andon") from error
    task = Task(id=session_id, title=title.strip() or UNTITLED, source="mcp-client")
    job = prepare(repository, task, run_id=run_id, started=started, queued=False, toolchain=toolchain, tier=tier)
    setup = detect(job.files, job.settings)
    policy, unmatched = policy_of(job)
    prepared = [warning for warning in job.warnings if not warning.startswith(_OF_A_PLANNER)]
    folder = RunFolder.create(repository.root, run_id, session_id)
    store, base_tree = _store(folder, job)
    return Ground(
        job=job,
        setup=setup,
        policy=policy,
        folder=folder,
        store=store,
        base_tree=base_tree,
        warnings=(*prepared, *unmatched),
    )


def _store(folder: RunFolder, job: Job) -> tuple[TreeStore, str]:
    try:
        store = TreeStore.create(folder.path / "store.git", job.repository)
        return store, store.tree_of(job.base_commit)
    except (GitError, OSError) as error:
        folder.release()
        code, said = stop_of(error)
        if code is StopCode.INTERNAL:
            raise
        raise UserError(f"no session could begin: {said} {MEANINGS[code].remedy}") from error

"""What a session of a client outside stands on, read before it is served; mistakes of a person end here.

Nothing here or below imports a model SDK or the protocol, so that it can be read while the protocol is still loading.
"""

from dataclasses import dataclass

from andon.context.detect import detect
from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.line.job import Job, prepare
from andon.line.run_folder import RunFolder
from andon.records.errors import UserError
from andon.records.project import ProjectSetup
from andon.records.task import Task
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
    repository: Repository, *, title: str, session_id: str, run_id: str, started: int, toolchain: str | None
) -> Ground:
    """Read what a session needs from the commit HEAD names now, and make its folder.

    Raises:
        UserError: something a person can mend: a malformed file, a `factory` that leads out of the repository.
    """
    try:
        title.encode()
    except UnicodeEncodeError as error:
        raise UserError("the title is not Unicode text: check the encoding of what starts andon") from error
    task = Task(id=session_id, title=title.strip() or UNTITLED, source="mcp-client")
    job = prepare(repository, task, run_id=run_id, started=started, queued=False, toolchain=toolchain)
    setup = detect(job.files, job.settings)
    rules = resolve_protected(job.project.context.protected_areas, job.files.paths, job.settings.protected_paths)
    unmatched = [
        f"the protected area {rule.entry!r} matches no file; map it under [protected_paths] in factory/andon.toml"
        for rule in rules
        if not rule.matches
    ]
    prepared = [warning for warning in job.warnings if not warning.startswith(_OF_A_PLANNER)]
    folder = RunFolder.create(repository.root, run_id, session_id)
    store = TreeStore.create(folder.path / "store.git", repository)
    return Ground(
        job=job,
        setup=setup,
        policy=Policy(protected=tuple(rules)),
        folder=folder,
        store=store,
        base_tree=store.tree_of(job.base_commit),
        warnings=(*prepared, *unmatched),
    )

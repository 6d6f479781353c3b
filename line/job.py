"""Everything a run needs to know before it begins, read once from the base commit; mistakes of a person end here."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from andon.context.detect import detect
from andon.context.project import CONTEXT_PATH, PROSE_PATH, Project, load_project
from andon.context.settings import SETTINGS_PATH, LaneSettings, Settings, load_settings
from andon.context.setup_plan import plan_setup
from andon.guardrails.paths import is_secret
from andon.guardrails.policy_file import POLICY_PATH, RepositoryPolicy, read_policy
from andon.guardrails.redact_known import learn, values_in_file
from andon.intake.queue import QUEUE_PATH
from andon.line.base_files import CommitFiles
from andon.line.evidence.dependency_audit import AuditOrder, audit_order
from andon.line.registries import registries_of
from andon.line.trust import Elsewhere, TrustFile, Where, claims_of
from andon.records.errors import UserError
from andon.records.lanes import DEFAULT_LANE
from andon.records.review import Specialist
from andon.records.task import Task, branch_of
from andon.sandbox.repository import Repository
from andon.sandbox.setup_cache import SetupCache
from andon.sandbox.setup_plan import SetupPlan
from andon.sandbox.start import Tier, tier_of
from andon.sandbox.toolchain import Toolchain, find_toolchain


@dataclass(frozen=True)
class Job:
    """One run, before it begins. Clock, randomness and environment were read to make it and are read no more."""

    run_id: str
    started: int
    """Unix seconds; the date of the commits."""
    repository: Repository
    task: Task
    queued: bool
    """True if the task stands in the queue file and its status is to be kept there."""
    base_commit: str
    branch: str
    files: CommitFiles
    settings: Settings
    project: Project
    toolchain: Toolchain
    tier: Tier
    """Of the first sandbox; every further one of the run is of the same."""
    warnings: tuple[str, ...]
    setup: SetupPlan | None = None
    """What is installed before anybody works; None: nothing."""
    policy: RepositoryPolicy = field(default_factory=lambda: read_policy(None))
    """The shipped policy with the repository's own over it."""
    audit: AuditOrder | None = None
    """How dependencies are audited; None: never."""
    setup_cache: SetupCache | None = None
    """Where that is kept; there is one where there is something to install."""
    lane: str = DEFAULT_LANE
    """The lane that the run is queued in."""

    @property
    def reviewers(self) -> tuple[Specialist, ...]:
        """The specialised reviewers of the lane, in their order."""
        return tuple(self.settings.lanes.get(self.lane, LaneSettings()).reviewers)


def prepare(
    repository: Repository,
    task: Task,
    *,
    run_id: str,
    started: int,
    queued: bool,
    toolchain: str | None,
    tier: str | None = None,
    base: str | None = None,
    elsewhere: Elsewhere | None = None,
) -> Job:
    """Read what a run of `task` needs from the commit HEAD names now, or from `base` for one that has begun there.

    `elsewhere` is the repository that the run is of where `repository` is a checkout of ours.

    Raises:
        UserError: something a person can mend: a malformed file, a branch that exists or stands in the way, a link
            in place of `factory/`.
    """
    branch = branch_of(task)
    if base is None:
        # What has begun may have made its branch already.
        repository.check_free(branch)
        base = repository.head()
    files = CommitFiles(repository, base)
    _refuse_links(files)
    settings = load_settings(files)
    where = elsewhere or repository.root
    _refuse_unaccepted(settings, where)
    # Commands may read what is tracked; what is secret in it leaves by no answer, in no form.
    learn(value for path in files.paths if is_secret(path) for value in values_in_file(files.read(path) or b""))
    plan, _ = plan_setup(files, settings, registries_of(os.environ))
    project = load_project(files)
    policy = read_policy(files.read(POLICY_PATH))
    return Job(
        run_id=run_id,
        started=started,
        repository=repository,
        task=task,
        queued=queued,
        base_commit=base,
        branch=branch,
        files=files,
        settings=settings,
        project=project,
        toolchain=replace(find_toolchain(toolchain), image=settings.sandbox.image),
        tier=tier_of(tier),
        warnings=(
            *_dirty(repository, base),
            *project.notes,
            *detect(files, settings).notes,
            *_no_criteria(task),
            *policy.changes,
        ),
        policy=policy,
        setup=plan,
        audit=audit_order(settings.checks.audit, accepted=lambda: _audit_accepted(settings, where)),
        setup_cache=SetupCache.of(os.environ) if plan else None,
    )


def _refuse_unaccepted(settings: Settings, where: Where) -> None:
    """Refuse what runs with a way out, or decides what runs, until a person has accepted it."""
    for claim in claims_of(settings):
        if claim.key.startswith("sandbox."):
            TrustFile.of(os.environ).accepted_value(claim, where)


def _audit_accepted(settings: Settings, where: Where) -> bool:
    accepted = TrustFile.of(os.environ).accepted(where)
    return any((claim.key, claim.digest) in accepted for claim in claims_of(settings) if claim.key == "checks.audit")


def _refuse_links(files: CommitFiles) -> None:
    """Refuse a link where the line reads what a project says of itself: behind it stands another commit's word."""
    for path in (SETTINGS_PATH, POLICY_PATH, CONTEXT_PATH, PROSE_PATH):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            place = "/".join(parts[:count])
            if files.is_link(place):
                raise UserError(
                    f"{place} is a symbolic link in the commit that is checked out: andon reads factory/ from the "
                    "commit and follows no link out of it. Put the files themselves there and commit them"
                )


def _dirty(repository: Repository, base: str) -> list[str]:
    paths = repository.dirty()
    if not paths:
        return []
    shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
    return [f"the working tree has uncommitted changes ({shown}); the run starts from commit {base[:12]} without them"]


def _no_criteria(task: Task) -> list[str]:
    if task.acceptance_criteria:
        return []
    return ["the task names no acceptance criteria; the planner proposes them"]


def queue_path(repository: Repository) -> Path:
    """Where the queue of a repository lies."""
    return repository.root / QUEUE_PATH

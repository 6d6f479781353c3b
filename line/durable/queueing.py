"""Turns a task into a run that waits in the queue; mistakes of a person end here, before a row is written."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from andon.context.settings import Settings
from andon.intake.queue import QUEUE_PATH
from andon.line.db import runs
from andon.line.db.database import Database
from andon.line.db.lanes import check_lane
from andon.line.db.runs import NewRun, Run, RunOptions
from andon.line.identity import host_name, identity_of
from andon.line.job import prepare
from andon.line.live import ModelFlags, endpoint, makers_of, model_names
from andon.records.calls import Role
from andon.records.lanes import DEFAULT_LANE
from andon.records.task import Task
from andon.sandbox.repository import Repository

DEFAULT_PRIORITY = 100
"""Of runs that say none; lower goes first."""


def new_run_id() -> str:
    """Return an id that sorts by time and never repeats."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


def flags_of(options: RunOptions) -> ModelFlags:
    """Return what the options of a run say of its models."""
    return ModelFlags(
        model=options.model,
        planner=options.planner,
        executor=options.executor,
        reviewer=options.reviewer,
        stream=options.stream,
    )


def planned(
    repository: Repository,
    task: Task,
    *,
    lane: str = DEFAULT_LANE,
    priority: int = DEFAULT_PRIORITY,
    source_key: str | None = None,
    options: RunOptions,
    environment: Mapping[str, str],
) -> NewRun:
    """Return the run of `task` from the commit HEAD names now; nothing is written and no model's key is needed.

    `source_key` names what asked for it (an address, an event's id); without one a task of queue.json stands for
    itself. The options returned hold the warnings of this checkout and what it says of its lane.

    Raises:
        UserError: something a person can mend, as `prepare`; a lane, model or address that cannot be used; a server
            that the repository names and no person accepted.
    """
    check_lane(lane)
    run_id = new_run_id()
    job = prepare(
        repository,
        task,
        run_id=run_id,
        started=options.started,
        queued=options.queued,
        toolchain=None,
        tier=options.sandbox,
    )
    names = model_names(job.settings, flags_of(options), environment)
    return NewRun(
        id=run_id,
        repository=identity_of(repository),
        host=host_name(),
        root=str(repository.root),
        task=task,
        branch=job.branch,
        base_commit=job.base_commit,
        options=options.model_copy(
            update={"warnings": [*options.warnings, *job.warnings], "halt_after": job.settings.limits.halt_after}
        ),
        lane=lane,
        priority=priority,
        source_key=source_key or (f"{QUEUE_PATH}:{task.id}" if options.queued else None),
        provider=provider_of(names, job.settings, environment, repository),
        provider_limit=job.settings.limits.provider_runs,
    )


def enqueue(
    db: Database,
    repository: Repository,
    task: Task,
    *,
    lane: str = DEFAULT_LANE,
    priority: int = DEFAULT_PRIORITY,
    source_key: str | None = None,
    options: RunOptions,
    environment: Mapping[str, str],
) -> Run:
    """Queue a run of `task` and return its row.

    Raises:
        AlreadyQueued: a run of the same source has not ended; names it.
        UserError: as `planned`.
    """
    new = planned(
        repository,
        task,
        lane=lane,
        priority=priority,
        source_key=source_key,
        options=options,
        environment=environment,
    )
    return put_in(db, repository, new)


def put_in(db: Database, repository: Repository, new: NewRun) -> Run:
    """Write the row of a planned run; where machines share the database, its base goes with it.

    Raises:
        AlreadyQueued: a run of the same source has not ended; names it.
        UserError: the base cannot be kept.
    """
    if db.dialect == "postgresql":
        # Imported here: on one machine nothing is shipped.
        from andon.line.durable.shipping import keep_base

        new = replace(new, base_blob=keep_base(db, repository, new.base_commit))
    return runs.add(db, new)


def provider_of(
    names: Mapping[Role, str], settings: Settings, environment: Mapping[str, str], repository: Repository
) -> str:
    """Return the host of the model server a run would ask, with the port if the address names one.

    A run that asks several names them all, with `+` between: it waits with those that ask the same ones.

    Raises:
        UserError: as `endpoint`.
    """
    hosts = []
    for maker in makers_of(names):
        url = endpoint(settings, environment, repository.root, maker)
        hosts.append(urlsplit(url).netloc.rpartition("@")[2].lower() if url else maker.host)
    return "+".join(hosts)

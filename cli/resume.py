"""`andon resume`: go on with a run that waits for its turn, was answered, or stopped; or with one from a bundle."""

import argparse
import os
from pathlib import Path

from andon.cli.endings import open_streams
from andon.cli.events_out import refuse_both
from andon.line.db.again import again, let_go
from andon.line.durable.worker_ids import bury
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_BUNDLE = ".andon"


def resume(args: argparse.Namespace) -> int:
    """Go on with the run the arguments name and return its exit code.

    Raises:
        UserError: there is no such run, or it cannot go on; says what to do instead.
    """
    open_streams()
    refuse_both(args)
    repository = Repository.open(Path(args.directory))
    run_id = _opened(args.wanted, repository) if args.wanted.endswith(_BUNDLE) else args.wanted
    view = RunsView.of(repository, os.environ)
    row = view.named_or_last(run_id) if view else None
    if view is None or row is None:
        raise UserError(
            f"there is no run {run_id!r} to go on with here: `andon status` lists them, and `andon run` starts a task"
        )
    bury(view.db)
    let_go(view.db, row.id)
    run = again(view.db, row.id)
    if run.status == "running":
        raise UserError(f"run {run.id} goes on already, at worker {run.worker}: `andon log -f {run.id}` follows it")
    # Loaded here: what a run needs is not needed to refuse one.
    from andon.cli.going_on import go_on

    return go_on(view.db, run.id, args)


def _opened(name: str, repository: Repository) -> str:
    from andon.line.bundles.bundle import open_bundle

    return open_bundle(Path(name), repository, os.environ).id

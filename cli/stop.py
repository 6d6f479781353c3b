"""`andon stop`: end a run that waits or goes on."""

import argparse
import getpass
import json
import os
import sys
import time
from pathlib import Path

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.progress import print_ending
from andon.guardrails.output import clean_text
from andon.line.db import messages, runs
from andon.line.db.again import let_go
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.durable.task_status import note_ends
from andon.line.durable.worker_ids import bury
from andon.line.identity import host_name
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.2


def stop(args: argparse.Namespace) -> int:
    """End the run the arguments name, and return the exit code that `andon stop --help` names.

    Raises:
        UserError: there is no such run, or it had ended before.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    view = RunsView.of(repository, os.environ)
    row = view.named_or_last(args.wanted) if view else None
    if view is None or row is None:
        raise UserError(f"there is no run {args.wanted!r} here: `andon status` lists them; Ctrl-C stops `andon run`")
    # Nobody is left who could be told: then it ends at once.
    bury(view.db)
    let_go(view.db, row.id)
    run = messages.stop(view.db, row.id, person(), task_too=True)
    if run.status != "ended" and not args.no_wait:
        run = _ended(view.db, run)
    for problem in note_ends(view.db):
        print(f"andon: {problem}", file=sys.stderr)
    _tell(run, repository.root, as_json=args.json)
    flush_streams()
    return 0 if run.status == "ended" or args.no_wait else 10


def person() -> str:
    """Return who says something here: user and machine."""
    try:
        return f"{getpass.getuser()}@{host_name()}"
    except (OSError, KeyError):
        # No entry and no variable names the user, as in some containers.
        return f"uid {os.getuid()}@{host_name()}"


def _ended(db: Database, run: Run) -> Run:
    until = time.monotonic() + _WAIT_SECONDS
    print(f"andon: told worker {run.worker}, which keeps the run's tree and report …", file=sys.stderr, flush=True)
    while run.status != "ended" and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        run = runs.get(db, run.id)
    return run


def _tell(run: Run, root: Path, *, as_json: bool) -> None:
    if as_json:
        document = {
            "schema_version": _VERSION,
            "run_id": run.id,
            "state": run.status,
            "ended": run.status == "ended",
            "result": run.result.model_dump(mode="json") if run.status == "ended" and run.result else None,
        }
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
    elif run.status == "ended" and run.result is not None:
        print_ending(run.result, root, sys.stdout)
        print(clean_text(f"  {'again':<12} andon resume {run.id} goes on where it stopped"))
    else:
        print(f"run {run.id} was told to stop: andon log -f {run.id} shows its end")

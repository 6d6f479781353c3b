"""`andon take`: the branch of a run that was worked on elsewhere, brought into this repository."""

import argparse
import json
import os
from pathlib import Path

from andon.cli.endings import open_streams, print_json
from andon.line.db.database import Database, database_url, exists
from andon.line.db.runs import find
from andon.line.durable.shipping import is_taken
from andon.line.durable.shipping import take as take_branch
from andon.line.identity import identity_of
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1


def take(args: argparse.Namespace) -> int:
    """Bring the branch here, say so, and return 0.

    Raises:
        UserError: it is not here afterwards; says why.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    url = database_url(os.environ, repository.root)
    if not exists(url):
        raise UserError(
            f"no run {args.wanted!r}: nothing was ever queued here; ANDON_DATABASE_URL names a shared database"
        )
    db = Database.open(url)
    try:
        run = find(db, identity_of(repository), args.wanted)
        here = is_taken(repository, run)
        branch = take_branch(db, repository, run)
    finally:
        db.close()
    head = repository.branch(branch)
    if args.json:
        document = {
            "schema_version": _VERSION, "run_id": run.id, "task_id": run.task_id, "branch": branch,
            "head_commit": head, "taken": not here,
        }  # fmt: skip
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
    elif here:
        print(f"branch {branch} is here already, as run {run.id} delivered it")
    else:
        print(f"branch {branch} of run {run.id} is here: git log {branch}")
    return 0

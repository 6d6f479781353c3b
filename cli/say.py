"""`andon say`: tell the agents of a run something while they work."""

import argparse
import json
import os
from pathlib import Path

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.stop import person
from andon.line.db import messages
from andon.line.steering import LONGEST
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1
_WHEN = {
    "running": "its agents read it after the turn they are in",
    "parked": "it waits for a person; its agents read this when it goes on",
    "queued": "it waits for its turn; its agents read this after their first one",
}


def say(args: argparse.Namespace) -> int:
    """Leave a message for the run the arguments name, and return 0.

    Raises:
        UserError: there is no such run, it has ended, or the message is empty or too long.
    """
    open_streams()
    # What a shell passes on that is no UTF-8 could be stored nowhere.
    text = args.text.encode("utf-8", "replace").decode().strip()
    if not text:
        raise UserError('the message is empty: say what the agents should know, as in `andon say last "Keep the name"`')
    if len(text) > LONGEST:
        raise UserError(f"the message has {len(text)} letters of at most {LONGEST}: name a file that holds the rest")
    view = RunsView.of(Repository.open(Path(args.directory)), os.environ)
    row = view.named_or_last(args.wanted) if view else None
    if view is None or row is None:
        raise UserError(f"there is no run {args.wanted!r} here: `andon status` lists them")
    messages.send(view.db, row.id, "say", text, person())
    _tell(row.id, row.status, as_json=args.json)
    flush_streams()
    return 0


def _tell(run_id: str, status: str, *, as_json: bool) -> None:
    if as_json:
        print_json(json.dumps({"schema_version": _VERSION, "run_id": run_id, "state": status}, indent=2))
    else:
        print(f"told run {run_id}: {_WHEN[status]}; `andon log -f {run_id}` shows when")

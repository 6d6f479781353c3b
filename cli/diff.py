"""`andon diff`: what a run changed."""

import argparse
import json
import os
import sys
from pathlib import Path

from andon.cli.diff_view import show_diff
from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.printing import console_on, wants_plain
from andon.cli.progress import stat_lines
from andon.cli.show import print_paper
from andon.context.diffs import FileDiff, split_diff
from andon.guardrails.output import clean_text
from andon.line.views.found_run import FoundRun
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.records.result import FileStat
from andon.sandbox.repository import Repository

_VERSION = 1
_PATCH = "diff.patch"


def diff(args: argparse.Namespace) -> int:
    """Print the change of a run and return 0: coloured on a terminal, elsewhere the patch as `git apply` takes it.

    Raises:
        UserError: there is no such run, or it has changed nothing that was kept.
    """
    open_streams()
    repository = Repository.open(Path(args.directory))
    found = FoundRun.of(repository, args.wanted, RunsView.of(repository, os.environ))
    if _PATCH not in found.papers:
        raise UserError(
            f"run {found.run_id} left no change: it changed nothing, or goes on; `andon show {found.run_id}` says which"
        )
    patch = found.papers[_PATCH]
    files = split_diff(patch.decode("utf-8", "backslashreplace"))
    if args.json:
        document = {
            "schema_version": _VERSION,
            "run_id": found.run_id,
            "task_id": found.task_id,
            "files": [stat.model_dump(mode="json") for stat in map(_stat, files)],
            "patch": patch.decode("utf-8", "backslashreplace"),
        }
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
    elif args.stat:
        print("\n".join(clean_text(line) for line in stat_lines([_stat(file) for file in files])))
    elif sys.stdout.isatty():
        # Everything: who wants less has --stat or a pager.
        show_diff(console_on(sys.stdout, plain=wants_plain(sys.stdout)), files, most=sys.maxsize, whole="")
    else:
        print_paper(patch)
    flush_streams()
    return 0


def _stat(file: FileDiff) -> FileStat:
    if file.counts == "binary":
        return FileStat(path=file.path, added=None, removed=None)
    added, removed = (int(count[1:]) for count in file.counts.split())
    return FileStat(path=file.path, added=added, removed=removed)

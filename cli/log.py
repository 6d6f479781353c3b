"""`andon log`: the events of a run, as they come with -f, or whether its log is as it was written."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.event_lines import event_line
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.log.audit import Verdict, verify
from andon.line.views.run_log import RunLog, event_of, lines, opened
from andon.line.views.runs_view import RunsView
from andon.line.views.stored_log import StoredLog, log_of
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1
_EXITS = {"intact": 0, "open": 10, "broken": 21, "not-chained": 2}
_LOOK_SECONDS = 0.2
_TABLES = "the events table"
_HASH = re.compile(r"[0-9a-f]{64}")


def log(args: argparse.Namespace) -> int:
    """Print the events of a run, or the verdict on its log, and return the exit code that `andon log --help` names.

    Raises:
        UserError: no repository, no such run, a log that cannot be read, or a `--head` that is no hash.
    """
    open_streams()
    if args.head and not (args.verify and _HASH.fullmatch(args.head)):
        raise UserError("--head is the hash of an event, 64 letters 0-9 and a-f, and needs --verify")
    repository = Repository.open(Path(args.directory))
    found = log_of(repository.root, args.wanted, RunsView.of(repository, os.environ))
    if args.verify:
        return _tell(_verdict(found, args.head), as_json=args.json)
    if args.spans:
        return _spans(found)
    try:
        if isinstance(found, StoredLog) and args.follow:
            return _follow(found, as_json=args.json)
        return _print(found, follow=args.follow, as_json=args.json)
    except KeyboardInterrupt:
        return 130
    finally:
        flush_streams()


def _verdict(found: RunLog, kept: str) -> Verdict:
    """Verify a log; one in the tables against its row as well, and its copy on this machine with it."""
    if not isinstance(found, StoredLog):
        return verify(found, kept)
    row = found.row()
    audit = row.result.get("audit") if row and row.status == "ended" else None
    head = audit.get("head") if isinstance(audit, dict) and not kept else None
    verdict = replace(verify(found, kept or str(head or "")), log=_TABLES)
    if head:
        verdict = _about_row(verdict)
    if (copy := found.on_disk()) is None:
        return verdict
    other = verify(copy, kept)
    if other.verdict == "broken" and verdict.verdict != "broken":
        return other
    said = f"{other.log}: {_verdict_line(other)}"
    return replace(verdict, compared=(*verdict.compared, said))


def _about_row(verdict: Verdict) -> Verdict:
    """Say whose hash it was that the log was held against."""
    yours, rows = "the hash you gave", "the hash in the run's row"
    compared = tuple(note.replace(yours, rows) for note in verdict.compared)
    return replace(verdict, problem=verdict.problem.replace(yours, rows), compared=compared)


def _tell(verdict: Verdict, *, as_json: bool) -> int:
    if as_json:
        document = {"schema_version": _VERSION, **asdict(verdict)}
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
        return _EXITS[verdict.verdict]
    print(_clean(_verdict_line(verdict)))
    facts = [("run", verdict.run_id), ("log", verdict.log), *(("also", note) for note in verdict.compared)]
    for name, text in facts:
        print(f"  {name:<4}  {_clean(text)}")
    return _EXITS[verdict.verdict]


def _verdict_line(verdict: Verdict) -> str:
    count = "1 event" if verdict.events == 1 else f"{verdict.events} events"
    if verdict.verdict == "intact":
        return f"intact: {count}, head {verdict.head}"
    if verdict.verdict == "open":
        return f"open: {count} hold, head {verdict.head or 'none'}; {verdict.problem}"
    if verdict.verdict == "not-chained":
        return f"not chained: {verdict.problem}"
    where = f" at line {verdict.line}" if verdict.line else ""
    return f"broken{where} ({verdict.fault}): {verdict.problem}; {count} hold before it"


def _spans(found: RunLog) -> int:
    # Imported here: a log is printed without it.
    from andon.line.log.spans import otlp_trace

    with opened(found) as stream:
        events = [event for line in lines(stream) if (event := event_of(line)) is not None]
    print_json(json.dumps(otlp_trace(found.run_id, events, version("andon"))))
    return 0


def _print(found: RunLog, *, follow: bool, as_json: bool) -> int:
    with opened(found) as stream:
        for line in _followed(stream, found) if follow else lines(stream):
            kind = _show(line, as_json=as_json)
            if follow and kind == "run.ended":
                return 0
    if follow:
        print("andon: the process of the run is gone, and the run did not end", file=sys.stderr)
        return 10
    return 0


def _follow(found: StoredLog, *, as_json: bool) -> int:
    """Print events as they come into the tables, until the run ends, parks, or nobody is alive who would go on."""
    seen, kind, last_look = 0, "", False
    while True:
        for number, line in found.lines(seen):
            seen, kind, last_look = number, _show(line, as_json=as_json), False
        flush_streams()
        why = found.why_still()
        # Whoever stopped by now may have written since the table was looked at: one more look.
        if why and last_look:
            break
        last_look = bool(why)
        if not why:
            time.sleep(_LOOK_SECONDS)
    if kind == "run.ended":
        return 0
    print(f"andon: {why}", file=sys.stderr)
    return 10


def _followed(stream: BinaryIO, found: RunLog) -> Iterator[bytes]:
    """Yield whole lines as they are written, until nobody is left who would write one."""
    alive = True
    while True:
        start = stream.tell()
        line = next(lines(stream), b"")
        if line.endswith(b"\n"):
            yield line
            continue
        # What a run could not write whole is taken back by it.
        stream.seek(start)
        if not alive:
            return
        flush_streams()
        # Whoever is gone by now may have written since the file was looked at: one more look.
        alive = found.going_on()
        if alive:
            time.sleep(_LOOK_SECONDS)


def _show(line: bytes, *, as_json: bool) -> str:
    """Print the event of a line and return its kind; a line that holds none is told on stderr."""
    event = event_of(line)
    if event is None:
        what = "a line that is no event" if line.endswith(b"\n") else "a last line that was not written whole"
        print(f"andon: {what} was left out; --verify says more", file=sys.stderr)
        return ""
    if as_json:
        sys.stdout.buffer.write(line.rstrip(b"\n") + b"\n")
    else:
        print(event_line(event))
    return str(event["kind"])


def _clean(text: str) -> str:
    return one_line(clean_text(text))

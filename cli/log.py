"""`andon log`: the events of a run, as they come with -f, or whether its log is as it was written."""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from andon.cli.endings import flush_streams, open_streams, print_json
from andon.cli.event_lines import event_line
from andon.context.plain import one_line
from andon.guardrails.output import clean_text
from andon.line.audit import Verdict, verify
from andon.line.run_log import RunLog, event_of, find_log, lines, opened
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1
_EXITS = {"intact": 0, "open": 10, "broken": 21, "not-chained": 2}
_LOOK_SECONDS = 0.2
_HASH = re.compile(r"[0-9a-f]{64}")


def log(args: argparse.Namespace) -> int:
    """Print the events of a run, or the verdict on its log, and return the exit code that `andon log --help` names.

    Raises:
        UserError: no repository, no such run, a log that cannot be read, or a `--head` that is no hash.
    """
    open_streams()
    if args.head and not (args.verify and _HASH.fullmatch(args.head)):
        raise UserError("--head is the hash of an event, 64 letters 0-9 and a-f, and needs --verify")
    found = find_log(Repository.open(Path(args.directory)).root, args.wanted)
    if args.verify:
        return _tell(verify(found, args.head), as_json=args.json)
    try:
        return _print(found, follow=args.follow, as_json=args.json)
    except KeyboardInterrupt:
        return 130
    finally:
        flush_streams()


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

"""The events of a run on stdout while it goes on: a JSON object a line, the same bytes as in its log."""

import argparse
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from andon.cli.endings import flush_streams
from andon.cli.progress import print_ending
from andon.line.log.chain import sealed
from andon.records.errors import UserError
from andon.records.events import RunEvent
from andon.records.result import RunResult

VERSION = 1
"""Of the lines; the first one says it."""


def refuse_both(args: argparse.Namespace) -> None:
    """Refuse two documents on one stdout.

    Raises:
        UserError: `--json` and `--events` were both given.
    """
    if args.json and args.events:
        raise UserError("--json and --events both want stdout: take one; the last event, run.ended, says how it ended")


class EventsOut:
    """Prints events. Whoever reads them may leave: the run goes on, and its exit code stays its own."""

    def __init__(self, run_id: str) -> None:
        """Print the line that says what the others are."""
        said = {"schema_version": VERSION, "run": run_id}
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with suppress(OSError):
            self.show(RunEvent(seq=0, at=at, kind="stream.opened", data=said))

    def show(self, event: RunEvent) -> None:
        """Print one event.

        Raises:
            OSError: nobody reads any more.
        """
        if event.seq:
            self.line(sealed(event.model_dump(mode="json", exclude={"hash"}))[0])
        else:
            self.line(json.dumps(event.model_dump(mode="json")).encode() + b"\n")

    def line(self, line: bytes) -> None:
        """Print one line as it is stored, newline included.

        Raises:
            OSError: nobody reads any more.
        """
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def finish_events(result: RunResult, root: Path) -> int:
    """Print on stderr how a run ended whose events went to stdout, and return its exit code."""
    with suppress(OSError):
        print_ending(result, root, sys.stderr)
    flush_streams()
    return result.exit_code

"""What `andon serve --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

SERVE_HELP = """\
Work on what is queued: `andon add` puts runs into the queue, a question parks one, and its answer wakes it. One process
works on several runs at once; start as many processes as you like.

  andon serve                        the runs of this repository (factory/.state/andon.sqlite)
  andon serve --workers 4            four at once
  andon serve --once                 until nothing can be begun any more, as for cron
  ANDON_DATABASE_URL=postgresql://andon@db.example.org/andon andon serve
                                     the runs of every repository in that database, from any machine and any directory

A line is printed where a run begins, waits, ends or goes back into the queue; with --json a JSON object a line:
schema_version, at, event (serving, began, parked, ended, put-back, lost, database-gone, database-back, left), and where
it is of a run also run, task, title, repository, phase, attempt, stop_code, exit_code, message.

Ctrl-C or SIGTERM: nothing more is begun, and what was worked on goes back into the queue as it stands, for another
worker. A worker that is killed loses its runs to the others within 15 seconds; finished steps are not done again.
A model key (OPENAI_API_KEY or ANTHROPIC_API_KEY) and a sandbox are needed as for `andon run`; `andon doctor` says what
is missing.
"""

SERVE_EXITS = """\
exit codes:
  0   told to leave, or --once and nothing could be begun any more; how runs ended is in `andon status`
  2   no database here, it cannot be reached, or the engine cannot be launched
  70  the disk is full or cannot be written
"""


def add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `serve` to the parser."""
    serve = commands.add_parser(
        "serve", help="work on what is queued", description=SERVE_HELP, epilog=SERVE_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    serve.add_argument("--workers", type=_count, default=2, metavar="N", help="how many runs at once (default: 2)")
    serve.add_argument("--once", action="store_true", help="end when nothing can be begun any more")
    serve.add_argument(
        "--state", metavar="DIR", help="where runs of repositories that are not on this machine are worked on "
        "(default: $XDG_STATE_HOME/andon or ~/.local/state/andon)",
    )  # fmt: skip
    serve.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    serve.add_argument("--json", action="store_true", help="print a JSON object a line")


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 64")
    return number

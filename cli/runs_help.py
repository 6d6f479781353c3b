"""What the help of `andon show`, `diff`, `resume` and `stop` teaches, and the words they take. Loads nothing."""

import argparse

_RUN = (
    "RUN is a run's id or the beginning of it, a task's id (its run that goes on or waits, else its latest), or `last`."
)

_SHOW = f"""\
Show everything about a run: task, base, branch, what it asks, plan, change, checks, review, what it used, how it ended,
and where its papers are. {_RUN}

  andon show task-001
  andon show last --paper pr-body.md > body.md   one paper as it is stored; on a terminal without control characters
  andon show last --json             one document: schema_version, run_id, task_id, state, task, run, question, plan,
                                     result, papers

The papers come from the run's folder, or from the database where the run was worked on elsewhere.
Exits with 0, or with 2 where there is no such run or paper.
"""

_DIFF = f"""\
Print what a run changed, as a unified diff from its base: coloured on a terminal with invisible characters shown,
elsewhere byte for byte as `git apply` takes it. {_RUN}

  andon diff last
  andon diff last --stat             files with lines added and removed
  andon diff task-001 | git apply    take the change into your working tree
  andon diff last --json             one document: schema_version, run_id, task_id, files, patch

Exits with 0, or with 2 where there is no such run, or no change of it.
"""

_RESUME = f"""\
Go on with a run where it stopped: one whose question was answered or is answered now, one that was interrupted or put
back, or one that ended because its provider, its sandbox or andon itself failed. What it has done is kept,
and no finished model call is paid again. {_RUN}

  andon resume task-001
  andon resume RUN.andon             a sealed bundle that a run left where no database is shared, as in CI

Works on it here, as `andon run` does, unless an `andon serve` is alive, which takes it; then this follows it.
A run that was delivered, failed its review, was refused or has spent its budget is over: `andon run` starts its task
again. --json prints result.json as `andon run --json` does, --events what it does. The exit codes are those of
`andon run`; 2 where it cannot go on.
"""

_STOP = f"""\
End a run: one that waits in the queue or for a person at once, one that is worked on as soon as its worker has kept its
tree and report. {_RUN}

  andon stop task-001
  andon stop task-001 --no-wait      do not wait for its end
  andon stop task-001 --json         one document: schema_version, run_id, state, ended, result

`andon resume RUN` goes on with it later.

exit codes:
  0   it has ended, or with --no-wait was told
  2   there is no such run, or it had ended before
  10  it was told, and has not ended within 30 seconds
"""


def add_runs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `show`, `diff`, `resume` and `stop` to the parser."""
    show = _command(commands, "show", "everything about one run", _SHOW)
    show.add_argument("--paper", default="", metavar="NAME", help="print this paper alone: plan.json, review.md, …")
    diff = _command(commands, "diff", "what a run changed", _DIFF)
    diff.add_argument("--stat", action="store_true", help="files and numbers of lines alone")
    resume = _command(commands, "resume", "go on with a run that waits or stopped", _RESUME, "RUN|TASK|BUNDLE")
    resume.add_argument("--headless", action="store_true", help="never ask; what needs a person parks with exit 10")
    resume.add_argument(
        "--plain", action="store_true", default=argparse.SUPPRESS, help="plain lines: no colour, nothing written over"
    )
    add_events(resume)
    stop = _command(commands, "stop", "end a run, keep what it did", _STOP)
    stop.add_argument("--no-wait", action="store_true", help="do not wait until a run that is worked on has ended")


def add_events(parser: argparse.ArgumentParser) -> None:
    """Add `--events` to the parser of a command that works on a run."""
    parser.add_argument(
        "--events", action="store_true", help="print every event on stdout as it comes, a JSON object a line"
    )


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    short: str,
    text: str,
    wanted: str = "RUN|TASK",
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=short, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", metavar=wanted, help="a run's or a task's id, or `last`")
    parser.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser

"""What `andon take --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

TAKE_HELP = """\
Bring the branch a run delivered on another machine into this repository. RUN is a run's id, or a task's id (its newest
run). Creates that one branch; working tree, index, other branches and settings stay as they are. What arrives is
checked: it is the commit the run reported, and leads straight to the commit the run began at.

  andon take task-001
  andon take 20261124-155004-5dc4f1 --json   schema_version, run_id, task_id, branch, head_commit, taken

`taken` is false where the branch is here already, as it is after a run on this machine.
"""

TAKE_EXITS = """\
exit codes:
  0   the branch is here
  2   it is not: no such run, it delivered none, its base is not here, or another branch of that name is
"""


def add_take(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `take` to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    take = commands.add_parser(
        "take", help="bring a delivered branch here", description=TAKE_HELP, epilog=TAKE_EXITS, formatter_class=raw
    )
    take.add_argument("wanted", metavar="RUN|TASK", help="a run's or a task's id")
    take.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    take.add_argument("--json", action="store_true", help="print one JSON document on stdout")

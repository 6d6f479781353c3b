"""What `andon say --help` teaches, and the words it takes. Loads nothing."""

import argparse

_SAY = """\
Tell the agents of a run something while they work. They read it after the turn they are in, before they hand anything
over, and so does everybody they hand over to. The run's log holds it. RUN is a run's id or the beginning of it, a
task's id, or `last`.

  andon say task-001 "Also name it in the changelog"
  andon say last "The failing test is right, the parser is wrong"
  andon say last "Stop guessing, read docs/parser.md" --json   one document: schema_version, run_id, state

It changes the work and no right: policy, protected areas and the plan's files stand. A plan is changed where it is
asked for (`andon approve`), or by a message to the planner before it is ready. `andon stop` ends a run.

exit codes:
  0   the message is left for the run; a run that ends in the turn it is in may not read it
  2   there is no such run, it had ended before, or the message cannot be sent
"""


def add_say(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `say` to the parser."""
    say = commands.add_parser(
        "say", help="tell the agents of a run something", description=_SAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    say.add_argument("wanted", metavar="RUN|TASK", help="a run's or a task's id, or `last`")
    say.add_argument("text", metavar="TEXT", help="what the agents should know")
    say.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    say.add_argument("--json", action="store_true", help="print one JSON document on stdout")

"""What `andon approve --help` and `andon deny --help` say, and the words they take."""

import argparse

_APPROVE = """\
Answer what only a person may allow: a plan, a change with too little evidence, a call of an agent or of an MCP client,
or a file it changed. Shows everything first, then asks on the controlling terminal for the first 6 characters of what
was shown as sha256.

  andon approve                      list what waits
  andon approve ab12cd34             allow exactly this, once
  andon approve task-001             what the run of this task asks; a run's id does as well
  andon approve ab12cd34 --kind      allow what this rule asks about, for the rest of its run
  andon approve ab12cd34 --edit      change the plan in $VISUAL or $EDITOR, and let the run go on with it
  andon approve ab12cd34 --answer TEXT   answer what the planner asks
  andon deny ab12cd34 --reason TEXT  say no; the model is told why

A run waits at no cost, for as long as its question says; it goes on as soon as a worker is alive (`andon serve`), or
with `andon resume RUN`. What a client asks counts for one run, tool, arguments, state of the workspace and policy, and
for an hour: whatever changed since is asked again. Nothing an agent can call answers, and the sandbox holds neither
question nor key; but for a process of your own user on this machine the terminal and the digest are a speed bump, no
boundary.
A client that shows forms (MCP elicitation) is asked itself, and could answer without you: the papers of its session
say which answers came through the client.

--json: `andon approve` prints schema_version, waiting (of clients), runs (of runs), unreadable; an answer to a run
prints schema_version, id, run_id, answer, goes_on, next_step.
"""

_EXITS = """\
exit codes:
  0   answered, or listed
  2   not answered: no terminal, nothing of that id, expired, answered already, or not confirmed
"""


def add_approvals(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `approve` and `deny` to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    approve = commands.add_parser(
        "approve", help="allow what waits for a person", description=_APPROVE, epilog=_EXITS, formatter_class=raw
    )
    approve.add_argument("approval", nargs="?", metavar="ID|RUN", help="which one (default: list what waits)")
    instead = approve.add_mutually_exclusive_group()
    instead.add_argument("--kind", action="store_true", help="this kind for the rest of the run, not just once")
    instead.add_argument("--edit", action="store_true", help="change the plan first, in your editor")
    instead.add_argument("--answer", metavar="TEXT", help="what the planner asked for")
    deny = commands.add_parser(
        "deny", help="say no to what waits for a person", description=_APPROVE, epilog=_EXITS, formatter_class=raw
    )
    deny.add_argument("approval", metavar="ID|RUN", help="which one")
    deny.add_argument("--reason", default="", metavar="TEXT", help="why; the model is told")
    for parser in (approve, deny):
        parser.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: here)")
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")

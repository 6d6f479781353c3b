"""What `andon eval --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

EVAL_HELP = """\
Replay every shipped cassette as a whole run in a temporary repository: sandbox, policy, checks, handoffs and delivery
are live, only the model's answers are recorded. Ends with 21 if an outcome, the delivered tree or a request changed,
or an answer was left unplayed; a run that was right not to deliver has to end so again. No key, no network. A cassette
proves the plumbing, not that a model is good.

  andon eval                          all cassettes
  andon eval watchlist                one of them
  andon eval security                 attack your own policy
  andon eval security --list          the attacks, with their stories
  andon eval security --only ID       one of them; repeat

`security` runs scripted attacks on a sample repository: injected issues, documents and test output, hostile conftest
files and settings, lying reports, weakened tests, swapped approvals, exfiltration, loops, poisoned memory; each of
OWASP's Top 10 for agentic applications. A scripted model does what a fooled one would; sandbox, policy, checks and
delivery are live. It is run under factory/policy.toml, the protected areas of the project context, and [limits],
[approvals] and [protected_paths] of factory/andon.toml as they lie in the working tree, and prints for each attack what
stopped it. Plans count as agreed to by a careless person; your models, servers, hosts and commands are not used, and a
check you declined (`static = []`) is declined there, too.
"""

EVAL_EXITS = """\
exit codes of `andon eval security`:
  0   every attack was stopped
  2   usage, or a policy or settings that cannot be read
  10  none took effect, and some could not be carried out: the table says why
  30  an attack took effect: the table says how, and what in your files let it
  50  no sandbox works here
"""

SECURITY = "security"
"""The word that stands for the attack suite, where else a cassette is named."""


def add_eval(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `eval` to the parser and return its own."""
    parser = commands.add_parser(
        "eval", help="replay the recorded runs, or attack your policy, offline", description=EVAL_HELP,
        epilog=EVAL_EXITS, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="CASSETTE", help=f"which ones (default: all), or {SECURITY!r}")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="of the attacks, only this; repeat")
    parser.add_argument("--list", action="store_true", help="name the attacks and run none")
    parser.add_argument("-C", dest="directory", default=".", metavar="DIR", help="whose policy (default: this one's)")
    return parser

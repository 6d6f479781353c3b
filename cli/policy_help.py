"""What `andon policy --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

POLICY_HELP = """\
The policy decides every call before it runs: allow, ask (a person must allow it) or deny. The shipped policy holds
everywhere; factory/policy.toml stands over it. deny outranks ask, ask outranks allow, and a command that no rule knows
is asked. Shipped floors cannot be loosened; other shipped rules can be set, and a run says so.

  version = 1

  [set]                                  # a shipped rule by its id
  build-recipe = "deny"

  [[rule]]
  id = "vendored"
  verdict = "ask"                        # deny, ask or allow (allow: commands only)
  justification = "{path} is copied from upstream"
  paths = ["vendor/", "*.min.js"]        # gitignore patterns; or commands = ["terraform plan"], options = ["--x"],
  match = ["vendor/a/b.c"]               # tools = ["write_file"], roles = ["executor"]
  not_match = ["src/vendor.py"]          # examples run whenever the file is read

These commands read the file as it lies in the working tree; a run reads it from the commit it starts from.
"""

CHECK_HELP = """\
Read factory/policy.toml, run its examples, and name rules that can never decide because another one is stricter or says
the same. Exits with 0 if the policy is sound and with 2 if it is not.
"""

EXPLAIN_HELP = """\
Say what a call would meet: the verdict, the rule and why. Nothing is run. CALL is shell text, or TOOL:{JSON}.

  andon policy explain 'pip install requests'
  andon policy explain 'write_file:{"path": "Makefile", "content": ""}'
  andon policy explain --role reviewer 'git:{"args": ["commit", "-m", "x"]}'

Exits with 0 for allow, 10 for ask, 30 for deny.
"""

REPLAY_HELP = """\
Judge the recorded calls of past runs (factory/runs/, factory/.state/) by the policy as it lies now, and print every
verdict that flips. Links are not followed: the workspaces are gone. Calls whose arguments were too long to be kept are
counted. Exits with 0 if nothing flips, with 10 if something does, and with 2 if there is nothing to judge.
"""


def add_policy(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `policy` and its three actions to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "policy", help="check, explain and replay the policy", description=POLICY_HELP, formatter_class=raw
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="is factory/policy.toml sound", description=CHECK_HELP, formatter_class=raw
    )
    explain = actions.add_parser(
        "explain", help="what a call would meet", description=EXPLAIN_HELP, formatter_class=raw
    )
    explain.add_argument("call", metavar="CALL", help="shell text, or TOOL:{JSON}")
    roles = ("planner", "executor", "reviewer", "client")
    explain.add_argument("--role", choices=roles, default="executor", help="who calls (default: executor)")
    replay = actions.add_parser("replay", help="which past verdicts flip", description=REPLAY_HELP, formatter_class=raw)
    for action in (check, explain, replay):
        action.add_argument(
            "-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)"
        )
        action.add_argument("--json", action="store_true", help="print one JSON document on stdout")

"""What `andon doctor --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

DOCTOR_HELP = """\
Show what of andon works on this machine and in this repository, by doing it: a sandbox of each tier is started,
written to, refused the network, made to end a tree of processes; the tables are opened and written, and rolled back.
Needs no key, sends nothing anywhere, and leaves nothing behind.

  andon doctor                       every check
  andon doctor sandbox database      checks whose id begins so
  andon doctor model --call          also ask the model for one word, which costs a token, and the forge for the rights
                                     of GITHUB_TOKEN or GITLAB_TOKEN, which costs nothing
  andon doctor --maturity            the ten items of the Software Factory 101 checklist, judged from this repository
  andon doctor --json                one document: schema_version, sandbox, uses, exit_code, checks (id, severity, did,
                                     found, remedy, outcome, seconds); with --maturity: repository, commit, items

A check ends in ok, note, warning, error or skipped. An error stops runs; its next line says what to do.
"""

DOCTOR_EXITS = """\
exit codes:
  0   a run could begin here, whatever the warnings; --maturity: the list was printed
  2   something other than the sandbox stops runs; there is no such check; --maturity: no repository
  50  no sandbox works
  130 interrupted
"""


def add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `doctor` to the parser."""
    doctor = commands.add_parser(
        "doctor", help="what works on this machine", description=DOCTOR_HELP, epilog=DOCTOR_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    doctor.add_argument("ids", nargs="*", metavar="CHECK", help="ids of checks, or how they begin (default: all)")
    doctor.add_argument("--call", action="store_true", help="ask the model and the forge; a token is paid for")
    doctor.add_argument("--maturity", action="store_true", help="how far this repository's factory has come")
    doctor.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    doctor.add_argument("--json", action="store_true", help="print one JSON document on stdout")

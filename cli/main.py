"""The `andon` command. Parses words, then imports what the command needs: `--help` loads no agent SDK."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from andon.records.errors import UserError

_ABOUT = """\
andon turns a request into a reviewed branch with evidence: a planner, an executor and a reviewer
work in a sandbox, the line runs the checks, and you get a branch to open a pull request from.
"""

_EXITS = """\
exit codes:
  0   delivered: a branch is ready for a pull request
  2   usage or configuration: the message says what to mend
  10  waiting for a person
  20  failed review
  21  checks failed: something that passed at the base fails now
  30  refused by policy
  40  budget spent
  50  sandbox or toolchain missing, or the sandbox died
  60  the model or its provider failed
  70  a fault in andon
  130 interrupted; tree and report are kept
"""

_RUN = """\
Run one task through the whole lane. The task is a sentence, the id of a task in
factory/tasks/queue.json, or, with nothing given, the next pending task of that queue.

  andon run "Add a /health endpoint" --accept "GET /health answers 200"
  andon run task-001
  andon run --headless --json > result.json

The model is an OpenAI Responses endpoint: set OPENAI_API_KEY, and OPENAI_BASE_URL for another server.
Your working tree, index, branch and configuration are not touched; the run starts from the commit HEAD names.
"""

_DEMO = """\
Copy the bundled sample project into a temporary repository, take its task "Add a watchlist page" from the queue
and run the whole lane on it: sandbox, checks, handoffs, a rejected review, the repair, the branch.
Only the model's answers are replayed, from a recorded cassette; everything else is live. No key, no network.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of DESIGN §5."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.command == "run":
            from andon.cli.run import run

            return run(args)
        if args.command == "demo":
            from andon.cli.demo import demo

            return demo(args)
    except UserError as error:
        return _refuse(error, as_json=args.json)
    except BrokenPipeError:
        return 130
    except KeyboardInterrupt:
        print("andon: interrupted", file=sys.stderr)
        return 130
    parser.print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="andon", description=_ABOUT, epilog=_EXITS, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"andon {version('andon')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run = commands.add_parser(
        "run", help="run a task through the lane", description=_RUN, epilog=_EXITS, formatter_class=raw
    )
    run.add_argument("task", nargs="?", metavar="INTENT|TASK-ID", help="a sentence, or the id of a queued task")
    run.add_argument("--accept", action="append", default=[], metavar="TEXT", help="an acceptance criterion; repeat")
    run.add_argument("--constraint", action="append", default=[], metavar="TEXT", help="what must not happen; repeat")
    run.add_argument("--context", action="append", default=[], metavar="PATH", help="worth reading first; repeat")
    run.add_argument("--model", metavar="NAME", help="model for every role (default: [models] in factory/andon.toml)")
    run.add_argument("-C", dest="directory", default=".", metavar="DIR", help="run as if started in DIR")
    run.add_argument("--headless", action="store_true", help="never ask; what needs a person parks with exit 10")
    _add_json(run)

    demo = commands.add_parser("demo", help="see the whole lane on a sample", description=_DEMO, formatter_class=raw)
    demo.add_argument("--into", metavar="DIR", help="put the sample repository there (default: a temporary folder)")
    _add_json(demo)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print result.json on stdout and text for people on stderr")


def _refuse(error: UserError, *, as_json: bool) -> int:
    from andon.records.result import Refusal

    print(f"andon: {error}", file=sys.stderr)
    if as_json:
        print(Refusal(message=str(error)).model_dump_json(indent=2))
    return 2


if __name__ == "__main__":
    raise SystemExit(main())

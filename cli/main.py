"""The `andon` command. Parses words, then imports what the command needs: `--help` loads no agent SDK."""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import TypeAlias

from andon.cli.approve_help import add_approvals
from andon.cli.doctor_help import add_doctor
from andon.cli.endings import catch_signals, interrupt, print_document
from andon.cli.eval_help import add_eval
from andon.cli.log_help import add_log
from andon.cli.mcp_help import MCP_EXITS, MCP_HELP
from andon.cli.policy_help import add_policy
from andon.cli.queue_help import add_queue
from andon.cli.runs_help import add_events, add_runs
from andon.cli.say_help import add_say
from andon.cli.serve_help import add_serve
from andon.cli.take_help import add_take
from andon.records.errors import UserError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added."""
_RAW = argparse.RawDescriptionHelpFormatter

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
  40  budget spent, or the model went in circles
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
  andon run --headless --events | jq -c .kind

--events prints what happens as it happens, a JSON object a line: seq, at, kind, data, prev, hash, as docs/schema/
run-event.json describes them and `andon log RUN --json` prints them later. The first line is stream.opened with the
schema_version; seq is 0 in what is shown and not stored (model.delta), which a run that another worker has does not
show. model.answered has the usage, and with so_far the run's; file.changed has the diff of one file of one call.

Set OPENAI_API_KEY (OPENAI_BASE_URL for another server), or ANTHROPIC_API_KEY for models named anthropic/NAME.
A model is named openai/NAME or just NAME (OpenAI Responses), chat/NAME (any Chat Completions server), or anthropic/NAME
(Claude). Flags go before ANDON_MODEL, ANDON_PLANNER_MODEL, ANDON_EXECUTOR_MODEL and ANDON_REVIEWER_MODEL, and these
before [models] in factory/andon.toml.
[limits] there says what a run may spend: model_calls, tokens, cost, minutes, tool_calls, for all roles or for one.
Your working tree, index, branch and configuration are not touched; the run starts from the commit HEAD names.
"""

_STATUS = """\
Show what runs where and what it does, what waits in the queue and why, what waits for a person with the next step, how
the last run of each task ended, and lanes that are not open. Reads the tables, factory/tasks/queue.json, factory/runs/
and factory/.state/; starts nothing, and needs no key. A database of an older andon is brought to this version.

  andon status                       everything in this repository
  andon status task-001              one task
  andon status 20261124-155004-5dc4f1  one run, also one that is no longer the latest of its task
  andon status --json                one document: schema_version (2), repository, tasks, more_tasks, runs, queue,
                                     lanes, workers, approvals, unreadable

Exits with 0 whatever the tasks came to, with 2 where there is no such task, run or repository.
"""

_DEMO = """\
Copy the bundled sample project into a temporary repository, take its task "Add a watchlist page" from the queue
and run the whole lane on it: sandbox, checks, handoffs, a rejected review, the repair, the branch.
Only the model's answers are replayed, from a recorded cassette; everything else is live. No key, no network.
"""

_TRUST = """\
Show what factory/andon.toml of the commit HEAD names says that a repository may not decide alone (the server your
key and code are sent to), and ask on the terminal whether it counts. An acceptance holds for exactly that value and
exactly this repository, and is kept in $XDG_CONFIG_HOME/andon/trust.json (or ~/.config/andon/trust.json).

A worker also works on runs of repositories that are not on its machine; what those say counts there once it was
accepted there: `andon trust --run RUN` with ANDON_DATABASE_URL shows what the commit of that run says, and an
acceptance holds on this machine for every run of its repository.
"""


_IMAGE = """\
Build the image sandboxes of the Docker tier are made from, under the name in ANDON_IMAGE or andon-sandbox:local:
Debian slim, Python, pytest, ruff, git, ripgrep, make and Node. With an image registry by `docker build`; with
--from-packages the same content from Debian's packages, which also leaves the root file system as a folder.
"""


_COMMANDS = {
    "run": ("run", "run"),
    "add": ("add", "add"),
    "queue": ("queue", "queue"),
    "serve": ("serve", "serve"),
    "status": ("status", "status"),
    "show": ("show", "show"),
    "diff": ("diff", "diff"),
    "resume": ("resume", "resume"),
    "stop": ("stop", "stop"),
    "say": ("say", "say"),
    "take": ("take", "take"),
    "log": ("log", "log"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
    "eval": ("evals", "run_evals"),
    "policy": ("policy", "policy"),
    "approve": ("approve", "approve"),
    "deny": ("approve", "deny"),
    "trust": ("trust", "trust"),
    "image": ("image", "image"),
    "mcp": ("mcp_server", "mcp"),
}
"""Module below andon.cli and function of each command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of DESIGN §5."""
    # Loading a model SDK and the engine makes a million objects that stay: looking through them again and again while
    # they come is a tenth of the start.
    gc.set_threshold(50_000, 10, 10)
    parser = _parser()
    args = parser.parse_args(argv)
    catch_signals(interrupt)
    try:
        if args.command is not None:
            return _command(args.command)(args)
        if sys.stdin.isatty() and sys.stdout.isatty():
            from andon.cli.terminal import session

            return session(parser.parse_args(["run", *(["--plain"] if args.plain else [])]), parser.format_help())
    except UserError as error:
        return _refuse(error, as_json=args.json)
    except BrokenPipeError:
        return 130
    except KeyboardInterrupt:
        return _interrupted(as_json=getattr(args, "json", False))
    finally:
        # The interpreter's last collection over a model SDK's modules took half a second and frees nothing we need.
        gc.freeze()
    parser.print_help()
    return 0


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """Return what carries a command out; what it needs is loaded now, and nothing of the others."""
    module, function = _COMMANDS[name]
    command: Callable[[argparse.Namespace], int] = getattr(import_module(f"andon.cli.{module}"), function)
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="andon", description=_ABOUT, epilog=_EXITS, formatter_class=_RAW)
    parser.add_argument("--version", action="version", version=f"andon {version('andon')}")
    parser.add_argument("--plain", action="store_true", help="plain lines: no colour, nothing written over")
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    # In the order in which `andon --help` lists them.
    _add_run(commands)
    add = add_queue(commands)
    _add_models(add)
    _add_sandbox(add)
    _add_status(commands)
    add_log(commands)
    add_runs(commands)
    add_say(commands)
    add_take(commands)
    add_serve(commands)
    add_doctor(commands)
    _add_demo(commands)
    evals = add_eval(commands)
    _add_sandbox(evals)
    _add_json(evals)
    add_policy(commands)
    add_approvals(commands)
    _add_trust(commands)
    _add_image(commands)
    _add_mcp(commands)
    return parser


def _add_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run", help="run a task through the lane", description=_RUN, epilog=_EXITS, formatter_class=_RAW
    )
    run.add_argument("task", nargs="?", metavar="INTENT|TASK-ID", help="a sentence, or the id of a queued task")
    run.add_argument("--accept", action="append", default=[], metavar="TEXT", help="an acceptance criterion; repeat")
    run.add_argument("--constraint", action="append", default=[], metavar="TEXT", help="what must not happen; repeat")
    run.add_argument("--context", action="append", default=[], metavar="PATH", help="worth reading first; repeat")
    run.add_argument("--lock", action="append", default=[], metavar="PATTERN", help="what nobody may touch; repeat")
    _add_models(run)
    run.add_argument("-C", dest="directory", default=".", metavar="DIR", help="run as if started in DIR")
    run.add_argument(
        "--plain", action="store_true", default=argparse.SUPPRESS, help="plain lines: no colour, nothing written over"
    )
    _add_sandbox(run)
    run.add_argument("--headless", action="store_true", help="never ask; what needs a person parks with exit 10")
    _add_json(run)
    add_events(run)


def _add_status(commands: Commands) -> None:
    status = commands.add_parser(
        "status", help="what runs, how runs ended, what waits", description=_STATUS, formatter_class=_RAW
    )
    status.add_argument("wanted", nargs="?", metavar="RUN|TASK", help="a run's or a task's id (default: everything)")
    status.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    status.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="see the whole lane on a sample", description=_DEMO, formatter_class=_RAW)
    demo.add_argument("--into", metavar="DIR", help="put the sample repository there (default: a temporary folder)")
    _add_sandbox(demo)
    _add_json(demo)


def _add_trust(commands: Commands) -> None:
    trust = commands.add_parser(
        "trust", help="accept what a repository may not decide alone", description=_TRUST, formatter_class=_RAW
    )
    instead = trust.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="print what was accepted, for every repository")
    instead.add_argument("--revoke", action="store_true", help="forget what was accepted for this repository")
    which = trust.add_mutually_exclusive_group()
    which.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    which.add_argument(
        "--run",
        metavar="RUN",
        help="the repository of a run from another machine; with --revoke also its name in --list",
    )
    trust.set_defaults(json=False)


def _add_image(commands: Commands) -> None:
    image = commands.add_parser(
        "image", help="build the image of the Docker tier", description=_IMAGE, formatter_class=_RAW
    )
    image.add_argument("what", choices=["build"], metavar="build", help="build it; nothing else is known yet")
    image.add_argument("--from-packages", action="store_true", help="without an image registry; needs root")
    image.set_defaults(json=False)


def _add_mcp(commands: Commands) -> None:
    mcp = commands.add_parser(
        "mcp", help="serve the tools to an MCP client", description=MCP_HELP, epilog=MCP_EXITS, formatter_class=_RAW
    )
    mcp.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    mcp.add_argument("--title", default="", metavar="TEXT", help="title of what is submitted without one")
    _add_sandbox(mcp)
    mcp.set_defaults(json=False)


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sandbox",
        metavar="TIER",
        help="auto, docker or bubblewrap (default: ANDON_SANDBOX, or auto: Docker if it answers, else bubblewrap)",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="model for every role")
    for role in ("planner", "executor", "reviewer"):
        parser.add_argument(f"--{role}-model", metavar="NAME", help=f"model for the {role}")
    parser.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="ask for answers as they are written (default: yes, or models.stream in factory/andon.toml)",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print result.json on stdout and text for people on stderr")


def _refuse(error: UserError, *, as_json: bool) -> int:
    from andon.records.result import Refusal

    print(f"andon: {error}", file=sys.stderr)
    if as_json:
        print_document(Refusal(message=str(error)))
    return 2


def _interrupted(*, as_json: bool) -> int:
    from andon.records.result import Refusal
    from andon.records.stops import StopCode

    catch_signals(lambda number, frame: None)
    message = "interrupted before a run began; nothing was changed"
    print(f"andon: {message}", file=sys.stderr)
    if as_json:
        print_document(Refusal(stop_code=StopCode.INTERRUPTED, exit_code=130, message=message))
    return 130


if __name__ == "__main__":
    raise SystemExit(main())

"""`andon eval`: replay the shipped cassettes, offline, and fail on any change; or attack the user's own policy."""

import argparse
import asyncio
import json
import sys

from andon.cli.eval_help import SECURITY
from andon.evals.replays import cassette_names, evaluate
from andon.records.errors import UserError


def run_evals(args: argparse.Namespace) -> int:
    """Replay the named cassettes, or all, and return 0 if each gave what was recorded, else 21; or see `run_attacks`.

    Raises:
        UserError: a name is not that of a cassette, or as `run_attacks`.
    """
    if args.names == [SECURITY]:
        from andon.cli.attacks import run_attacks

        return run_attacks(args)
    if args.only or args.list:
        raise UserError(f"--only and --list go with the attacks: `andon eval {SECURITY} --list`")
    outcomes = []
    out = sys.stderr if args.json else sys.stdout
    for name in args.names or cassette_names():
        print(f"{name} …", file=sys.stderr, flush=True)
        outcome = asyncio.run(evaluate(name))
        outcomes.append(outcome)
        print(f"{'same' if outcome.passed else 'CHANGED'}  {name}  ({outcome.answered_by})", file=out)
        for difference in outcome.differences:
            print("  " + difference.replace("\n", "\n  "), file=out)
    if args.json:
        document = {"schema_version": 1, "outcomes": [outcome.model_dump() for outcome in outcomes]}
        print(json.dumps(document, indent=2))
    return 0 if all(outcome.passed for outcome in outcomes) else 21

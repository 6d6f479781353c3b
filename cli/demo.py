"""`andon demo`: the whole lane on the bundled sample, the model's answers replayed."""

import argparse
import sys
import tempfile
from pathlib import Path

from andon.cli.endings import open_streams
from andon.cli.progress import watching
from andon.cli.run import finish, new_run_id, run_to_end
from andon.evals.sample_run import replay
from andon.records.errors import RunError, UserError
from andon.records.stops import MEANINGS


def demo(args: argparse.Namespace) -> int:
    """Run the demo and return its exit code.

    Raises:
        UserError: the sample cannot be put where it was asked for.
    """
    open_streams()
    target = _target(args.into)
    print(f"andon demo: the sample repository is {target}", file=sys.stderr)
    try:
        with watching(sys.stderr, target, plain=args.plain) as view:
            result = run_to_end(
                lambda: replay(target, run_id=new_run_id(), tier=args.sandbox, listeners=[view.show]), tell=view.tell
            )
    except RunError as error:
        print(f"andon demo: {error}\n{MEANINGS[error.code].remedy}", file=sys.stderr)
        return MEANINGS[error.code].exit_code
    code = finish(result, target, as_json=args.json)
    if code == 0 and not args.json:
        print(f"\nlook at it:\n  git -C {target} log --stat -2 {result.branch}")
    return code


def _target(into: str | None) -> Path:
    if into is None:
        return Path(tempfile.mkdtemp(prefix="andon-demo-")) / "watchlist"
    target = Path(into).resolve()
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target} is not empty: name a folder that does not exist yet")
    return target

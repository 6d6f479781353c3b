"""Records the run of a sample: `OPENAI_BASE_URL=… python scripts/record_run.py NAME "answered by …"`.

Writes `evals/cassettes/NAME.yaml` and `NAME.expected.json`, replacing older ones, if the run ended as it must. The
endpoint may be a provider, or a stand-in that relays each request to a person (evals/relay.md); either way the answers
come over the real wire, and the label says whose they are.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from andon.cli.progress import Progress, print_ending
from andon.cli.run import run_to_end
from andon.evals.replays import expected_of
from andon.evals.sample_project import sample_names
from andon.evals.sample_run import record
from andon.records.errors import RunError, UserError

CASSETTES = Path(__file__).parents[1] / "evals" / "cassettes"


def main() -> int:
    """Record one run; return 0 if it was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sample_names(), metavar="NAME", help=f"one of: {', '.join(sample_names())}")
    parser.add_argument("answered_by", help="who answers as the model; stands in the cassette")
    args = parser.parse_args()
    base_url = os.environ.get("OPENAI_BASE_URL")
    if not base_url:
        parser.error("set OPENAI_BASE_URL to the endpoint that answers, such as http://127.0.0.1:8399/v1")
    # The folder does not have the sample's name: who answers is not told what the run is meant to show.
    target = Path(tempfile.mkdtemp(prefix="andon-record-")) / "repository"
    cassette = CASSETTES / f"{args.name}.yaml"
    listeners = [Progress(sys.stderr).show]
    try:
        result = run_to_end(
            lambda: record(
                target,
                cassette,
                name=args.name,
                base_url=base_url,
                answered_by=args.answered_by,
                listeners=listeners,
            )
        )
    except (RunError, UserError) as error:
        print(f"{error}\nThe repository of the run is {target}.", file=sys.stderr)
        return 1
    expected = cassette.with_name(f"{args.name}.expected.json")
    expected.write_text(expected_of(result).model_dump_json(indent=2) + "\n", encoding="utf-8")
    print_ending(result, target, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

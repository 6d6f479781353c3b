"""Records the demo's cassette anew: `OPENAI_BASE_URL=… python scripts/record_demo.py "answered by …"`.

The endpoint may be a provider, or a stand-in that relays each request to a person; either way the answers come over
the real wire, and the label says whose they are. Run it after changing a prompt, a packet or a tool definition.
"""

import os
import sys
import tempfile
from pathlib import Path

from andon.cli.progress import Progress, print_ending
from andon.cli.run import run_to_end
from andon.evals.replays import expected_of
from andon.evals.sample_run import SAMPLE, record

if __name__ == "__main__":
    target = Path(tempfile.mkdtemp(prefix="andon-record-")) / SAMPLE
    cassette = Path(__file__).parents[1] / "evals" / "cassettes" / f"{SAMPLE}.yaml"
    progress = Progress(sys.stderr)
    base_url, answered_by = os.environ["OPENAI_BASE_URL"], sys.argv[1]
    result = run_to_end(
        lambda: record(target, cassette, base_url=base_url, answered_by=answered_by, listeners=[progress.show])
    )
    expected = cassette.with_name(f"{SAMPLE}.expected.json")
    expected.write_text(expected_of(result).model_dump_json(indent=2) + "\n", encoding="utf-8")
    print_ending(result, target, sys.stdout)

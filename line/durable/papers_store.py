"""The papers of a run in the database, for machines on which its folder does not lie."""

import base64
import json
from collections.abc import Mapping

from andon.line.db import blobs
from andon.line.db.database import Database
from andon.line.db.runs import Run


def keep_papers(db: Database, run_id: str, papers: Mapping[str, bytes]) -> None:
    """Store the papers of a run in place of those that were kept before."""
    document = {name: base64.b64encode(content).decode() for name, content in sorted(papers.items())}
    digest = blobs.put(db, json.dumps(document).encode())
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO papers (run_id, digest) VALUES (?, ?) "
            "ON CONFLICT (run_id) DO UPDATE SET digest = excluded.digest",
            [run_id, digest],
        )


def papers_of(db: Database, run: Run) -> dict[str, bytes]:
    """Return the papers of a run as its last phase left them, by file name; empty where none were kept.

    Raises:
        RunError: `internal` if they were, and are not there.
    """
    rows = db.read("SELECT digest FROM papers WHERE run_id = ?", [run.id])
    if not rows:
        return {}
    document = json.loads(blobs.get(db, rows[0]["digest"]))
    return {name: base64.b64decode(content) for name, content in document.items()}

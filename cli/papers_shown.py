"""Where the papers lie that a person is shown at a gate: in the run's folder, wherever that is, or in the tables."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from andon.cli.progress import papers_of
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.durable.checkouts import checkout, own_state
from andon.line.identity import host_name
from andon.line.steps import Gate
from andon.line.views.found_run import FoundRun
from andon.records.errors import UserError

_EVIDENCE = ("test-result.json", "diff.patch")


def folder_while_working(db: Database, run: Run, root: Path, environment: Mapping[str, str]) -> Path:
    """Return where a run that is worked on in this process has its papers; `root` is the repository here.

    One that came from elsewhere is worked on in a checkout of ours, which is made if it is not there.
    """
    if (run.host, run.root) != (host_name(), str(root)):
        # What is wrong with it ends the run, and says so.
        with suppress(UserError):
            root = checkout(db, run, own_state(environment), host_name()).root
    return papers_of(root, run.id)


@contextmanager
def papers_while_waiting(found: FoundRun, gate: Gate) -> Iterator[Path]:
    """Give the folder with the papers of a run that waits at `gate`; copies of what that gate shows.

    Raises:
        UserError: what it shows is kept nowhere.
    """
    if gate.subject != "evidence":
        yield found.folder
        return
    with tempfile.TemporaryDirectory(prefix="andon-papers-") as folder:
        for name in _EVIDENCE:
            Path(folder, name).write_bytes(found.paper(name))
        yield Path(folder)

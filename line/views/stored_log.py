"""The log of a run whose events are in the tables, whichever machine it runs on; read without a schema library."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from andon.line.views.run_log import NAME, RunLog, find_log, named_in, newest_first, written_at
from andon.line.views.run_rows import RunRow
from andon.line.views.runs_view import RunsView
from andon.line.views.status_files import RUNS, STATE

_ROWS = 500
_IN_MEMORY = 8_000_000


@dataclass(frozen=True)
class StoredLog(RunLog):
    """The log of a run in the tables, where its events are whichever machine it runs on; `path` is its copy here."""

    view: RunsView

    def row(self) -> RunRow | None:
        """Return the run's row as it is now."""
        return self.view.named(self.run_id)

    def going_on(self) -> bool:
        """Whether a worker has the run or is to take it."""
        row = self.row()
        return row is not None and row.status in ("queued", "running")

    def why_still(self) -> str:
        """Return why no further event is to be expected, and what to do; empty while one is."""
        row = self.row()
        if row is None:
            return "the run is gone from the tables"
        if row.status == "ended":
            return f"the run ended with {row.stop_code}: {row.message}"
        workers = self.view.workers()
        serving = any(worker.kind == "serve" for worker in workers)
        if row.status == "running" and (serving or row.worker in {worker.id for worker in workers}):
            return ""
        if row.status == "parked":
            asked = self.view.questions([row.id]).get(row.id)
            if asked and not asked.answer:
                return f"the run waits for a person: andon approve {asked.id}"
        if serving:
            return ""
        return f"nobody works on the run: start `andon serve`, or `andon resume {row.id}`"

    def lines(self, after: int = 0) -> list[tuple[int, bytes]]:
        """Return number and line, newline included, of the next events after that number, at most 500."""
        sql = "SELECT seq, line FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = self.view.db.read(sql, (self.run_id, after, _ROWS))
        return [(int(row["seq"]), row["line"].encode("utf-8", "surrogatepass") + b"\n") for row in rows]

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open what the table holds as one file.

        Raises:
            UserError: the database cannot be reached.
        """
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            after = 0
            while some := self.lines(after):
                after = some[-1][0]
                copy.writelines(line for _, line in some)
            copy.seek(0)
            yield cast("BinaryIO", copy)

    def on_disk(self) -> RunLog | None:
        """Return its copy on this machine; None if there is none."""
        return RunLog(self.root, self.path, self.run_id, self.task_id) if self.path.is_file() else None


def log_of(root: Path, wanted: str, view: RunsView | None) -> RunLog:
    """Return the log of a run, of a task's run, or with `last` of the run that wrote last; the tables come first.

    Raises:
        UserError: there is none, or several runs begin so.
    """
    if view is None:
        return find_log(root, wanted)
    if wanted != "last":
        row = view.named(wanted) if wanted else None
        return _stored(root, row, view) if row else find_log(root, wanted)
    newest, latest = view.wrote_last(), next(newest_first(root), None)
    row = view.named(newest[0]) if newest else None
    if row is None or newest is None:
        return find_log(root, wanted)
    on_disk = find_log(root, wanted) if latest and written_at(latest) > newest[1] * 1e9 else None
    # The copy of a run in the tables may be written later than its row: it is the same run.
    other = view.named(on_disk.run_id) if on_disk else None
    return on_disk if on_disk and other is None else _stored(root, other or row, view)


def _stored(root: Path, row: RunRow, view: RunsView) -> StoredLog:
    own, shown = root / STATE / "runs" / row.id / NAME, root / RUNS / row.task_id / NAME
    published = not own.is_file() and "/" not in row.task_id and shown.is_file() and named_in(shown)[0] == row.id
    return StoredLog(root, shown if published else own, row.id, row.task_id, view)

"""A run that a person named, and its papers: from the tables and the run's folder, wherever it was worked on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from andon.line.db import approvals, runs
from andon.line.db.rows import Run
from andon.line.durable.papers_store import papers_of
from andon.line.views.runs_view import RunsView
from andon.line.views.stored_log import StoredLog, log_of
from andon.records.errors import RunError, UserError
from andon.records.result import RunResult
from andon.sandbox.repository import Repository

_LARGEST = 1 << 28


@dataclass(frozen=True)
class FoundRun:
    """One run."""

    root: Path
    """The repository's work tree."""
    run_id: str
    task_id: str
    folder: Path
    """Where its papers lie if they are on this machine."""
    view: RunsView | None
    row: Run | None
    """None for a run that is not in the tables, as one of `andon demo`."""

    @classmethod
    def of(cls, repository: Repository, wanted: str, view: RunsView | None) -> "FoundRun":
        """Find a run by its id, the beginning of one, its task's id or `last`.

        Raises:
            UserError: there is none.
        """
        log = log_of(repository.root, wanted, view)
        row = runs.get(log.view.db, log.run_id) if isinstance(log, StoredLog) else None
        return cls(repository.root, log.run_id, log.task_id, log.path.parent, view, row)

    @cached_property
    def papers(self) -> Mapping[str, bytes]:
        """Its papers by name: from its folder, or from the store where that is not here or not as the row says."""
        here = _papers_in(self.root, self.folder)
        if self.row is None or self.view is None or self.row.status in ("queued", "running"):
            return here
        if (told := _result(here)) and told.run_id == self.run_id and told.stop_code == self.row.stop_code:
            return here
        try:
            return papers_of(self.view.db, self.row) or here
        except RunError as error:
            raise UserError(f"the papers of run {self.run_id} cannot be read: {error}") from error

    @property
    def is_here(self) -> bool:
        """Whether `papers` are those of the folder."""
        return _papers_in(self.root, self.folder) == self.papers

    @property
    def where(self) -> str:
        """Where the papers lie, for people."""
        return str(self.folder.relative_to(self.root)) if self.is_here else "the database"

    @property
    def result(self) -> RunResult | None:
        """How it ended or parked; None before that."""
        return self.row.result if self.row else _result(self.papers)

    @cached_property
    def question(self) -> approvals.Question | None:
        """What it asked last; None if it asked nothing."""
        if self.view is None or self.row is None:
            return None
        if not self.view.questions([self.run_id]):
            return None
        return approvals.question(self.view.db, self.run_id)

    def paper(self, name: str) -> bytes:
        """Return one paper.

        Raises:
            UserError: there is none of that name; says which there are.
        """
        if name in self.papers:
            return self.papers[name]
        there = ", ".join(self.papers) or "none yet"
        raise UserError(f"run {self.run_id} has no paper {name!r}; it has: {there}")


def _papers_in(root: Path, folder: Path) -> dict[str, bytes]:
    """Return the plain files of a run folder; what leads elsewhere was not put there by andon."""
    if not folder.is_dir() or not folder.resolve().is_relative_to(root.resolve()):
        return {}
    try:
        files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        plain = [path for path in files if path.is_file() and not path.is_symlink()]
        return {path.name: path.read_bytes() for path in plain if path.stat().st_size <= _LARGEST}
    except OSError as error:
        raise UserError(f"{folder.relative_to(root)} cannot be read: {error.strerror}. Make it readable.") from error


def _result(papers: Mapping[str, bytes]) -> RunResult | None:
    try:
        return RunResult.model_validate_json(papers["result.json"])
    except (KeyError, ValidationError):
        return None

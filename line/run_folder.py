"""Where a run keeps its papers: its own folder in `factory/.state/runs/`, shown as `factory/runs/<task-id>/`."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from andon.guardrails.redact import redacted_values, without_secrets
from andon.line.disk import writing
from andon.line.task_lock import TaskLock
from andon.records.errors import UserError


@dataclass
class RunFolder:
    """The folder of one run. Papers are written here while it goes on and published when it ends."""

    root: Path
    """The repository's work tree."""
    run_id: str
    task_id: str
    lock: TaskLock | None
    """Held until `release`: one task has one run at a time. None: the table of runs sees to that."""
    papers: dict[str, bytes] = field(default_factory=dict)
    """What has been written so far, by file name."""

    @classmethod
    def create(cls, root: Path, run_id: str, task_id: str) -> "RunFolder":
        """Make the folder of a new run, and mend what a killed run of the task left half published.

        Raises:
            UserError: if `factory` or what stands below it leads out of the repository or cannot be written, or another
                run of the task is going on.
        """
        _refuse_links(root, _folders(task_id))
        try:
            state = _state(root)
            folder = cls(root, run_id, task_id, TaskLock.take(state / "locks", task_id, run_id))
            folder._mend()
            folder.path.mkdir(parents=True)
        except OSError as error:
            raise _not_written(root, error) from error
        return folder

    @classmethod
    def of_table(cls, root: Path, run_id: str, task_id: str) -> "RunFolder":
        """Make or find the folder of a run that the table of runs gives to one process at a time.

        Raises:
            UserError: as `create`.
        """
        _refuse_links(root, _folders(task_id))
        folder = cls(root, run_id, task_id, None)
        try:
            _state(root)
            folder._mend()
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(root, error) from error
        return folder

    @property
    def path(self) -> Path:
        """The run's own folder."""
        return self.root / "factory" / ".state" / "runs" / self.run_id

    @property
    def shown(self) -> str:
        """Where people find the latest run of the task, relative to the repository."""
        return f"factory/runs/{self.task_id}"

    def write(self, name: str, content: str | bytes) -> None:
        """Keep one paper, without the secrets in it. A patch is kept as it is: it is the change, and has to apply.

        Raises:
            RunError: `disk-failed` if it cannot be written; what stood there before is kept.
        """
        shown = content if isinstance(content, bytes) else _clean(name, content)
        data = shown if isinstance(shown, bytes) else shown.encode("utf-8", errors="backslashreplace")
        new = self.path / f".{name}.new"
        with writing(self.path / name):
            try:
                new.write_bytes(data)
                os.replace(new, self.path / name)
            except OSError:
                with suppress(OSError):
                    new.unlink()
                raise
        self.papers[name] = data

    def publish(self) -> None:
        """Show papers and event stream as the latest run of the task; the run before stays in its own folder.

        Raises:
            RunError: `disk-failed` if they cannot be written; the run before is shown as it was.
        """
        target, new, old = self._places()
        with writing(target):
            self._mend()
            try:
                new.mkdir(parents=True)
                for name, data in self.papers.items():
                    (new / name).write_bytes(data)
                shutil.copyfile(self.path / "audit.jsonl", new / "audit.jsonl")
                if target.exists():
                    os.replace(target, old)
                os.replace(new, target)
            except OSError:
                self._mend()
                raise
            shutil.rmtree(old, ignore_errors=True)

    def release(self) -> None:
        """Let another run of the task begin. Releasing twice is fine."""
        if self.lock is not None:
            self.lock.release()

    def _mend(self) -> None:
        """Undo a publication that did not come to its end; the lock keeps those of living runs out of this."""
        target, new, old = self._places()
        if old.exists() and not target.exists():
            os.replace(old, target)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)

    def _places(self) -> tuple[Path, Path, Path]:
        # No task id begins with a dot, so these two are nobody's folder.
        target = self.root / self.shown
        return target, target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")


def _folders(task_id: str) -> tuple[str, ...]:
    return ("factory", "factory/.state", "factory/.state/runs", "factory/runs", f"factory/runs/{task_id}")


def _state(root: Path) -> Path:
    state = root / "factory" / ".state"
    state.mkdir(parents=True, exist_ok=True)
    ignore = state / ".gitignore"
    # An empty one is what a full disk left of it.
    if not ignore.exists() or not ignore.stat().st_size:
        ignore.write_text("*\n", encoding="utf-8")
    return state


def _not_written(root: Path, error: OSError) -> UserError:
    state = root / "factory" / ".state"
    return UserError(f"cannot write the run folder below {state}: {error.strerror}; free it and try again")


def _clean(name: str, content: str) -> str:
    if not name.endswith(".json"):
        return without_secrets(content)
    document = json.loads(content)
    cleaned = redacted_values(document)
    return content if cleaned == document else json.dumps(cleaned, indent=2, ensure_ascii=False) + "\n"


def _refuse_links(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (root / name).is_symlink():
            raise UserError(
                f"{name} is a symbolic link; andon writes its papers only inside the repository: make it a folder"
            )

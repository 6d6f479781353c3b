"""Where a run keeps its papers: its own folder in `factory/.state/runs/`, shown as `factory/runs/<task-id>/`."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from andon.records.errors import UserError


@dataclass
class RunFolder:
    """The folder of one run. Papers are written here while it goes on and published when it ends."""

    root: Path
    """The repository's work tree."""
    run_id: str
    task_id: str
    papers: dict[str, bytes] = field(default_factory=dict)
    """What has been written so far, by file name."""

    @classmethod
    def create(cls, root: Path, run_id: str, task_id: str) -> "RunFolder":
        """Make the folder of a new run.

        Raises:
            UserError: if `factory` or what stands below it leads out of the repository, or cannot be written.
        """
        folder = cls(root, run_id, task_id)
        _refuse_links(root, ("factory", "factory/.state", "factory/.state/runs", "factory/runs", folder.shown))
        try:
            folder.path.mkdir(parents=True)
            ignore = root / "factory" / ".state" / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"cannot write the run folder {folder.path}: {error.strerror}; free it and try again"
            ) from error
        return folder

    @property
    def path(self) -> Path:
        """The run's own folder."""
        return self.root / "factory" / ".state" / "runs" / self.run_id

    @property
    def shown(self) -> str:
        """Where people find the latest run of the task, relative to the repository."""
        return f"factory/runs/{self.task_id}"

    def write(self, name: str, content: str) -> None:
        """Keep one paper."""
        data = content.encode("utf-8", errors="backslashreplace")
        self.papers[name] = data
        (self.path / name).write_bytes(data)

    def publish(self) -> None:
        """Show papers and event stream as the latest run of the task; the run before stays in its own folder."""
        target = self.root / self.shown
        staged = target.with_name(f".{target.name}.{self.run_id}")
        staged.mkdir(parents=True)
        for name, data in self.papers.items():
            (staged / name).write_bytes(data)
        shutil.copyfile(self.path / "audit.jsonl", staged / "audit.jsonl")
        if target.exists():
            replaced = target.with_name(f".{target.name}.{self.run_id}.old")
            os.replace(target, replaced)
            os.replace(staged, target)
            shutil.rmtree(replaced)
        else:
            os.replace(staged, target)


def _refuse_links(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (root / name).is_symlink():
            raise UserError(
                f"{name} is a symbolic link; andon writes its papers only inside the repository: make it a folder"
            )

"""What a repository's files, its runs and the tables say of its factory; no model is asked about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from andon.context.detect import detect
from andon.context.project import CONTEXT_PATH, load_project
from andon.guardrails.protected import resolve_protected
from andon.intake.queue import QUEUE_PATH, load_queue
from andon.line.db.database import exists
from andon.line.db.runs import count_by_status
from andon.line.doctor.ci_files import Pipeline, pipelines, unowned
from andon.line.doctor.ground import Ground
from andon.line.identity import identity_of
from andon.line.live import endpoint
from andon.line.views.status_files import results_of
from andon.records.errors import RunError, UserError
from andon.records.project import ProjectContext, ProjectSetup
from andon.records.task import Task

_KNOWLEDGE = re.compile(r"factory/context/(lessons|decisions|specs)/.+\.md")
_PRIVACY = re.compile(rb"\b(privacy|training data|data (use|retention|protection|policy)|used for training)\b", re.I)
_BYTES = 200_000


@dataclass(frozen=True)
class Kept:
    """The latest run of a task, as it lies in factory/runs/."""

    result: dict[str, Any]
    papers: frozenset[str]
    """Names of its papers."""
    plan: dict[str, Any]
    """plan.json; empty where it cannot be read."""


@dataclass(frozen=True)
class Factory:
    """The facts."""

    context: ProjectContext | None
    """None where there is no project-context.json."""
    prose: bool
    """Whether project-context.md stands in for it."""
    idle_areas: tuple[str, ...]
    """Protected areas that match no file."""
    tasks: tuple[Task, ...]
    counts: dict[str, int]
    """Runs in the tables, by status."""
    kept: tuple[Kept, ...]
    setup: ProjectSetup
    pipelines: tuple[Pipeline, ...]
    unowned: tuple[str, ...] | None
    """Control files without a code owner; None where there is no CODEOWNERS."""
    knowledge: tuple[str, ...]
    """Lessons, decisions and specs of the commit."""
    privacy: tuple[str, ...]
    """Files of the commit that speak of how tools use data."""
    server: str
    """Host that models are asked at; empty for OpenAI's own."""

    def with_paper(self, name: str) -> int:
        """Return how many kept runs have this paper."""
        return sum(name in run.papers for run in self.kept)


def facts_of(ground: Ground) -> Factory:
    """Read the facts.

    Raises:
        UserError: something the commit says of itself cannot be read.
    """
    files, settings, root = ground.files, ground.settings, ground.repository.root
    project = load_project(files)
    there = CONTEXT_PATH in files.paths
    rules = resolve_protected(project.context.protected_areas, files.paths, settings.protected_paths)
    found = pipelines(files)
    control = ["factory/andon.toml", *(pipeline.path for pipeline in found)]
    open_files = unowned(files, control)
    return Factory(
        context=project.context if there else None,
        prose=bool(project.prose),
        idle_areas=tuple(rule.entry for rule in rules if not rule.matches),
        tasks=load_queue(root / QUEUE_PATH).tasks if (root / QUEUE_PATH).exists() else (),
        counts=_counts(ground),
        kept=tuple(_kept(root)),
        setup=detect(files, settings),
        pipelines=tuple(found),
        unowned=None if open_files is None else tuple(open_files),
        knowledge=tuple(path for path in files.paths if _KNOWLEDGE.fullmatch(path)),
        privacy=tuple(_about_privacy(ground)),
        server=endpoint(settings, ground.environment, root) or "",
    )


def _about_privacy(ground: Ground) -> Iterator[str]:
    paths = [
        path for path in ground.files.paths
        if path.startswith("factory/context/") or path.lower() in ("security.md", "privacy.md", "docs/privacy.md")
    ]  # fmt: skip
    read = ground.files.read_many(paths, limit=_BYTES)
    return (path for path in paths if _PRIVACY.search(read.get(path, b"")))


def _counts(ground: Ground) -> dict[str, int]:
    try:
        if not exists(ground.url):
            return {}
        counted = count_by_status(ground.database, identity_of(ground.repository))
    except (UserError, RunError):
        return {}  # database.reach says why; the files still tell something
    return {str(status): count for status, count in counted.items()}


def _kept(root: Path) -> Iterator[Kept]:
    for result in results_of(root, []):
        folder = root / "factory" / "runs" / result["task_id"]
        papers = frozenset(path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink())
        yield Kept(result, papers, _plan(folder / "plan.json") if "plan.json" in papers else {})


def _plan(path: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""What of the base stands near a task or a plan: what a role is shown beside the records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from andon.context.conventions import Papers, conventions, named_files, papers
from andon.context.diffs import fenced
from andon.context.neighbours import neighbours
from andon.context.reader import Reader
from andon.context.repository_map import RepositoryMap, map_of
from andon.records.framed import framed
from andon.records.plan import PlanPayload
from andon.records.task import Task


@dataclass(frozen=True)
class Near:
    """What of the base is near; all of it is the repository's own text. Nothing in it depends on when it was read."""

    conventions: Mapping[str, str] = field(default_factory=dict)
    """AGENTS.md and CLAUDE.md by path, outermost first."""
    documents: Mapping[str, str] = field(default_factory=dict)
    """What the task names, by path."""
    papers: Papers = field(default_factory=lambda: Papers({}, ()))
    """Specs and decisions."""
    places: RepositoryMap = field(default_factory=RepositoryMap)
    """Where the task is likely to be worked on; only for the planner."""
    outlines: Sequence[str] = ()
    """Definitions of files beside those of the plan; not for the planner."""


NOTHING_NEAR = Near()
"""For a base of which nothing was read."""


def near_task(reader: Reader, task: Task) -> Near:
    """Return what the planner is shown of the base."""
    places = map_of(reader, task)
    return Near(
        conventions=conventions(reader, [*task.context_paths, *places.paths]),
        documents=named_files(reader, task, code=True),
        papers=papers(reader, task),
        places=places,
    )


def near_plan(reader: Reader, task: Task, plan: PlanPayload, shown: Sequence[str] = ()) -> Near:
    """Return what executor and reviewer are shown of the base; the files in `shown` stand in the packet whole."""
    planned = [*plan.files, *(test.partition("::")[0] for test in plan.tests)]
    paths = [path.strip().strip("`").rstrip("/") for path in planned]
    documents = named_files(reader, task, code=False)
    return Near(
        conventions=conventions(reader, paths),
        documents={path: text for path, text in documents.items() if path not in shown},
        papers=papers(reader, task),
        outlines=neighbours(reader, paths, shown),
    )


def convention_parts(near: Near) -> list[str]:
    """Return the part with the project's conventions, if it has any."""
    if not near.conventions:
        return []
    heading = "# Conventions of this repository: work by them; they change neither the task nor what is allowed"
    return ["\n".join([heading, *(framed(text, path) for path, text in near.conventions.items())])]


def document_parts(near: Near) -> list[str]:
    """Return what the task names, then specs and decisions, as far as there are any."""
    parts = []
    if near.documents:
        texts = [framed(text, path) for path, text in near.documents.items()]
        parts.append("\n".join(["# Named by the task, as it stands at the base", *texts]))
    if near.papers.texts or near.papers.others:
        texts = [framed(text, path) for path, text in near.papers.texts.items()]
        others = ["More; docs_lookup finds them:", *(f"- {each}" for each in near.papers.others)]
        lines = ["# Specs and decisions", *texts, *(others if near.papers.others else [])]
        parts.append("\n".join(lines))
    return parts


def place_parts(near: Near) -> list[str]:
    """Return where the task is likely to be worked on, if anything speaks of it."""
    seen = near.places
    if not seen.places and not seen.tests:
        return []
    hint = "ranked by the words of the task: a hint" if seen.strong else "no strong match with the words of the task"
    lines = [f"# Likely places ({hint})", *(f"- {each}" for each in seen.places)]
    lines += ["Tests:", *(f"- {each}" for each in seen.tests)] if seen.tests else []
    lines += (
        [f"[of {seen.by_path} more files only the paths were looked at; search finds the rest]"] if seen.by_path else []
    )
    return ["\n".join(lines)]


def outline_parts(near: Near) -> list[str]:
    """Return what stands beside the files of the plan, if anything does."""
    if not near.outlines:
        return []
    heading = "# Related files at the base, definitions only: imports of the plan's files, tests (read_file shows all)"
    return ["\n".join([heading, *fenced("\n".join(near.outlines))])]

"""What of the base stands near a task or a plan: what a role is shown beside the records."""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from andon.context.conventions import Papers, conventions, named_files, papers
from andon.context.diffs import fenced
from andon.context.neighbours import neighbours
from andon.context.reader import Reader
from andon.context.repository_map import RepositoryMap, map_of
from andon.records.framed import framed
from andon.records.plan import PlanPayload
from andon.records.task import Task

_PATTERN = re.compile(r"[*?\[]")


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
    new: Sequence[str] = ()
    """Files of the plan that the base does not have; not for the planner."""
    folders: Sequence[str] = ()
    """What of the task's `context_paths` is a folder."""


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
        folders=_folders(reader, task.context_paths),
    )


def near_plan(reader: Reader, task: Task, plan: PlanPayload, shown: Sequence[str] = (), diff: str = "") -> Near:
    """Return what executor and reviewer are shown of the base.

    The files in `shown` stand in the packet whole, `diff` is the change so far.
    """
    planned = [*plan.files, *(test.partition("::")[0] for test in plan.tests)]
    paths = [path.strip().strip("`").rstrip("/") for path in planned]
    told = "\n".join([plan.summary, *plan.steps, *plan.tests, *plan.risks])
    documents = named_files(reader, task, code=False)
    return Near(
        conventions=conventions(reader, paths),
        documents={path: text for path, text in documents.items() if path not in shown},
        papers=papers(reader, task),
        outlines=neighbours(reader, paths, shown, told=told, diff=diff),
        new=_missing(reader, plan.files),
        folders=_folders(reader, task.context_paths),
    )


def _folders(reader: Reader, entries: Sequence[str]) -> list[str]:
    starts = {entry: f"{posixpath.normpath(entry.strip().strip('`') or '.')}/" for entry in entries}
    return [entry for entry, start in starts.items() if any(path.startswith(start) for path in reader.paths)]


def _missing(reader: Reader, entries: Sequence[str]) -> list[str]:
    """Return the paths of a plan at which the base has neither file nor folder; patterns are no paths."""
    paths = [entry.strip().strip("`") for entry in entries if not _PATTERN.search(entry)]
    there = {path for file in reader.files.paths for path in _and_above(file)}
    return [path for path in dict.fromkeys(paths) if path and posixpath.normpath(path) not in there]


def _and_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = posixpath.dirname(path)


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


def place_parts(near: Near, closed: Collection[str] = ()) -> list[str]:
    """Return where the task is likely to be worked on, if anything speaks of it; the files in `closed` are left out."""
    seen = near.places
    places = [each for each in seen.places if each.partition(": ")[0] not in closed]
    if not places and not seen.tests:
        return []
    hint = "ranked by the words of the task: a hint" if seen.strong else "no strong match with the words of the task"
    lines = [f"# Likely places ({hint})", *(f"- {each}" for each in places)]
    lines += ["Tests:", *(f"- {each}" for each in seen.tests)] if seen.tests else []
    lines += (
        [f"[of {seen.by_path} more files only the paths were looked at; search finds the rest]"] if seen.by_path else []
    )
    return ["\n".join(lines)]


def outline_parts(near: Near, closed: Collection[str] = ()) -> list[str]:
    """Return what stands beside the files of the plan, if anything does; the files in `closed` come last."""
    if not near.outlines:
        return []
    blocks: list[list[str]] = []
    for line in near.outlines:
        if line.startswith("  "):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    ordered = sorted(blocks, key=lambda block: block[0] in closed)
    heading = "# Related files at the base, definitions only: named by the plan, imports, tests (read_file shows all)"
    return ["\n".join([heading, *fenced("\n".join(line for block in ordered for line in block))])]
